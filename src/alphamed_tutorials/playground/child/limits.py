"""Hold the task's code in its own folder, without network and programs of its own.

Python's audit hook sees what goes through Python: it stops code that does what it should not, and names the line. The
few calls that Python announces to no hook are taken away. Code that reaches the system past Python, through ctypes or a
compiled library, or that is written to break this very fence, which lies in the same process, is not stopped by it; the
limits that the system itself keeps (`setrlimit`) and the agent's watch hold for that too.
"""

import contextlib
import functools
import importlib
import multiprocessing
import os
import re
import resource
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from .assignment import Assignment, Limits

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
DEVICES = ("/dev/null", "/dev/shm", "/dev/tty", "/dev/nvidia")
PROGRAMS = {"subprocess.Popen", "os.exec", "os.posix_spawn", "os.spawn", "os.system", "pty.spawn", "os.forkpty"}
# Which of an event's arguments are paths that are changed, and which the open folder that each is relative to.
CHANGED: dict[str, tuple[tuple[int, int | None], ...]] = {
    "os.remove": ((0, 1),), "os.rename": ((0, 2), (1, 3)), "os.rmdir": ((0, 1),), "os.mkdir": ((0, 2),),
    "os.link": ((0, 2), (1, 3)), "os.symlink": ((1, 2),), "os.chmod": ((0, 2),), "os.chown": ((0, 3),),
    "os.truncate": ((0, None),), "os.utime": ((0, 3),), "os.setxattr": ((0, None),), "os.removexattr": ((0, None),),
}  # fmt: skip
LOOKED_AT = ("os.listdir", "os.scandir", "os.chdir")
NAMES = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo"}
LOCAL = ("127.0.0.1", "localhost", "", None)
FAMILIES = (-1, socket.AF_UNIX, socket.AF_INET, socket.AF_INET6)  # -1: an open socket's, or the second of these
# What Python announces to no audit hook, under all its names.
SILENT = (
    "os.mkfifo", "os.mknod", "os.chroot", "posix.mkfifo", "posix.mknod", "posix.chroot",
    "signal.pidfd_send_signal", "_signal.pidfd_send_signal", "subprocess._fork_exec", "_posixsubprocess.fork_exec",
)  # fmt: skip
# They open files, programs or connections by themselves.
SILENT_MODULES = ("_dbm", "_gdbm", "_tkinter", "nis", "readline")
MOST_LINKS = 40  # that Linux follows


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
    _take_away()


def _take_away() -> None:
    """Let nothing be called that no hook is told of."""
    for name in SILENT_MODULES:
        sys.modules[name] = None  # type: ignore[assignment]  # to import it is an ImportError, as where it was not built
    if sys.platform != "linux":
        return  # there, workers of data loaders are started as programs, by one of these
    multiprocessing.set_start_method("fork", force=True)  # others would leave their workers outside of the fence
    for name in SILENT:
        module, _, function = name.partition(".")
        setattr(importlib.import_module(module), function, functools.partial(_refuse, name))


