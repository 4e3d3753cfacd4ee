"""What a run ran on: recorded beside every figure the project shows."""

import importlib.metadata
import os
import platform
import re
from pathlib import Path

PACKAGES = ("torch", "torchvision", "torchaudio", "numpy", "alphamed-federated", "alphamed-tutorials")


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages a result depends on."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "missing"
    return found


def machine() -> dict[str, str | int | float]:
    """Return processor, cores, memory in GiB and operating system of this machine."""
    return {
        "cpu": _cpu_name(),
        "cores": cores(),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
    }


def cores() -> int:
    """Return how many processors this process may use; a container may have a share of them only."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota, _, period = _read("/sys/fs/cgroup/cpu.max").strip().partition(" ")
    return min(allowed, max(1, int(quota) // int(period))) if quota.isdigit() else allowed


def available_memory() -> int | None:
    """Return how many bytes new processes can have; None where the system does not say."""
    found = re.search(r"^MemAvailable: +(\d+) kB$", _read("/proc/meminfo"), re.MULTILINE)
    return int(found[1]) * 2**10 if found else None


def _read(path: str) -> str:
    file = Path(path)
    return file.read_text() if file.exists() else ""


def _cpu_name() -> str:
    for line in _read("/proc/cpuinfo").splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
