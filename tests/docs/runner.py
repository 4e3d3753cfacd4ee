"""Run programs made of a page's code blocks as a reader would: as a file, in a folder of its own."""

import contextlib
import functools
import os
import re
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest
from preloaded import environment, stand_ins

from pages import Block, Line
from record_outputs import COMMANDS, ENVIRONMENT, MARK, program, split

TIME_LIMIT = 300  # seconds
# -e alone stops without a word: this says which line failed.
REPORT = Line("""trap 'echo "page.sh: line $LINENO: this command failed" >&2' ERR""", 0)


def run_python(page: str, blocks: list[Block], time_limit: float = TIME_LIMIT) -> list[str]:
    """Run `blocks` as one Python program and return what each prints, or fail with the page's lines named."""
    return _run(page, "page.py", program(blocks), [str(stand_ins() / "python"), *COMMANDS["python"][1:]], time_limit)


def run_shell(page: str, blocks: list[Block], time_limit: float = TIME_LIMIT) -> list[str]:
    """Run `blocks` as one Bash program that stops at the first error, as `run_python` does."""
    return _run(page, "page.sh", [REPORT, *program(blocks)], COMMANDS["sh"], time_limit)


def run_file(path: Path, time_limit: float = TIME_LIMIT) -> str:
    """Run a Python file in an empty folder and return what it prints.

    Data that an earlier program prepared with the same arguments are copied. The pages' own programs share nothing.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [str(stand_ins() / "python"), str(path)]
        ended = _execute(command, folder, time_limit, STORE_OF_PREPARED_DATA=_store().name)
    return _check(path.name, *ended, time_limit)


@functools.cache
def _store() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix="prepared-")  # goes when the tests end


def _run(page: str, name: str, lines: list[Line], command: list[str], time_limit: float) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, name).write_text("".join(line.text + "\n" for line in lines), encoding="utf-8")
        status, *texts = _execute(command, folder, time_limit, **ENVIRONMENT)

    def origin(match: re.Match) -> str:
        return f"{page} {lines[min(int(match[1]), len(lines)) - 1]}"

    place = re.compile(rf'(?:File "[^"\n]*\b{re.escape(name)}", line |{re.escape(name)}: line )(\d+)')
    output, errors = (place.sub(origin, text).replace(folder, "…") for text in texts)
    return split(_check(page, status, output, errors, time_limit))


def _check(name: str, status: int | None, output: str, errors: str, time_limit: float) -> str:
    reason = f"ran longer than {time_limit:g} seconds" if status is None else f"ended with exit status {status}"
    if status != 0:
        pytest.fail(f"{name} {reason}:\n{_without_marks(output)}{errors}", pytrace=False)
    return output


def _without_marks(output: str) -> str:
    return output.replace(f"{MARK}\n", "")


def _execute(command: list[str], folder: str, time_limit: float, **variables: str) -> tuple[int | None, str, str]:
    """Run `command` in a folder, where `python FILE.py` and `playground` start at once.

    Returns:
        The exit status, or None where the time limit stopped it; what was printed; what a Python program printed as
        errors and warnings. A shell shows these among the rest, as a terminal does.
    """
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as output,
        tempfile.TemporaryFile("w+", encoding="utf-8") as errors,
    ):
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment(stand_ins()) | variables,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT if command[0] == "bash" else errors,
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
        errors.seek(0)
        return status, output.read(), errors.read()
