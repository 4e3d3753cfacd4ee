"""Ask in clean processes: what a task imports, changes or breaks there stays there."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

JOBS = Path(__file__).with_name("jobs")


class JobFailed(Exception):
    """What a job's program raised; the text names the task's file and line.

    Attributes:
        kind: The name of the exception's class.
    """

    def __init__(self, text: str, kind: str = ""):
        super().__init__(text)
        self.kind = kind


class TimeIsUp(Exception):
    """A job that did not end in time, and was ended."""


class Server:
    """A process that forks a clean one for each job."""

    def __enter__(self) -> "Server":
        self.process = subprocess.Popen(
            [sys.executable, str(JOBS / "server.py")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0, start_new_session=True,
        )  # fmt: skip
        self.child = 0
        return self

    def __exit__(self, *_: Any) -> None:
        self._end_child()
        self.process.kill()
        self.process.communicate()

    def ask(
        self,
        job: str,
        own: Sequence[Path],
        path: Sequence[str] | None = None,
        cwd: Path | None = None,
        limit: float | None = None,
        **arguments: Any,
    ) -> Any:
        """Run one of the programs in `jobs` and return what its `main` returns.

        Args:
            job: The program's name.
            own: Folders with the task's own code, for naming its file and line.
            path: Where that process finds modules; where this one does if None.
            cwd: Its working folder; an empty one if None.
            limit: Seconds until it is ended.
            **arguments: What `main` gets.

        Raises:
            JobFailed: It raised.
            TimeIsUp: It did not end in time.
        """
        with tempfile.TemporaryDirectory() as folder:
            answer = Path(folder, "answer.json")
            (Path(folder) / "empty").mkdir()
            request = {
                "program": str(JOBS / f"{job}.py"),
                "own": [f"{place}{os.sep}" for place in own],
                "path": [entry or os.getcwd() for entry in (sys.path if path is None else path)],
                "cwd": str(cwd or Path(folder) / "empty"),
                "answer": str(answer),
                "arguments": arguments,
            }
            self._run(request, limit)
            if not answer.exists():
                raise JobFailed("the process that asked was ended by the system: too little memory?")
            found = json.loads(answer.read_text("utf-8"))
        if "error" in found:
            raise JobFailed(found["error"], found["kind"])
        return found["result"]

    def _run(self, request: dict[str, Any], limit: float | None) -> None:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(request).encode() + b"\n")
        self.child = int(self.process.stdout.readline() or 0)
        try:
            in_time, *_ = select.select([self.process.stdout], [], [], limit)
        finally:
            self._end_child()
        self.process.stdout.readline()
        if not in_time:
            raise TimeIsUp

    def _end_child(self) -> None:
        """End the job's process, if it still runs, and whatever it left running."""
        if self.child:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.child, signal.SIGKILL)
        self.child = 0
