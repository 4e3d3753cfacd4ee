"""What a machine refuses: room, permission, another open file. What to say of it, and what to do about it."""

import contextlib
import errno
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

from .errors import TutorialError

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
NO_PERMISSION = {errno.EACCES, errno.EPERM, errno.EROFS}
TOO_MANY_FILES = {errno.EMFILE, errno.ENFILE}
FAULTS = NO_ROOM | NO_PERMISSION | TOO_MANY_FILES | {errno.EIO}

# What torch says where it writes a file by itself and the system refuses: not why.
TORCH_WRITER = ("unexpected pos", "PytorchStreamWriter failed")


class CannotWrite(TutorialError):
    """The machine refuses to write; the text says why and what to do."""


def fault_behind(error: BaseException) -> OSError | None:
    """Return the machine's fault that an error comes of, however many others libraries wrapped around it.

    Permission that lacks behind an error with a text of its own is none: somebody's data may lack it, and are named.
    """
    is_told = isinstance(error, TutorialError) and not isinstance(error, CannotWrite)
    counted = FAULTS - NO_PERMISSION if is_told else FAULTS
    seen: BaseException | None = error if isinstance(error, Exception) else None
    is_torchs = False
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in counted:
            return seen
        is_torchs |= isinstance(seen, RuntimeError) and any(text in str(seen) for text in TORCH_WRITER)
        seen = seen.__cause__ or seen.__context__
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) if is_torchs else None


def cure(fault: OSError, place: Path, room: int | None = None) -> str:
    """Return what to do about a fault.

    Args:
        fault: What the system said.
        place: The file or folder that could not be written.
        room: Bytes needed there, where known.
    """
    if fault.errno in NO_ROOM:
        needed = f"about {in_words(room)} are needed" if room else "1 GiB is enough for the data and runs of an example"
        left = in_words(shutil.disk_usage(_existing(place)).free)
        what = {errno.EDQUOT: "free some of your quota", errno.EFBIG: "allow larger files (ulimit -f)"}
        return f"{needed}, and the disk has {left} left: {what.get(fault.errno or 0, 'make room')}"
    if fault.errno in TOO_MANY_FILES:
        return "`ulimit -n` says how many files a process may have open here: allow more with ulimit -n 4096"
    if fault.errno == errno.EROFS:
        return "this disk can only be read: work in another folder, or on a copy of this one elsewhere"
    if fault.errno in NO_PERMISSION:
        return "mend the permissions of the folder, or work in another one"
    return "the disk fails: bring what is on it to another one"


@contextlib.contextmanager
def explained(place: Path, room: int | None = None) -> Iterator[None]:
    """Turn what the machine refuses into an error that says what to do.

    Args:
        place: The file or folder that is written.
        room: Bytes needed there, where known.

    Raises:
        CannotWrite: The machine refused.
    """
    try:
        yield
    except CannotWrite:
        raise
    except Exception as error:
        if fault := fault_behind(error):
            raise CannotWrite(f"{place} cannot be written ({fault.strerror}): {cure(fault, place, room)}") from error
        raise


def in_words(size: int) -> str:
    """Return a number of bytes as a reader takes it in."""
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size} bytes"


def _existing(place: Path) -> Path:
    place = place.absolute()
    return next(folder for folder in (place, *place.parents) if folder.exists())


@contextlib.contextmanager
def quiet_threads() -> Iterator[None]:
    """Let threads that fail for the machine's sake end in silence: TensorBoard's raise the same again in `flush`."""
    outer = threading.excepthook

    def told(failure: threading.ExceptHookArgs) -> None:
        if failure.exc_value is None or fault_behind(failure.exc_value) is None:
            outer(failure)

    threading.excepthook = told
    try:
        yield
    finally:
        threading.excepthook = outer
