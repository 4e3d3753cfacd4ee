"""Data that tests prepare with the same arguments, made once."""

import functools
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path


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
