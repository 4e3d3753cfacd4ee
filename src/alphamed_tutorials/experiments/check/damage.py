"""Damaged copies of one node's data folder."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from ...data.folders import is_system_name

MAX_FILES = 4  # so many are damaged, each alone
FEW = 10  # more files of a kind in one folder are samples, of which one may be missing
PAGE = b"<!DOCTYPE html>\n<html><head><title>404</title></head><body>The page was not found.</body></html>\n"


def truncate(file: Path) -> None:
    """Leave the first half of a file."""
    os.truncate(file, file.stat().st_size // 2)


def fill_with_zeros(file: Path) -> None:
    """Leave a file's length, but no content."""
    file.write_bytes(bytes(file.stat().st_size))


def put_a_page(file: Path) -> None:
    """Put a web page in the place of a file, as a broken download does."""
    file.write_bytes(PAGE)


def kinds(folder: Path) -> list[list[Path]]:
    """Return the files below a folder by their place and suffix, relative to it: the rarest kinds first."""
    found: dict[tuple[Path, str], list[Path]] = {}
    for file in sorted(folder.rglob("*")):
        path = file.relative_to(folder)
        if file.is_file() and file.stat().st_size > 1 and not any(map(is_system_name, path.parts)):
            found.setdefault((path.parent, path.suffix), []).append(path)
    return sorted(found.values(), key=lambda files: (len(files), files))


def needed_files(folder: Path) -> list[Path]:
    """Return files that a data set may not lack: those of which there are few."""
    return [file for files in kinds(folder) if len(files) <= FEW for file in files][:MAX_FILES]


def typical_files(folder: Path) -> list[Path]:
    """Return files that stand for the others: the ones there are few of, and the middle one of the many."""
    few = [files for files in kinds(folder) if len(files) <= FEW]
    many = [files[len(files) // 2] for files in kinds(folder) if len(files) > FEW]
    return [file for files in few for file in files][: MAX_FILES - min(len(many), MAX_FILES // 2)] + many[
        : MAX_FILES // 2
    ]


def copies(folder: Path, into: Path, files: list[Path], spoil: Callable[[Path], None]) -> Iterator[tuple[Path, Path]]:
    """Yield a file, and a copy of the folder in which that file alone is damaged; its name is the folder's own.

    Args:
        folder: The sound one; its other files are linked, not copied.
        into: Where the copies are made.
        files: Which to damage, relative to the folder.
        spoil: What damages a file.
    """
    for number, file in enumerate(files):
        copy = into / str(number) / folder.name
        shutil.copytree(folder, copy, copy_function=_link)
        (copy / file).unlink()
        shutil.copyfile(folder / file, copy / file)
        spoil(copy / file)
        yield file, copy


def _link(source: str, target: str) -> None:
    os.symlink(os.path.realpath(source), target)
