"""Hold the task's code in its own folder, without network and programs of its own.

Python's audit hook sees what goes through Python: it stops code that does what it should not, and names the line. Code
that reaches the system past Python, through ctypes or a compiled library, is not stopped by it; the limits that the
system itself keeps (`setrlimit`) and the agent's watch hold for that too.
"""

import contextlib
import os
import resource
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .assignment import Assignment, Limits

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
DEVICES = ("/dev/null", "/dev/shm", "/dev/tty", "/dev/nvidia")
PROGRAMS = {"subprocess.Popen", "os.exec", "os.posix_spawn", "os.spawn", "os.system", "pty.spawn", "os.forkpty"}
# Which of an event's arguments are paths that are changed.
CHANGED = {
    "os.remove": (0,), "os.rename": (0, 1), "os.rmdir": (0,), "os.mkdir": (0,), "os.link": (0, 1), "os.symlink": (1,),
    "os.chmod": (0,), "os.chown": (0,), "os.truncate": (0,), "os.utime": (0,), "os.setxattr": (0,),
}  # fmt: skip
LOOKED_AT = {"os.listdir": (0,), "os.scandir": (0,), "os.chdir": (0,)}
NAMES = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo"}
LOCAL = ("127.0.0.1", "localhost", "", None)


class Forbidden(PermissionError):
    """What code of a task may not do on a node."""

    def __init__(self, what: str):
        super().__init__(f"code of a task may not {what}")


def limit_resources(limits: Limits) -> None:
    """Have the system keep limits, which nothing in this process can lift again."""
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, limits.file)
    _limit(resource.RLIMIT_NOFILE, limits.open_files)
    if limits.memory:
        _limit(resource.RLIMIT_DATA, limits.memory)


def _limit(kind: int, most: int) -> None:
    _, hard = resource.getrlimit(kind)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    with contextlib.suppress(ValueError):
        resource.setrlimit(kind, (most, most))


def confine(assignment: Assignment) -> None:
    """Forbid this process, from now on and for good, what code of a task has no need of."""
    temporary = assignment.made("tmp")
    os.environ["TMPDIR"] = str(temporary)
    tempfile.tempdir = _short(temporary)
    writable = [assignment.made(name) for name in ("work", "tmp", "root", "logs", "snapshots")]
    writable += [assignment.folder / name for name in ("verdict.json", ".verdict.json.tmp")]
    fence = Fence(
        [os.path.realpath(place) for place in writable],
        [os.path.realpath(place) for place in assignment.forbidden],
        urlsplit(assignment.base).port if assignment.base else None,
        assignment.limits.processes,
    )
    sys.addaudithook(fence.look)


def _short(folder: Path) -> str:
    """Return a name of a folder that leaves room for sockets, by which workers of data loaders hand over tensors.

    A socket's path has 107 bytes at most, and where it is longer those workers wait for ever.
    """
    if len(os.fsencode(folder)) < 60 or not Path("/proc/self/fd").exists():
        return str(folder)
    return f"/proc/self/fd/{os.open(folder, os.O_RDONLY)}"  # forked workers have it open under the same number


class Fence:
    """Decide about each event.

    Args:
        writable: Where files may be written.
        forbidden: What may not even be read.
        port: The one that may be connected to, on this machine.
        processes: How many may be started by fork, and live.
    """

    def __init__(self, writable: Sequence[str], forbidden: Sequence[str], port: int | None, processes: int):
        self.writable, self.forbidden, self.port, self.processes = tuple(writable), tuple(forbidden), port, processes
        self.main = os.getpid()
        checks: dict[str, Callable[[str, tuple], None]] = {
            "open": self._open,
            "os.fork": self._fork,
            "os.kill": self._kill,
            "os.killpg": self._kill,
            "socket.connect": self._connect,
            "socket.bind": self._bind,
            "socket.sendto": self._connect,
            "socket.sendmsg": self._connect,
        }
        checks |= dict.fromkeys(PROGRAMS, self._program)
        checks |= dict.fromkeys(CHANGED, self._change)
        checks |= dict.fromkeys(LOOKED_AT, self._look_at)
        checks |= dict.fromkeys(NAMES, self._resolve)
        self.checks = checks

    def look(self, event: str, arguments: tuple) -> None:
        """Raise where an event is not allowed."""
        check = self.checks.get(event)
        if check is not None:
            check(event, arguments)

    def _open(self, _: str, arguments: tuple) -> None:
        path, _mode, flags = arguments
        place = _place(path)
        if place is None:
            return
        self._refuse_secret(place)
        if self.forbidden and os.path.isdir(place) and any(_is_below(each, place) for each in self.forbidden):
            raise Forbidden(f"open the folder {place}")  # what lies in it could be opened from there
        if isinstance(flags, int) and flags & WRITING:
            self._refuse_write(place)

    def _change(self, event: str, arguments: tuple) -> None:
        for number in CHANGED[event]:
            place = _place(arguments[number])
            if place is not None:
                self._refuse_secret(place)
                self._refuse_write(place)

    def _look_at(self, event: str, arguments: tuple) -> None:
        place = _place(arguments[0])
        if place is not None:
            self._refuse_secret(place)

    def _refuse_secret(self, place: str) -> None:
        if any(_is_below(place, each) for each in self.forbidden):
            raise Forbidden(f"read {place}, which is the node's own")

    def _refuse_write(self, place: str) -> None:
        if not any(_is_below(place, each) for each in self.writable) and not place.startswith(DEVICES):
            raise Forbidden(f"write to {place}, outside of its own folders")

    def _program(self, _: str, arguments: tuple) -> None:
        raise Forbidden(f"start another program ({_words(arguments)})")

    def _fork(self, *_: Any) -> None:
        if os.getpid() != self.main:
            raise Forbidden("start processes in a process that it started")
        if len(_children(self.main)) >= self.processes:
            raise Forbidden(f"have more than {self.processes} processes at a time")

    def _kill(self, _: str, arguments: tuple) -> None:
        if arguments[0] != os.getpid() and arguments[0] not in _children(self.main):
            raise Forbidden(f"send a signal to process {arguments[0]}")

    def _connect(self, _: str, arguments: tuple) -> None:
        address = arguments[1]
        if isinstance(address, str | bytes) or address is None:  # a socket between processes of this machine
            return
        if self.port is None or address[0] not in LOCAL or address[1] != self.port:
            raise Forbidden(f"connect to {address[0]}, port {address[1]}")

    def _bind(self, _: str, arguments: tuple) -> None:
        if not isinstance(arguments[1], str | bytes):
            raise Forbidden(f"listen on {arguments[1]}")

    def _resolve(self, event: str, arguments: tuple) -> None:
        host = arguments[0][0] if isinstance(arguments[0], tuple) else arguments[0]
        if isinstance(host, bytes):
            host = host.decode(errors="replace")
        if host not in LOCAL:
            raise Forbidden(f"ask for the address of {host}")


def _place(path: Any) -> str | None:
    """Return where a path leads in the end; None for an open file."""
    if isinstance(path, int) or path is None:
        return None
    try:
        return os.path.realpath(os.fsdecode(path))
    except (TypeError, ValueError):
        return None


def _is_below(place: str, folder: str) -> bool:
    return place == folder or place.startswith(folder.rstrip("/") + "/")


def _words(arguments: tuple) -> str:
    command = next((each for each in arguments if each), "")
    return str(command)[:100]


def _children(pid: int) -> list[int]:
    """Return the processes that a process started and that live, or wait to be asked how they ended."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            found += [int(child) for child in (thread / "children").read_text().split()]
    return found
