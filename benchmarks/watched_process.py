"""Run a program and add up what all its processes use, also those that outlive the one that started them. Linux only."""

import contextlib
import ctypes
import os
import resource
import subprocess
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
    _adopt_orphans()
    watch, before, began = Watch(), _waited_for(), time.perf_counter()
    streams = [folder / "printed.txt", folder / "errors.txt"]
    with streams[0].open("wb") as printed, streams[1].open("wb") as errors:
        process = subprocess.Popen(command, stdout=printed, stderr=errors, env={**os.environ, **environment})
        try:
            code = _watched_to_its_end(process, watch, began + longest)
            seconds = time.perf_counter() - began
        finally:
            _end_all()
    if code != 0:
        shown = "\n".join(file.read_text(errors="replace")[-SHOWN:] for file in streams)
        how = f"took more than {longest} seconds" if code is None else f"ended with {code}"
        raise SystemExit(f"{shown}\n{' '.join(command)} {how}: see above")
    # Who does not wait for its children, like Ray, hides them from the one count; those that end between two looks are
    # missing in the other. Both are too small, never too large.
    cpu = max(_waited_for() - before, sum(watch.cpu.values()))
    return Used(seconds, cpu, watch.peak_bytes / 2**20)


def _adopt_orphans() -> None:
    """Become the parent of all processes below this one whose own parent ends."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "this system lets no process adopt orphans")


def _waited_for() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _watched_to_its_end(process: subprocess.Popen, watch: Watch, deadline: float) -> int | None:
    """Return the program's exit code; None if it was not done in time."""
    while time.perf_counter() < deadline:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(watch.look())
    return None


def _end_all() -> None:
    """End all processes below this one."""
    while left := psutil.Process().children(recursive=True):
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, timeout=10)
