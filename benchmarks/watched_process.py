"""Run a program and add up what all its processes use, also those that outlive the one that started them. Linux only.

Done in a process of its own, below which is nothing but the program.
"""

import contextlib
import ctypes
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import psutil

PR_SET_CHILD_SUBREAPER = 36
PAUSE = 0.1  # seconds between two looks
SHARE = 0.05  # of a core, at most, that looking may take
SHOWN = 3000  # characters of what a failed program printed


class Used(NamedTuple):
    """What a program used; `peak_mb` is the sum of PSS, in which shared pages count once."""

    wall_seconds: float
    cpu_seconds: float
    peak_mb: float


class Watch:
    """Look at all processes below this one, again and again."""

    def __init__(self) -> None:
        self.peak_bytes = 0
        self.cpu: dict[psutil.Process, float] = {}

    def look(self) -> float:
        """Take one look; return how long to wait for the next."""
        began, total = time.perf_counter(), 0
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):  # it has just ended
                times = process.cpu_times()
                self.cpu[process] = times.user + times.system
                total += process.memory_full_info().pss
        self.peak_bytes = max(self.peak_bytes, total)
        return max(PAUSE, (time.perf_counter() - began) / SHARE)


def run_watched(command: list[str], environment: Mapping[str, str], folder: Path, longest: float) -> Used:
    """Run a program to its end, and end what it leaves behind.

    Args:
        command: The program and its arguments.
        environment: Variables that it gets beside ours.
        folder: Where what it prints is kept meanwhile.
        longest: Seconds that it may take.

    Raises:
        SystemExit: It failed, or took longer.
    """
    printed, used = folder / "printed.txt", folder / "used.json"
    with printed.open("wb") as stream:
        watching = [sys.executable, __file__, str(used), str(longest), *command]
        done = subprocess.run(watching, stdout=stream, stderr=subprocess.STDOUT, env={**os.environ, **environment})
    if done.returncode:
        print(printed.read_text(errors="replace")[-SHOWN:], file=sys.stderr)
        raise SystemExit(f"{' '.join(command)} failed, or took more than {longest:g} seconds: see above")
    return Used(**json.loads(used.read_text()))


def watch(command: list[str], longest: float) -> Used | None:
    """Run a program as the only one below this process; return None if it failed or was not done in time."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):  # orphans become our children
        raise OSError(ctypes.get_errno(), "this system lets no process adopt orphans")
    looks, began = Watch(), time.perf_counter()
    process = subprocess.Popen(command)
    while process.poll() is None and time.perf_counter() < began + longest:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(looks.look())
    seconds = time.perf_counter() - began
    _end_all()
    # Who does not wait for its children, like Ray, hides them from the one count; those that end between two looks are
    # missing in the other. Both are too small, never too large.
    waited_for = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = max(waited_for.ru_utime + waited_for.ru_stime, sum(looks.cpu.values()))
    return Used(seconds, cpu, looks.peak_bytes / 2**20) if process.returncode == 0 else None


def _end_all() -> None:
    """End all processes below this one."""
    while left := psutil.Process().children(recursive=True):
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, timeout=10)


def main() -> None:
    """Run the program that is named, and write what it used."""
    used, longest, *command = sys.argv[1:]
    found = watch(command, float(longest))
    if not found:
        sys.exit(1)
    Path(used).write_text(json.dumps(found._asdict()))


if __name__ == "__main__":
    main()
