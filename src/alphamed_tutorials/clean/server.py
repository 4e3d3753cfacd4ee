"""Keep torch and the SDK loaded, and fork a clean process for each job that comes as a line on stdin.

Nothing of the task or of this project is imported here: a fork knows what a fresh Python with the platform's packages
knows, without the seconds that torch takes to import.
"""

import json
import logging
import os
import runpy
import sys
import traceback
from pathlib import Path
from typing import Any

for name in ("alphafed", "task"):  # `import alphafed` writes ./alphafed.log unless these loggers exist
    logging.getLogger(name)

import alphafed.fed_avg  # noqa: E402, F401
import cloudpickle  # noqa: E402, F401
import pydantic.main  # noqa: E402, F401
import torch._dynamo  # noqa: E402, F401  (the first optimizer imports it, which takes a second)
import torchvision  # noqa: E402, F401

sys.dont_write_bytecode = True


def work(job: dict[str, Any]) -> None:
    """Run a job's program and write what it returns, or what it raised with the line of the task's own code."""
    os.setpgid(0, 0)  # so that what it starts can be ended with it
    output = os.open(os.devnull, os.O_WRONLY)
    os.dup2(output, 1)
    os.dup2(output, 2)
    try:
        os.chdir(job["cwd"])
        sys.path[:] = job["path"] or sys.path[1:]  # the first is this file's folder
        answer = {"result": runpy.run_path(job["program"])["main"](**job["arguments"])}
    except BaseException as error:
        answer = {"error": described(error, job["own"])}
    Path(job["answer"]).write_text(json.dumps(answer), "utf-8")


def described(error: BaseException, own: list[str]) -> dict[str, Any]:
    """Return what an error says, and the innermost line of the task's own files that took part."""
    if hasattr(error, "exit_code"):  # one of ours: its text says where
        return {"text": str(error)}
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(tuple(own))]
    where = {"file": frames[-1].filename, "line": frames[-1].lineno} if frames else {}
    return {"text": str(error), "kind": type(error).__name__, "name": getattr(error, "name", None) or "", **where}


if __name__ == "__main__":
    for line in sys.stdin:
        child = os.fork()
        if not child:
            try:
                work(json.loads(line))
            finally:
                os._exit(0)
        print(child, flush=True)
        os.waitpid(child, 0)
        print("ended", flush=True)
