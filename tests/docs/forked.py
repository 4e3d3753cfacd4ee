"""What a forked process does first. It imports next to nothing, because every such process imports this module."""

import functools
import hashlib
import json
import os
import runpy
import shutil
import sys
from collections.abc import Callable
from pathlib import Path


def run_forked(path: str, folder: str, output: str, store: str) -> None:
    """Run a Python file in a folder, as `python FILE` would; what it prints goes into the file `output`.

    Args:
        path: The file.
        folder: The folder to run it in.
        output: A file for all that is printed.
        store: Where data that were prepared once are kept.
    """
    os.setsid()  # a process group of its own, which ends with it
    os.chdir(folder)
    with open(output, "w", encoding="utf-8") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.argv, sys.path[0] = [path], str(Path(path).parent)
    from alphamed_tutorials.data import prepare as module

    module.prepare = once_and_copied(module.prepare, Path(store))
    runpy.run_path(path, run_name="__main__")


def once_and_copied(prepare: Callable[..., dict], store: Path) -> Callable[..., dict]:
    """Return a `prepare` that makes data once and copies them from then on: the same arguments give the same files."""

    @functools.wraps(prepare)
    def prepare_or_copy(target: str, out: str, **arguments) -> dict:
        name = hashlib.sha256(repr((target, sorted(arguments.items()))).encode()).hexdigest()
        if not (store / name).exists():
            prepare(target, store / name, **arguments)
        shutil.copytree(store / name, out)
        return json.loads((store / name / "prepare.json").read_text("utf-8"))

    return prepare_or_copy
