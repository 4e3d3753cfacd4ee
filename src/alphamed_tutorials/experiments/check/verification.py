"""Questions on DatasetVerify: it ends, accepts what is sound, and names what is not."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...clean import TimeIsUp
from ...target import TargetError
from .answers import NotApplicable, Wrong
from .damage import copies, fill_with_zeros, needed_files, put_a_page, truncate, typical_files
from .subject import Subject


def has_same_data_dir(subject: Subject) -> None:
    """Compare the folders that both classes read."""
    kind = _verify_class(subject)
    ours, theirs = (getattr(each, "data_dir", None) for each in (subject.scheduler, kind))
    if ours != theirs:
        raise Wrong(f"{type(subject.scheduler).__name__}.data_dir is {ours}, DatasetVerify.data_dir is {theirs}")


def ends_in_time(subject: Subject) -> None:
    """Verify all nodes' data."""
    _verdicts(subject)


def accepts(subject: Subject) -> None:
    """Look at the verdicts on the given data."""
    refused = [verdict["reason"] for verdict in _verdicts(subject).values() if not verdict["ok"]]
    if refused:
        raise Wrong("\n".join(refused))


def refuses_empty(subject: Subject) -> None:
    """Verify an empty folder."""
    _verify_class(subject)
    subject.require("verify_accepts")
    folder = subject.folder / "refuses_empty" / subject.folders[subject.owners[0]].name
    folder.mkdir(parents=True)
    (verdict,) = _ask(subject, [folder])
    if verdict["ok"]:
        raise Wrong("DatasetVerify accepts an empty folder")
    if folder.name not in verdict["reason"]:
        raise Wrong(f"the reason names no file or folder: {verdict['reason']}")


def refuses_missing(subject: Subject) -> None:
    """Verify copies that lack a file."""
    _refuses(subject, "missing", needed_files, Path.unlink, harmless=("same", "fewer"))


def refuses_truncated(subject: Subject) -> None:
    """Verify copies with half a file."""
    _refuses(subject, "truncated", typical_files, truncate, harmless=("same", "fewer"))


def refuses_zeros(subject: Subject) -> None:
    """Verify copies with a file of zeros."""
    _refuses(subject, "of zeros", typical_files, fill_with_zeros, harmless=("same",))


def refuses_html(subject: Subject) -> None:
    """Verify copies with a web page in the place of a file."""
    _refuses(subject, "a web page", typical_files, put_a_page, harmless=("same",))


def _verify_class(subject: Subject) -> type:
    if not subject.task.key:
        raise NotApplicable("the task is defined in this session alone, where no other process finds DatasetVerify")
    try:
        return subject.task.verify_class
    except TargetError as error:
        raise NotApplicable(str(error)) from None


def _verdicts(subject: Subject) -> dict[str, Any]:
    """Return DatasetVerify's verdict by node."""
    _verify_class(subject)
    try:
        return subject.verdicts
    except TimeIsUp:
        raise Wrong(f"DatasetVerify did not end within {subject.limit:g} s") from None


def _refuses(
    subject: Subject,
    what: str,
    choose: Callable[[Path], list[Path]],
    spoil: Callable[[Path], None],
    harmless: tuple[str, ...],
) -> None:
    """Verify damaged copies of the first owner's folder; what is accepted is held against what training reads there.

    Args:
        what: What is wrong with the file.
        choose: Returns the files to damage.
        spoil: Damages one.
        harmless: What `load` may say of a copy that is accepted.
    """
    _verify_class(subject)
    subject.require("verify_accepts")
    sound, into = subject.folders[subject.owners[0]], subject.folder / what.replace(" ", "_")
    damaged = list(copies(sound, into, choose(sound), spoil))
    if not damaged:
        raise NotApplicable("every file is one of many: without one of them the data set is smaller, and sound")
    verdicts = _ask(subject, [copy for _, copy in damaged])
    accepted = []
    for (file, copy), verdict in zip(damaged, verdicts):
        if not verdict["ok"]:
            if file.name not in verdict["reason"]:
                raise Wrong(f"{file} is {what}, and the reason does not name it: {verdict['reason']}")
        else:
            effect = subject.ask("load", entry=subject.entry, sound=str(sound), damaged=str(copy))
            if effect not in harmless:
                outcome = "fails on it" if effect == "fails" else "would read other numbers"
                raise Wrong(f"{file} is {what}, DatasetVerify accepts it, and training {outcome}")
            accepted.append(file)
    shutil.rmtree(into)
    if len(accepted) == len(damaged):
        raise NotApplicable(
            f"training reads {', '.join(map(str, accepted))} all the same: it has fewer samples, or none there"
        )


def _ask(subject: Subject, folders: list[Path]) -> list[dict[str, Any]]:
    datas = [str(folder) for folder in folders]
    try:
        return subject.ask("verify", limit=subject.limit, target=subject.task.key, datas=datas)
    except TimeIsUp:
        raise Wrong(f"DatasetVerify did not end within {subject.limit:g} s on damaged data") from None
