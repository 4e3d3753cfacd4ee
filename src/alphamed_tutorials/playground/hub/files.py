"""What is too large for a message: sealed files of a task, and its code. Streamed to disk, named by their hash or id."""

import hashlib
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from . import tasks
from .gate import Caller
from .state import Hub, Refusal
from .tasks import Seat

ROOM = 256 << 20  # what must stay free on the hub's disk, in bytes


async def put_file(seat: Seat, identity: str, stream: AsyncIterator[bytes], caller: Caller) -> None:
    """Keep a sealed file; again with the same content changes nothing."""
    seat.only_joined()
    target = seat.hub.folder / "files" / seat.id / identity
    with tempfile.TemporaryDirectory(dir=_parent(seat.hub)) as temporary:
        path = Path(temporary) / "file"
        size, sha256 = await _receive(stream, path, seat.hub.limits.file, caller)
        seat.read()  # the task may have been deleted meanwhile
        query = "SELECT sha256 FROM files WHERE task = ? AND id = ?"
        if known := seat.hub.database.execute(query, (seat.id, identity)).fetchone():
            if known["sha256"] == sha256:
                return
            raise Refusal(409, "another file has this id")
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
    with seat.hub.change():
        row = (seat.id, identity, seat.me["pseudonym"], size, sha256)
        seat.hub.database.execute("INSERT INTO files VALUES (?, ?, ?, ?, ?)", row)
        seat.log("file", **{"from": seat.me["pseudonym"]}, id=identity, size=size, sha256=sha256)


def get_file(seat: Seat, identity: str) -> Path:
    """Return where a sealed file lies."""
    seat.only_joined()
    path = seat.hub.folder / "files" / seat.id / identity
    query = "SELECT 1 FROM files WHERE task = ? AND id = ?"
    if not seat.hub.database.execute(query, (seat.id, identity)).fetchone() or not path.is_file():
        raise Refusal(404, "the task has no such file")
    with seat.hub.change():
        seat.log("fetched", by=seat.me["pseudonym"], id=identity)
    return path


async def put_code(seat: Seat, kind: str, stream: AsyncIterator[bytes], caller: Caller) -> None:
    """Keep a task's code of one kind."""
    seat.only_initiator("give code to")
    limit: int = getattr(seat.hub.limits, kind)
    with tempfile.TemporaryDirectory(dir=_parent(seat.hub)) as temporary:
        path = Path(temporary) / "file"
        size, sha256 = await _receive(stream, path, limit, caller)
        seat.read()
        folder = seat.hub.folder / "code" / seat.id
        folder.mkdir(parents=True, exist_ok=True)
        path.rename(folder / sha256)
    tasks.put_code(seat, kind, sha256, size)
    seat.read()
    used = {each["sha256"] for each in seat.code.values()}
    for file in folder.iterdir():
        if file.name not in used:
            file.unlink()


def get_code(seat: Seat, kind: str) -> Path:
    """Return where a task's code of one kind lies."""
    if kind not in seat.code:
        raise Refusal(404, f"the task has no {kind} code: its initiator has not given it")
    return seat.hub.folder / "code" / seat.id / seat.code[kind]["sha256"]


async def _receive(stream: AsyncIterator[bytes], path: Path, limit: int, caller: Caller) -> tuple[int, str]:
    """Write a body to disk; return its size and hash if it is the one that was signed."""
    hashed, size = hashlib.sha256(), 0
    with path.open("wb") as file:
        async for part in stream:
            size += len(part)
            if size > limit:
                raise Refusal(413, f"it is larger than {limit} bytes, the most that this hub takes")
            if shutil.disk_usage(path).free < ROOM:
                raise Refusal(413, "the hub's disk is full: its operator has to make room")
            hashed.update(part)
            file.write(part)
    caller.check(hashed.digest())
    return size, hashed.hexdigest()


def _parent(hub: Hub) -> Path:
    """Return the folder for what is being received: of the same disk, emptied when the hub starts."""
    folder = hub.folder / "incoming"
    folder.mkdir(exist_ok=True)
    return folder
