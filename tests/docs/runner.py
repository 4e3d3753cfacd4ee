"""Run programs made of a page's code blocks as a reader would: as a file, in a folder of its own."""

import contextlib
import functools
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from pages import Line

TIME_LIMIT = 300  # seconds
# -e alone stops without a word: this says which line failed.
REPORT = Line("""trap 'echo "page.sh: line $LINENO: this command failed" >&2' ERR""", 0)


def run_python(page: str, lines: list[Line], time_limit: float = TIME_LIMIT) -> str:
    """Run `lines` as one Python program and return what it prints, or fail with the page's lines named."""
    return _run(page, "page.py", lines, (sys.executable, "page.py"), time_limit)


def run_shell(page: str, lines: list[Line], time_limit: float = TIME_LIMIT) -> str:
    """Run `lines` as one Bash program that stops at the first error, as `run_python` does."""
    return _run(page, "page.sh", [REPORT, *lines], ("bash", "-Eeuo", "pipefail", "page.sh"), time_limit)


def run_file(path: Path, time_limit: float = TIME_LIMIT) -> str:
    """Run a Python file in an empty folder and return what it prints."""
    status, output = execute((sys.executable, str(path)), None, time_limit)
    return _check(path.name, status, output, time_limit)


def _run(page: str, name: str, lines: list[Line], command: tuple[str, ...], time_limit: float) -> str:
    program = "".join(line.text + "\n" for line in lines)
    status, output = execute(command, (name, program), time_limit)

    def origin(match: re.Match) -> str:
        return f"{page} {lines[min(int(match[1]), len(lines)) - 1]}"

    output = re.sub(rf'(?:File "[^"\n]*\b{re.escape(name)}", line |{re.escape(name)}: line )(\d+)', origin, output)
    return _check(page, status, output, time_limit)


def _check(name: str, status: int | None, output: str, time_limit: float) -> str:
    reason = f"ran longer than {time_limit:g} seconds" if status is None else f"ended with exit status {status}"
    if status != 0:
        pytest.fail(f"{name} {reason}:\n{output}", pytrace=False)
    return output


@functools.cache  # the pages of both languages mostly hold the same program
def execute(command: tuple[str, ...], script: tuple[str, str] | None, time_limit: float) -> tuple[int | None, str]:
    """Run `command` in a new folder that holds at most `script`, its name and its text.

    Returns:
        The exit status, or None where the time limit stopped it, and all that was printed.
    """
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        if script:
            Path(folder, script[0]).write_text(script[1], encoding="utf-8")
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=_environment(),
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            status = process.wait(time_limit)
        except subprocess.TimeoutExpired:
            status = None
        finally:  # whatever the program left behind ends with it
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        output.seek(0)
        return status, output.read()


def _environment() -> dict[str, str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return os.environ | {"PATH": path, "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg", "PYTHONUTF8": "1"}
