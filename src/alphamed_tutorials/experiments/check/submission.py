"""Questions on the way to AlphaMed: pickled, submitted, unpickled elsewhere, imports, random numbers."""

import sys
import sysconfig
import zipfile
from pathlib import Path
from typing import Any

import cloudpickle

from ...clean import JobFailed
from ...data.folders import AGGREGATOR
from .answers import NotApplicable, Wrong
from .imports import foreign_imports
from .subject import Subject


def is_submitted(subject: Subject) -> None:
    """Submit as the author would."""
    try:
        subject.submitted
    except JobFailed as error:
        culprits = [f"self.{name}" for name, value in vars(subject.scheduler).items() if not _is_pickled(value)]
        raise Wrong(f"{error}" + (f"; what cannot be pickled is {', '.join(culprits)}" if culprits else "")) from None


def is_unpickled(subject: Subject) -> None:
    """Unpickle where only the platform's packages and `src.zip` are."""
    elsewhere = subject.folder / "elsewhere"
    with zipfile.ZipFile(subject.submitted / "src.zip") as packed:
        packed.extractall(elsewhere)
    libraries = sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")
    installed = [
        entry
        for entry in sys.path
        if entry.endswith(".zip")
        or entry.startswith(libraries)
        or {"site-packages", "dist-packages"} & set(Path(entry).parts)
    ]
    data_dir = str(subject.folders[AGGREGATOR])
    try:
        subject.ask("unpickle", path=[str(elsewhere), *installed], unpacked=str(elsewhere), data_dir=data_dir)
    except JobFailed as error:
        raise Wrong(f"{error}; src.zip holds {', '.join(sorted(_modules(elsewhere)))}") from None


def imports_what_is_there(subject: Subject) -> None:
    """Read the imports of what would be uploaded."""
    files = subject.task.source_files
    if "submitted" in vars(subject):  # what the SDK packs is known: no more than that travels
        with zipfile.ZipFile(subject.submitted / "src.zip") as packed:
            names = {Path(name).name for name in packed.namelist()}
        files = [file for file in files if file.name in names]
    found = foreign_imports(subject.task, files)
    if found:
        raise Wrong("\n".join(found))


def draws_nothing(subject: Subject) -> None:
    """Compare the generators before and after the scheduler was made."""
    if subject.task.scheduler is not None:
        raise NotApplicable("an object is given, which was made before")
    subject.scheduler
    if subject.draws:
        raise Wrong(
            f"{subject.task.scheduler_class.__name__}.__init__ draws random numbers of {', '.join(subject.draws)}"
        )


def _modules(folder: Path) -> list[str]:
    return [str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()]


def _is_pickled(value: Any) -> bool:
    try:
        cloudpickle.dumps(value)
    except Exception:  # pickling calls the value's own code, which fails as it likes
        return False
    return True
