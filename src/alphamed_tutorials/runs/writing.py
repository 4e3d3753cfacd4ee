"""Write files whole or not at all, also where the process or the machine stops half-way."""

import contextlib
import os
from collections.abc import Callable, Iterable, Mapping
from operator import methodcaller
from pathlib import Path
from typing import Any, BinaryIO

from ..faults import explained
from ..texts import to_json

MANY = 64  # files: to wait for each by itself takes milliseconds
Write = Callable[[BinaryIO], Any]


def write_together(files: Mapping[Path, Write], then: Callable[[], None] = lambda: None) -> None:
    """Write files so that a crash leaves the old or the new ones, each whole; no half-written one stays behind.

    All are written aside, and reach the disk, before the first is put in its place: the others follow in an instant.

    Args:
        files: What writes each file.
        then: Called if the first file was put in its place, also where what followed failed.
    """
    aside = {path: path.with_name(f".{path.name}.tmp") for path in files}
    is_written = False
    try:
        for path, write in files.items():
            with open(aside[path], "wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
        is_written = True
        for path, temporary in aside.items():
            os.replace(temporary, path)
        for folder in {path.parent for path in files}:
            _sync_names(folder)
    finally:
        if is_written and not next(iter(aside.values())).exists():  # certain, whenever Ctrl-C came
            then()
        for temporary in aside.values():
            temporary.unlink(missing_ok=True)


def let_reach_the_disk(files: Iterable[Path]) -> None:
    """Return when files that were written outlive a power cut."""
    paths = list(files)
    if len(paths) > MANY and hasattr(os, "sync"):
        os.sync()  # all at once
        return
    for path in paths:
        with open(path, "rb+") as file:
            os.fsync(file.fileno())
    for folder in {path.parent for path in paths}:
        _sync_names(folder)


def _sync_names(folder: Path) -> None:
    """Let a folder's new names outlive a power cut, where the system can: Windows and some network disks cannot."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def append_whole(path: Path, data: bytes) -> None:
    """Append to a file, or leave it as it was where the machine refuses."""
    with open(path, "ab", buffering=0) as file:
        end = file.seek(0, os.SEEK_END)
        try:
            while data := data[file.write(data) :]:  # on a full disk the first write may stop half-way
                continue
        except OSError:
            file.truncate(end)
            raise


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file so that a crash leaves either the old or the new content.

    Raises:
        CannotWrite: The machine refuses; the old content is still there.
    """
    data = content.encode() if isinstance(content, str) else content
    with explained(path, len(data)):
        write_together({path: methodcaller("write", data)})


def write_json(path: Path, content: Any) -> None:
    """Write a strict JSON file so that a crash leaves either the old or the new content."""
    write_whole(path, to_json(content, indent=2) + "\n")
