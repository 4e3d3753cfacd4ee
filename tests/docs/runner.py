"""Run programs made of a page's code blocks as a reader would: as a file, in a folder of its own."""

import contextlib
import functools
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import tempfile
from multiprocessing.forkserver import ensure_running
from pathlib import Path

import pytest
from forked import run_forked

from pages import Line

TIME_LIMIT = 300  # seconds
HEAVY = (
    "forked",
    "alphamed_tutorials",  # before alphafed, as everywhere
    "alphamed_tutorials.engines.local",
    "alphamed_tutorials.runs.export",
    "matplotlib.figure",
    "sklearn.datasets",
    "torchaudio",
    "torchvision.transforms.v2",
)
# -e alone stops without a word: this says which line failed.
REPORT = Line("""trap 'echo "page.sh: line $LINENO: this command failed" >&2' ERR""", 0)


def run_python(page: str, lines: list[Line], time_limit: float = TIME_LIMIT) -> str:
    """Run `lines` as one Python program and return what it prints, or fail with the page's lines named."""
    return _run(page, "page.py", lines, (sys.executable, "page.py"), time_limit)


def run_shell(page: str, lines: list[Line], time_limit: float = TIME_LIMIT) -> str:
    """Run `lines` as one Bash program that stops at the first error, as `run_python` does."""
    return _run(page, "page.sh", [REPORT, *lines], ("bash", "-Eeuo", "pipefail", "page.sh"), time_limit)


def run_file(path: Path, time_limit: float = TIME_LIMIT) -> str:
    """Run a Python file in an empty folder and return what it prints.

    The process is forked from one that has imported what takes seconds, torch above all, and data that an earlier
    program prepared with the same arguments are copied. The pages' own programs share nothing.
    """
    with tempfile.TemporaryDirectory() as folder, tempfile.NamedTemporaryFile("w+", encoding="utf-8") as output:
        process = _fork_server().Process(target=run_forked, args=(str(path), folder, output.name, _store().name))
        process.start()
        process.join(time_limit)
        status = process.exitcode  # None while it runs
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.join()
        return _check(path.name, status, Path(output.name).read_text("utf-8"), time_limit)


@functools.cache
def _store() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix="prepared-")  # goes when the tests end


@functools.cache
def _fork_server() -> multiprocessing.context.ForkServerContext:
    """Return what starts processes that have the heavy modules already; it has the environment of every program."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(HEAVY))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in _environment().items():
            patch.setenv(name, value)
        ensure_running()
    return context


def _run(page: str, name: str, lines: list[Line], command: tuple[str, ...], time_limit: float) -> str:
    program = "".join(line.text + "\n" for line in lines)
    status, output = _execute(command, name, program, time_limit)

    def origin(match: re.Match) -> str:
        return f"{page} {lines[min(int(match[1]), len(lines)) - 1]}"

    output = re.sub(rf'(?:File "[^"\n]*\b{re.escape(name)}", line |{re.escape(name)}: line )(\d+)', origin, output)
    return _check(page, status, output, time_limit)


def _check(name: str, status: int | None, output: str, time_limit: float) -> str:
    reason = f"ran longer than {time_limit:g} seconds" if status is None else f"ended with exit status {status}"
    if status != 0:
        pytest.fail(f"{name} {reason}:\n{output}", pytrace=False)
    return output


def _execute(command: tuple[str, ...], name: str, program: str, time_limit: float) -> tuple[int | None, str]:
    """Run `command` in a new folder that holds nothing but `program` in a file `name`.

    Returns:
        The exit status, or None where the time limit stopped it, and all that was printed.
    """
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        Path(folder, name).write_text(program, encoding="utf-8")
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
