"""The files of a task on this node: what its child uploaded, and what came from others, by id."""

import contextlib
import os
import re
import shutil
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from ...errors import TutorialError

ID = re.compile(r"[0-9a-f]{32}")
MARK = "file:"  # how a message names a file between nodes
LARGEST = 2 * 1024**3


class Files:
    """One folder of files.

    Args:
        folder: Where they lie.
        fetch: Gets a file from the hub: writes the content of an id to an open file.
    """

    def __init__(self, folder: Path, fetch: Callable[[str, BinaryIO], None]):
        self.folder, self.fetch = folder, fetch
        self.lock = threading.Lock()

    def path(self, file: str) -> Path:
        """Return where a file lies, or would lie.

        Raises:
            TutorialError: This is no id of a file.
        """
        if not ID.fullmatch(file):
            raise TutorialError(f"{file!r} names no file")
        return self.folder / file

    def keep(self, source: BinaryIO, largest: int = LARGEST) -> str:
        """Copy an open file and return its new id."""
        file = uuid.uuid4().hex
        with self._whole(file) as target:
            while piece := source.read(1 << 20):
                if target.tell() + len(piece) > largest:
                    raise TutorialError(f"a file may have {largest} bytes at most")
                target.write(piece)
        return file

    def get(self, file: str) -> Path:
        """Return the path of a file, which is fetched from the hub where it is not here yet."""
        path = self.path(file)
        with self.lock:
            if not path.exists():
                with self._whole(file) as target:
                    self.fetch(file, target)
        return path

    def drop(self, file: str) -> None:
        """Remove a file that nobody will ask for again."""
        self.path(file).unlink(missing_ok=True)

    @contextlib.contextmanager
    def _whole(self, file: str) -> Any:
        """Write a file whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        aside = self.folder / f".{file}.{uuid.uuid4().hex}"
        try:
            with open(aside, "wb") as target:
                yield target
            os.replace(aside, self.path(file))
        finally:
            aside.unlink(missing_ok=True)

    def copy(self, file: str, target: Path) -> None:
        """Copy a file to a name of its own, whole or not at all."""
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = target.with_name(f".{target.name}.tmp")
        shutil.copyfile(self.get(file), aside)
        os.replace(aside, target)


def relinked(content: Any, old: str, rename: Callable[[str], str]) -> Any:
    """Return a message's content with each text that is an address of a file, `old` and its id, written anew."""
    if isinstance(content, dict):
        return {name: relinked(each, old, rename) for name, each in content.items()}
    if isinstance(content, list):
        return [relinked(each, old, rename) for each in content]
    if isinstance(content, str) and content.startswith(old) and ID.fullmatch(content.removeprefix(old)):
        return rename(content.removeprefix(old))
    return content
