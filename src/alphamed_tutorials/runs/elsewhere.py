"""A fresh Python that predicts with exported files: proof that they need torch and nothing of this project."""

import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ..faults import explained
from .calls import Call, ExportError

# torchvision is brought only where a file calls operators of its own, as detectors do.
PROGRAM = """
import json, os, sys
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # a model may print
import torch

def load(file):
    return torch.export.load(file).module() if file.endswith(".pt2") else torch.jit.load(file)

def predict(model_file, calls_file, outputs_file, num_threads):
    torch.set_num_threads(num_threads)  # the last digits depend on it
    try:
        model = load(model_file)
    except Exception:
        import torchvision
        model = load(model_file)
    with torch.no_grad():
        outputs = [model(*args, **kwargs) for args, kwargs in torch.load(calls_file, weights_only=True)]
    with open(outputs_file, "wb") as file:  # and no name: torch would say nothing of a full disk
        torch.save(outputs, file)
    assert not any(name.split(".")[0] in ("alphamed_tutorials", "alphafed") for name in sys.modules)

for line in sys.stdin:
    try:
        predict(**json.loads(line))
        answer = ""
    except Exception as error:
        answer = f"{type(error).__name__}: {error}"
    print(json.dumps(answer), file=answers, flush=True)
"""


class FreshPython:
    """An isolated interpreter beside this one. It loads torch while the files are still being written."""

    def __enter__(self) -> "FreshPython":
        self._start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.process.kill()
        self.process.communicate()

    def predict(self, file: Path, calls: Sequence[Call]) -> list[Any]:
        """Return what a TorchScript or `torch.export` file answers there.

        Raises:
            ExportError: It does not run there.
        """
        with tempfile.TemporaryDirectory() as folder:
            calls_file, outputs_file = Path(folder, "calls.pt"), Path(folder, "outputs.pt")
            with explained(calls_file), calls_file.open("wb") as stream:
                torch.save([tuple(call) for call in calls], stream)
            job = {"model_file": str(file), "calls_file": str(calls_file), "outputs_file": str(outputs_file)}
            failure = self._ask({**job, "num_threads": torch.get_num_threads()})
            if failure:
                reason = failure.strip().splitlines()[-1]
                raise ExportError(f"{file.name.lstrip('.')} does not run in a fresh Python: {reason}")
            return torch.load(outputs_file, weights_only=True)

    def _start(self) -> None:
        pipe = subprocess.PIPE
        command = [sys.executable, "-I", "-c", PROGRAM]
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)

    def _ask(self, job: dict[str, Any]) -> str:
        """Hand over a job and return why it failed; empty if it did not."""
        if self.process.poll() is not None:  # an earlier file brought it down
            self._start()
        assert self.process.stdin and self.process.stdout
        line = ""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(job) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        return json.loads(line) if line else "it was killed"
