"""What a forked process does first. It imports next to nothing, because every such process imports this module."""

import os
import runpy
import sys
from pathlib import Path


def run_forked(path: str, folder: str, output: str) -> None:
    """Run a Python file in a folder, as `python FILE` would; what it prints goes into the file `output`."""
    os.setsid()  # a process group of its own, which ends with it
    os.chdir(folder)
    with open(output, "w", encoding="utf-8") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.argv, sys.path[0] = [path], str(Path(path).parent)
    runpy.run_path(path, run_name="__main__")
