"""Ask of a task what goes wrong on AlphaMed, before it goes there."""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ...catalogue import find
from ...clean import JobFailed, Server
from ...data.folders import find_nodes, is_embedded, own_data, refuse_other_data
from ...data.prepare import prepare
from ...errors import TutorialError
from .answers import FAILED, NOT_APPLICABLE, NOT_ASKED, OK, Answer, NotApplicable, NotAsked, Wrong
from .questions import QUESTIONS, Question
from .subject import Subject

VERIFY_SECONDS = 60.0


def check(
    target: Any,
    data: str | Path | None = None,
    nodes: Mapping[str, str | Path] = MappingProxyType({}),
    aggregator: str | Path | None = None,
    seed: int = 0,
    settings: Mapping[str, Any] = MappingProxyType({}),
    on_question: Callable[[str], None] = lambda question: None,
    server: Server | None = None,
) -> list[Answer]:
    """Ask of a task what goes wrong on AlphaMed, before it goes there.

    Its code runs in other processes, over two data owners and two rounds at most; nothing is left behind.

    Args:
        target: An example's name, a folder, a file, a subclass of `FedAvgScheduler` or an object of one.
        data: A prepared folder, or any folder with one sub-folder for each node; embedded data if nothing is given.
        nodes: Folders of data owners by name, instead of `data` or beside it.
        aggregator: The folder with the test data, where it is not called `aggregator` in `data`.
        seed: Start of all random numbers.
        settings: Arguments of the scheduler that differ from their defaults.
        on_question: Called with each question before it is asked, for showing progress.
        server: What runs the task's code, where there is one already.

    Returns:
        An answer for each question, in the order in which they are asked.

    Raises:
        WrongUse: The target, the data or a setting will not do.
    """
    if server is None:
        with Server() as started:
            return check(target, data, nodes, aggregator, seed, settings, on_question, started)
    task = find(target)
    with tempfile.TemporaryDirectory(prefix="playground-check-") as folder:
        place = Path(folder).resolve()
        if data is None and not nodes and aggregator is None:
            data = own_data(task)
            if data is None:
                data = place / "data"
                prepare(task, data, seed=seed)
        folders = find_nodes(data, nodes, aggregator)
        refuse_other_data(data, task.facts.data.name, task.name)
        (place / "work").mkdir()
        subject = Subject(task, folders, is_embedded(data), seed, settings, place / "work", server, VERIFY_SECONDS)
        return [_asked(question, subject, on_question) for question in QUESTIONS]


def _asked(question: Question, subject: Subject, on_question: Callable[[str], None]) -> Answer:
    """Ask one question; whatever the task's code does, there is an answer."""
    on_question(question.text)
    subject.asking = question.id
    answer, reason = OK, ""
    try:
        question.ask(subject)
    except NotApplicable as why:
        answer, reason = NOT_APPLICABLE, str(why)
    except NotAsked as because:
        root = subject.roots[question.id] = subject.roots.get(str(because), str(because))
        first = next(each.text for each in QUESTIONS if each.id == root)
        answer, reason = NOT_ASKED, f"because this failed: {first}"
    except (Wrong, JobFailed, TutorialError) as error:
        answer, reason = FAILED, str(error)
    except (Exception, SystemExit) as error:  # of the task's code in this process, or a limit of ours
        answer, reason = FAILED, f"{type(error).__name__}: {error}"
    subject.answers[question.id] = answer
    return Answer(question.id, question.text, answer, reason, question.mend if answer == FAILED else "")
