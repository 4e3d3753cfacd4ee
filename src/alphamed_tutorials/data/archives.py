"""Unpack the archive that a data set comes in: below one folder, without links, and only so much."""

import shlex
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, cast

from ..errors import TutorialError, WrongUse
from . import limits
from .folders import is_system_name

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz")

Opener = Callable[[], IO[bytes]]
Member = tuple[str, int, bool, Opener]  # name, bytes, whether it is a plain file, how to open it


def find_archive(source: Path) -> Path | None:
    """Return the archive that a source is, or holds with no folder beside it; a folder is the data themselves.

    Raises:
        WrongUse: There are several archives.
    """
    if source.is_file() and source.name.endswith(SUFFIXES):
        return source
    entries = [path for path in source.iterdir() if not is_system_name(path.name)]
    if any(path.is_dir() for path in entries):
        return None
    archives = sorted(path for path in entries if path.name.endswith(SUFFIXES))
    if len(archives) > 1:
        names = ", ".join(path.name for path in archives)
        one = shlex.quote(str(archives[0]))
        raise WrongUse(f"{source} holds several archives ({names}): name the one to use, as in --source {one}")
    return archives[0] if archives else None


def unpack(archive: Path, folder: Path, wanted: tuple[str, ...] = ()) -> None:
    """Unpack an archive into a new folder.

    Args:
        archive: A zip or tar file.
        folder: Where to unpack to; whoever makes it removes it, also after an error.
        wanted: Names of the files and folders at the top of the archive that are needed; all, where it is empty.

    Raises:
        TutorialError: The archive is damaged, or no data set's.
    """
    folder.mkdir(parents=True)
    done = 0
    try:
        for number, (name, size, is_plain, opened) in enumerate(members(archive)):
            if number == limits.MOST_FILES:
                raise TutorialError(f"{archive} is not unpacked: it holds more than {number} files: name another one")
            path = PurePosixPath(name)
            if wanted and not set(path.parts[:1]) & set(wanted):
                continue
            done += size
            reason = _refusal(path, is_plain, done)
            if reason:
                raise TutorialError(f"{archive} is not unpacked: {reason}, which is so in no official archive")
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            with opened() as content, target.open("wb") as file:
                shutil.copyfileobj(content, file)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, RuntimeError, OSError) as error:
        if isinstance(error, OSError) and error.errno:  # the disk's fault, and the system's own words name the file
            raise
        raise TutorialError(f"{archive} cannot be unpacked ({error}): download it again") from error


def _refusal(path: PurePosixPath, is_plain: bool, done: int) -> str:
    """Return why a member is not unpacked; nothing where it is."""
    if path.is_absolute() or ".." in path.parts:
        return f"{path} lies outside"
    if not is_plain:
        return f"{path} is a link or a device"
    return f"it is more than {limits.MOST_BYTES >> 30} GiB" if done > limits.MOST_BYTES else ""


def members(archive: Path) -> Iterator[Member]:
    """Yield what an archive holds, without its folders."""
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as opened:
            for info in opened.infolist():
                kind = stat.S_IFMT(info.external_attr >> 16)  # 0 where the archive was not made on Unix
                if not info.is_dir():
                    yield info.filename, info.file_size, kind in (0, stat.S_IFREG), partial(opened.open, info)
    else:
        with tarfile.open(archive, "r:" if archive.suffix == ".tar" else "r:gz") as unpacked:
            for member in unpacked:
                if not member.isdir():
                    yield member.name, member.size, member.isreg(), cast(Opener, partial(unpacked.extractfile, member))
