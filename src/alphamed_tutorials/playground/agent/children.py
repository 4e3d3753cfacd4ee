"""Child processes: how they are started, watched, and ended with everything that they started."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

from ..launching import bound
from .place import Limits

PROGRAM = ("-m", "alphamed_tutorials.playground.child")
MARK = "PLAYGROUND_CHILD"  # in the environment of a child, and so of all that it forks
WATCH = 1.0  # seconds between two looks
SUBREAPER = 36  # Linux: orphans of this process's children become its own children, instead of init's
OUTPUT = "output.log"


class Child:
    """One child and what it started.

    Attributes:
        process: The child itself.
        folder: Where it works.
        reason: Why it was ended by its watch; empty where it was not.
    """

    def __init__(self, process: subprocess.Popen[bytes], mark: str, folder: Path, limits: Limits, seconds: float):
        self.process, self.mark, self.folder = process, mark, folder
        self.limits, self.seconds = limits, seconds
        self.reason = ""
        self.started = time.monotonic()
        self.is_ended = threading.Event()

    def watch(self, strays: Callable[["Child"], list[int]], ended: Callable[["Child"], None]) -> None:
        """Look at it until it ends, then tell."""
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(WATCH)
                break
            reason = self._excess(strays(self))
            if reason:
                self.reason = self.reason or reason
                self.end()
        self._end_all(strays)
        self.is_ended.set()
        ended(self)

    def end(self) -> None:
        """End it at once; its watch does the rest."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def _excess(self, strays: list[int]) -> str:
        """Return which limit is broken, if one is."""
        others = [*descendants(self.process.pid), *strays]
        limits = self.limits
        if limits.processes and len(others) > limits.processes:
            return f"it started {len(others)} processes, more than {limits.processes}"
        if self.seconds and time.monotonic() - self.started > self.seconds:
            return f"it did not end within {self.seconds:g} seconds"
        if limits.disk and folder_bytes(self.folder) > limits.disk:
            return f"its files take more than {limits.disk / 2**20:.0f} MiB"
        if limits.memory and _takes_more([self.process.pid, *others], limits.memory):
            return f"it takes more than {limits.memory / 2**20:.0f} MiB of memory"
        return ""

    def _end_all(self, strays: Callable[["Child"], list[int]]) -> None:
        """End what is left when the child itself is gone, also what left its group."""
        for _ in range(100):
            self.end()
            left = strays(self)
            if not left:
                return
            for pid in left:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)


class Children:
    """All children of this agent.

    They are started by one thread that lives as long as the agent: Linux ends a child with the *thread* that started it.

    Args:
        adopts: Whether all children of this process are started here, so that others are orphans of theirs.
        program: What Python runs.
    """

    def __init__(self, adopts: bool = False, program: tuple[str, ...] = PROGRAM) -> None:
        self.program = program
        self.starter, self.lock = ThreadPoolExecutor(1, "starter"), threading.Lock()
        self.living: dict[int, Child] = {}
        self.adopts = adopts and sys.platform == "linux"
        if self.adopts:
            ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)

    def start(
        self,
        folder: Path,
        limits: Limits,
        ended: Callable[[Child], None],
        seconds: float = 0,
        num_threads: int = 1,
    ) -> Child:
        """Start a child.

        Args:
            folder: Where it works, with its `child.json`.
            limits: What it may use.
            ended: Called when it has ended, for whatever reason.
            seconds: How long it may take; 0 for any time.
            num_threads: For libraries that read it at import.
        """
        return self.starter.submit(self._start, folder, limits, ended, seconds, num_threads).result()

    def _start(
        self,
        folder: Path,
        limits: Limits,
        ended: Callable[[Child], None],
        seconds: float,
        num_threads: int,
    ) -> Child:
        work, mark = folder / "work", uuid.uuid4().hex
        for place in (work, folder / "tmp"):
            place.mkdir(parents=True, exist_ok=True)
        with open(folder / OUTPUT, "ab") as output, self.lock:
            process = subprocess.Popen(
                bound("-P", *self.program, str(folder), by=signal.SIGKILL),
                cwd=work, env={**environment(folder, num_threads), MARK: mark}, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
            child = self.living[process.pid] = Child(process, mark, folder, limits, seconds)

        def over(child: Child) -> None:
            del self.living[process.pid]
            ended(child)

        threading.Thread(target=child.watch, args=(self._strays, over), name="watch", daemon=True).start()
        return child

    def _strays(self, child: Child) -> list[int]:
        """Return what a child left behind when it, or a part of it, ended: orphans, which are now children of ours."""
        found: list[int] = []
        with self.lock:
            strangers = [pid for pid in direct_children(os.getpid()) if self.adopts and pid not in self.living]
            for pid in strangers:
                with contextlib.suppress(psutil.Error, ChildProcessError):
                    process = psutil.Process(pid)
                    if process.status() == psutil.STATUS_ZOMBIE:
                        os.waitpid(pid, os.WNOHANG)
                    elif process.environ().get(MARK) == child.mark:
                        found += [pid, *descendants(pid)]
        return found

    def end_all(self, seconds: float = 5) -> None:
        """End every child."""
        children = list(self.living.values())
        for child in children:
            child.end()
        for child in children:
            child.is_ended.wait(seconds)
        self.starter.shutdown()


def number_of(folder: Path) -> int:
    """Return which one the folder of a child is, as in `attempt-2`; 0 where its name ends in no number."""
    end = folder.name.rpartition("-")[2]
    return int(end) if end.isdigit() else 0


def logs(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the names of a child's logs that say something, and what they say; what it printed comes last."""
    for file in [*sorted((folder / "logs").glob("*.log")), folder / OUTPUT]:
        with contextlib.suppress(FileNotFoundError):
            if text := file.read_text(encoding="utf-8", errors="replace"):
                yield file.name, text


def environment(folder: Path, num_threads: int) -> dict[str, str]:
    """Return a child's environment: nothing of ours is in it but where programs and this package are."""
    package = Path(__file__).parents[3]
    own = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TZ") if name in os.environ}
    python_path = {} if "site-packages" in package.parts else {"PYTHONPATH": str(package)}
    return {
        **own,
        **python_path,
        "HOME": str(folder / "work"),
        "TMPDIR": str(folder / "tmp"),
        "OMP_NUM_THREADS": str(num_threads),
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def direct_children(pid: int) -> Iterator[int]:
    """Yield the children of a process."""
    if sys.platform != "linux":
        with contextlib.suppress(psutil.Error):
            yield from (each.pid for each in psutil.Process(pid).children())
        return
    with contextlib.suppress(OSError):  # psutil reads all processes of the machine to find these
        for file in Path(f"/proc/{pid}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                yield from map(int, file.read_text().split())


def descendants(pid: int) -> list[int]:
    """Return all that a process started, and they."""
    found = []
    for child in direct_children(pid):
        found += [child, *descendants(child)]
    return found


def _takes_more(processes: list[int], memory: int) -> bool:
    """Return whether processes take more memory than allowed, after a first count that costs next to nothing."""
    most = 0
    for pid in processes:
        with contextlib.suppress(psutil.Error):
            most += psutil.Process(pid).memory_info().rss
    return most > memory and sum(map(memory_bytes, processes)) > memory


def memory_bytes(pid: int) -> int:
    """Return the memory of a process; what it shares with others counts once among them all."""
    with contextlib.suppress(psutil.Error, OSError):
        used = psutil.Process(pid).memory_full_info()
        return int(getattr(used, "pss", used.uss))
    return 0


def folder_bytes(folder: Path) -> int:
    """Return what a folder takes on disk."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(place, name)).st_blocks * 512
    return total