def _refuse(name: str, *_: Any, **__: Any) -> NoReturn:
    raise Forbidden(f"call {name}, which Python announces to no audit hook")


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
            "resource.setrlimit": self._limit,
            "resource.prlimit": self._limit_of,
            "sqlite3.connect": self._database,
            "cpython.PyInterpreterState_New": self._interpreter,
            "socket.__new__": self._socket,
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
        path, mode, flags = arguments
        if isinstance(path, int):
            return
        for folder in _bases(path, mode):
            way = _way(path, folder)
            self._refuse_secret(way)
            place = way[-1]
            if self.forbidden and os.path.isdir(place) and any(_is_below(each, place) for each in self.forbidden):
                raise Forbidden(f"open the folder {place}")  # what lies in it could be opened from there
            if isinstance(flags, int) and flags & WRITING:
                self._refuse_write(place)

    def _change(self, event: str, arguments: tuple) -> None:
        for number, folder in CHANGED[event]:
            if event == "os.truncate" and isinstance(arguments[number], int):
                continue  # it was looked at when it was opened for writing
            way = _way(arguments[number], -1 if folder is None else arguments[folder])
            self._refuse_secret(way)
            self._refuse_write(way[-1])

    def _look_at(self, _: str, arguments: tuple) -> None:
        self._refuse_secret(_way(arguments[0]))

    def _refuse_secret(self, way: Sequence[str]) -> None:
        if any(_is_below(way[-1], each) for each in self.forbidden):
            raise Forbidden(f"read {way[-1]}, which is the node's own")
        for place in way:  # what is behind /proc/PID/fd/N may have no other name
            process = re.match(r"/proc/(\d+)(?:/|$)", place)
            if process and not self._is_own(int(process[1])):
                raise Forbidden(f"look into process {process[1]}")

    def _is_own(self, pid: int) -> bool:
        return pid in (os.getpid(), self.main) or pid in _children(self.main)

    def _refuse_write(self, place: str) -> None:
        if not any(_is_below(place, each) for each in self.writable) and not place.startswith(DEVICES):
            raise Forbidden(f"write to {place}, outside of its own folders")

    def _database(self, _: str, arguments: tuple) -> None:
        # SQLite opens files by itself, also further ones from an open database.
        raise Forbidden(f"open the database {_words(arguments)}: SQLite reads and writes past the fence")

    def _interpreter(self, *_: Any) -> None:
        raise Forbidden("make another interpreter, which would have no fence")

    def _limit(self, _: str, arguments: tuple) -> None:
        kind, (_soft, most) = arguments
        now = resource.getrlimit(kind)[1]
        if now != resource.RLIM_INFINITY and (most == resource.RLIM_INFINITY or most > now):
            raise Forbidden("raise a limit of its own")  # which root can

    def _limit_of(self, event: str, arguments: tuple) -> None:
        pid, kind, limits = arguments
        if pid not in (0, os.getpid()):
            raise Forbidden(f"read or set limits of process {pid}")
        if limits is not None:
            self._limit(event, (kind, limits))

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

    def _socket(self, _: str, arguments: tuple) -> None:
        _self, family, kind, _protocol = arguments
        if family not in FAMILIES or kind & 0xF == socket.SOCK_RAW:
            raise Forbidden("open a socket that hears what is not meant for it")

    def _connect(self, _: str, arguments: tuple) -> None:
        address = arguments[1]
        if isinstance(address, str | bytes) or address is None:  # a socket between processes of this machine
            return
        if self.port is None or address[0] not in LOCAL or address[1] != self.port:
            raise Forbidden(f"connect to {address[0]}, port {address[1]}")

    def _bind(self, _: str, arguments: tuple) -> None:
        address = arguments[1]
        if not isinstance(address, str | bytes):
            raise Forbidden(f"listen on {address}")
        if os.fsencode(address)[:1] not in (b"", b"\0"):  # a file, not a name in Linux's own list
            self._refuse_write(_way(address)[-1])

    def _resolve(self, event: str, arguments: tuple) -> None:
        host = arguments[0][0] if isinstance(arguments[0], tuple) else arguments[0]
        if isinstance(host, bytes):
            host = host.decode(errors="replace")
        if host not in LOCAL:
            raise Forbidden(f"ask for the address of {host}")


def _bases(path: Any, mode: str | None) -> Iterator[int]:
    """Yield the open folders that a path may be relative to, -1 for the one that the process is in.

    `os.open`, whose event alone has no mode, does not tell which one it is given.
    """
    yield -1
    if mode is None and path is not None and not os.path.isabs(path):
        for number in _numbers("/proc/self/fd"):
            if os.path.isdir(f"/proc/self/fd/{number}"):
                yield number


def _way(path: Any, folder: int = -1) -> list[str]:
    """Return the places that a path leads through, links of links too; the last is where it ends.

    Args:
        path: A path, the number of an open file, or None for the folder that the process is in.
        folder: The number of the open folder that it is relative to; -1 for the one that the process is in.
    """
    try:
        steps = "." if path is None else f"/proc/self/fd/{path}" if isinstance(path, int) else os.fsdecode(path)
    except (TypeError, ValueError):
        steps = "."  # it is no path, which the call itself will tell
    if not steps.startswith("/"):
        steps = f"{os.getcwd() if folder < 0 else f'/proc/self/fd/{folder}'}/{steps}"
    way, links, pending = ["/"], 0, steps.split("/")[::-1]
    while pending:
        step = pending.pop()
        if step == "..":
            way.append(os.path.dirname(way[-1]))
        elif step not in ("", "."):
            way.append(os.path.join(way[-1], step))
            if links < MOST_LINKS and (target := _target(way[-1])):
                links += 1
                way.append("/" if target.startswith("/") else os.path.dirname(way[-1]))
                pending += target.split("/")[::-1]
    return way


def _target(place: str) -> str:
    """Return where a link leads; empty where it is none."""
    try:
        return os.readlink(place)
    except (OSError, ValueError):
        return ""


def _is_below(place: str, folder: str) -> bool:
    return place == folder or place.startswith(folder.rstrip("/") + "/")


def _words(arguments: tuple) -> str:
    command = next((each for each in arguments if each), "")
    return str(command)[:100]


def _numbers(folder: str) -> list[int]:
    """Return the numbers in a folder of Linux's `/proc`; none elsewhere."""
    with contextlib.suppress(OSError):
        return [int(name) for name in os.listdir(folder)]
    return []


def _children(pid: int) -> list[int]:
    """Return the processes that a process started and that live, or wait to be asked how they ended."""
    found: list[int] = []
    for thread in _numbers(f"/proc/{pid}/task"):
        with contextlib.suppress(OSError):
            found += [int(child) for child in Path(f"/proc/{pid}/task/{thread}/children").read_text().split()]
    return found
