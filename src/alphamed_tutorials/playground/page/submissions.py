"""Tasks from the page's form: what a target takes, and its code, both found out in a process that has torch."""

import functools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...catalogue import find_all
from ...data.folders import example_of
from ...errors import TutorialError, WrongUse
from ...runs.writing import write_json
from ...target import Target

PROGRAM = ("-P", "-m", "alphamed_tutorials.playground.submission")
SECONDS = 120.0
END_SECONDS = 5.0


def examples() -> list[str]:
    """Return the names of our own examples, in the order in which they are meant to be read."""
    return [each.name for each in find_all()]


def demo(data: Path) -> Target:
    """Return the example whose task a node's data will do for; the first one where they were not prepared for one.

    Args:
        data: The node's data folder.
    """
    found = find_all()
    try:
        name = example_of(data)
    except WrongUse:  # what says so is damaged: a demo of another example is better than no page
        name = ""
    return next((each for each in found if each.name == name), found[0])


def chosen(name: str) -> str:
    """Return the name of an example that a form brings.

    Raises:
        WrongUse: It is another one, such as the path of a file, whose code nobody has asked to run.
    """
    if name not in examples():
        raise WrongUse(f"no example is called {name}: choose one of the list")
    return name


def describe(target: str) -> dict[str, Any]:
    """Return what a form asks for that makes a task from a target: see `submission.describe`.

    Raises:
        TutorialError: There is no such target, or its code raised.
    """
    # code of one's own may change from one look to the next
    return dict(json.loads(_described(target) if target in examples() else _asked(target)))


def verification(example: str) -> bytes:
    """Return the `DatasetVerify.py` of an example."""
    return str(describe(example)["verification"]).encode()


@functools.lru_cache
def _described(example: str) -> str:
    return _asked(example)


def _asked(target: str) -> str:
    """Ask about a target; return what was answered, as JSON."""
    out, said = _run(["--describe", target], SECONDS)
    text = (out.splitlines() or [""])[-1]
    try:
        error = json.loads(text).get("error")
    except ValueError:
        error = _last(said)
    if error:
        raise TutorialError(error)
    return text


def make(
    folder: Path,
    target: str,
    rounds: int | None,
    seed: int,
    settings: Mapping[str, str],
    seconds: float = SECONDS,
) -> tuple[bytes, bytes]:
    """Return the `src.zip` that `submit()` would send of a target, and its `DatasetVerify.py`.

    Args:
        folder: Where to work.
        target: An example's name, or the path of a folder or a file.
        rounds: Rounds to run; the target's own number if None.
        seed: For a scheduler that takes one.
        settings: Arguments of the scheduler as text; those that are what `describe` says count for nothing.
        seconds: How long it may take.

    Raises:
        TutorialError: The task cannot be submitted, or not in time; the text says what to change.
    """
    folder.mkdir(parents=True, exist_ok=True)
    train, verify, error = (folder / name for name in ("src.zip", "DatasetVerify.py", "error.txt"))
    for file in (train, verify, error):
        file.unlink(missing_ok=True)
    wanted = {"target": target, "rounds": rounds, "seed": seed, "settings": dict(settings)}
    write_json(folder / "submission.json", wanted)
    _, said = _run([str(folder.resolve())], seconds)
    if error.exists():
        raise TutorialError(error.read_text(encoding="utf-8"))
    if not train.exists():  # how the process ended is no sign: the agent's watch over children may have taken it
        raise TutorialError(_last(said))
    return train.read_bytes(), verify.read_bytes()


def _run(words: list[str], seconds: float) -> tuple[str, str]:
    """Run the program to its end; return what came on its two outputs.

    Raises:
        TutorialError: It did not end in time.
    """
    with subprocess.Popen(
        [sys.executable, *PROGRAM, *words], start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", errors="replace",
    ) as process:  # fmt: skip
        try:
            return process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.terminate()
            try:
                process.communicate(timeout=END_SECONDS)  # it ends what looks at the code
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
            raise TutorialError(
                f"the task's code was not made within {seconds:g} seconds: look what it does while it is imported, and in "
                "__init__"
            ) from None


def _last(said: str) -> str:
    """Return why a process ended that gave no answer."""
    lines = said.strip().splitlines()
    return f"the task's code cannot be made: {lines[-1] if lines else 'its process was ended'}"
