"""A task's code for an agent, which imports no torch: `python -m alphamed_tutorials.playground.submission FOLDER`.

FOLDER/submission.json says what is wanted: {"target", "rounds", "seed", "settings": {name: text}}. FOLDER then gets
`DatasetVerify.py` and `src.zip`, or `error.txt` that says why not.

    python -m alphamed_tutorials.playground.submission --describe TARGET

prints, as its last line, what `describe` returns as JSON, or {"error": why not}.
"""

import contextlib
import inspect
import json
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..arguments import Argument, arguments, convert
from ..catalogue import find
from ..errors import TutorialError
from ..runs.writing import write_whole
from ..target import Target
from ..texts import to_json
from .source import make, verification

ELSEWHERE = ("max_rounds", "seed", "data_dir")  # rounds and seed are the task's, and each node has its own data


def submit(folder: Path) -> None:
    """Write the code that a folder's `submission.json` asks for.

    Raises:
        TutorialError: The task cannot be submitted; the text says what to change.
    """
    wanted = json.loads((folder / "submission.json").read_text(encoding="utf-8"))
    task = find(wanted["target"])
    settings = _changed(task, wanted["settings"])
    code, _ = make(task, wanted["rounds"], wanted["seed"], settings)
    write_whole(folder / "DatasetVerify.py", code.verify)
    write_whole(folder / "src.zip", code.train)


def describe(target: str) -> dict[str, Any]:
    """Return what a form asks for that makes a task from a target.

    Returns:
        `name`; `titles` by language; `rounds`, and `num_threads`, where nothing is said, the former null where only
        the scheduler knows; `settings`, each with `name`, `kind`, `default` as text, `meaning` and `is_required`; the
        text of `DatasetVerify.py` as `verification`.
    """
    task = find(target)
    known, run = arguments(task.scheduler_class), task.facts.run
    own_rounds = known["max_rounds"].default if "max_rounds" in known else None
    with task.blamed():  # a file that is no Python
        verify = verification(task)
    return {
        "name": task.name,
        "titles": task.facts.title.model_dump(),
        "rounds": run.rounds or (own_rounds if isinstance(own_rounds, int) else None),
        "num_threads": run.num_threads,
        "settings": [
            {
                "name": each.name,
                "kind": inspect.formatannotation(each.kind),
                "default": _default(each),
                "meaning": each.meaning,
                "is_required": each.is_required,
            }
            for each in known.values()
            if each.name not in ELSEWHERE
        ],
        "verification": verify,
    }


def _changed(task: Target, texts: Mapping[str, str]) -> dict[str, Any]:
    """Return the values of those settings that are not what the form showed."""
    known = arguments(task.scheduler_class)
    given = {name: text for name, text in texts.items() if name not in known or text != _default(known[name])}
    return convert(task.scheduler_class, given)


def _default(argument: Argument) -> str:
    """Return a default as it is given on the command line; nothing for None, and where there is none."""
    value = argument.default
    if value is None or argument.is_required:
        return ""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        return repr(value)


def main(words: list[str]) -> int:
    """Do what the command line says; return what the process ends with."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # processes that look at the code end with this one
    if words[0] == "--describe":
        try:
            with contextlib.redirect_stdout(sys.stderr):  # what the task's code prints
                found = describe(words[1])
        except (TutorialError, OSError) as error:
            found = {"error": str(error)}
        print(f"\n{to_json(found)}")
        return int("error" in found)
    folder = Path(words[0])
    try:
        submit(folder)
    except (TutorialError, OSError) as error:
        write_whole(folder / "error.txt", str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
