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

SERVER = Path(__file__).with_name("server.py")


class JobFailed(Exception):
    """What a job's program raised; the text names the task's file and line.

    Attributes:
        text: What the exception said.
        said: The same with its kind.
        kind: The name of its class; empty where it says everything itself.
        name: The name of the module that an import did not find.
        file, line: The innermost line of the task's own code; empty and 0 where none took part.
    """

    def __init__(self, text: str, kind: str = "", name: str = "", file: str = "", line: int = 0):
        self.said = f"{kind}: {text}" if kind else text
        super().__init__(f"{file}, line {line}: {self.said}" if file else self.said)
        self.text, self.kind, self.name, self.file, self.line = text, kind, name, file, line


class TimeIsUp(Exception):
    """A job that did not end in time, and was ended."""


class Server:
    """A process that forks a clean one for each job."""

    def __enter__(self) -> "Server":
        self.process = subprocess.Popen(
            [sys.executable, str(SERVER)],
            env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
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
        program: Path,
        own: Sequence[Path],
        path: Sequence[str] | None = None,
        cwd: Path | None = None,
        limit: float | None = None,
        **arguments: Any,
    ) -> Any:
        """Run a program and return what its `main` returns.

        Args:
            program: Its file. `main` takes and returns what JSON can hold.
            own: Folders with the task's own code, for naming its file and line.
            path: Where that process finds modules; among installed packages only if None.
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
                "program": str(program),
                "own": [f"{place}{os.sep}" for place in own],
                "path": path and [entry or os.getcwd() for entry in path],
                "cwd": str(cwd or Path(folder) / "empty"),
                "answer": str(answer),
                "arguments": arguments,
            }
            self._run(request, limit)
            if not answer.exists():
                raise JobFailed("the process that asked was ended by the system: too little memory?")
            found = json.loads(answer.read_text("utf-8"))
        if "error" in found:
            raise JobFailed(**found["error"])
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
