"""Look whether this machine has what the examples need."""

import json
import os
import platform
import pwd
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ..runs.machine import machine

SDK_VERSION = "0.4.9"
SDK_ADVICE = f"pip install --no-deps alphamed-federated=={SDK_VERSION}"
PLATFORM_DATA = Path("/data/alphamed-federated-dataset")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
TIMEOUT = 120  # seconds to import everything, from a slow disk too

# Runs in a process and a folder of its own: a broken library can end the process that imports it, and
# `import alphafed` writes ./alphafed.log.
PROBE = """
import importlib, importlib.metadata, json
found = {"versions": {}, "errors": {}, "gpu": ""}
modules = {"torch": "torch", "torchvision": "torchvision", "torchaudio": "torchaudio"}
for package, module in (modules | {"alphamed-federated": "alphafed.fed_avg"}).items():
    try:
        importlib.import_module(module)
        found["versions"][package] = importlib.metadata.version(package)
    except Exception as error:
        found["errors"][package] = f"{type(error).__name__}: {error}"
if "torch" in found["versions"]:
    import torch
    found["gpu"] = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
print(json.dumps(found))
"""


@dataclass(frozen=True)
class Check:
    """What was found in one place.

    Args:
        name: What was looked at.
        ok: Whether it will do; None where it is good to know but not needed.
        found: What is there.
        advice: What to do, if anything.
    """

    name: str
    ok: bool | None
    found: str
    advice: str = ""


def checks() -> list[Check]:
    """Look at everything; it takes a few seconds, because torch is imported."""
    python = _judge("Python", sys.version_info >= (3, 11), platform.python_version(), "install Python 3.11 or newer")
    name = platform.system()
    system = _judge("system", name in ("Linux", "Darwin"), name, "use Linux or macOS; on Windows, WSL 2")
    if not system.ok:
        return [python, system]
    packages, hardware = _packages(_probe()), _hardware()
    return [python, system, *packages, *hardware, _disk(), _current_folder(), *_user(), _platform_data(), _browser()]


def _judge(name: str, ok: bool, found: str, advice: str) -> Check:
    return Check(name, ok, found, "" if ok else advice)


def _note(name: str, found: str, advice: str) -> Check:
    return Check(name, None, found or "none", "" if found else advice)


def _probe() -> dict:
    with tempfile.TemporaryDirectory() as folder:
        try:
            command = [sys.executable, "-c", PROBE]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT)
            return json.loads(done.stdout.splitlines()[-1])
        except subprocess.TimeoutExpired:
            reason = f"importing took more than {TIMEOUT} s"
        except (IndexError, json.JSONDecodeError):
            reason = f"importing ended with code {done.returncode}: {done.stderr.strip()[-200:]}"
    return {"versions": {}, "errors": {"torch": reason, "alphamed-federated": reason}, "gpu": ""}


def _packages(probe: dict) -> list[Check]:
    versions, errors = dict(probe["versions"]), dict(probe["errors"])
    sdk, sdk_error = versions.pop("alphamed-federated", ""), errors.pop("alphamed-federated", "")
    torch = tuple(map(int, versions.get("torch", "0.0").split(".")[:2]))
    found = ", ".join([f"{name} {version}" for name, version in versions.items()] + list(errors.values()))
    return [
        _judge("torch", torch >= (2, 3) and not errors, found, "pip install --upgrade torch torchvision torchaudio"),
        _judge("AlphaMed SDK", sdk == SDK_VERSION, sdk or sdk_error, SDK_ADVICE),
        _note("GPU", probe["gpu"], "the examples run on the processor too"),
    ]


def _disk() -> Check:
    free = shutil.disk_usage(".").free / 2**30
    return _judge("free disk", free >= 1, f"{free:.1f} GiB", "make room for 1 GiB of data and runs")


def _current_folder() -> Check:
    try:
        with tempfile.TemporaryFile(dir="."):
            return Check("current folder", True, f"{os.getcwd()} is writable")
    except OSError as error:
        advice = "change to a folder of your own: data and runs are written below it"
        return Check("current folder", False, f"{os.getcwd()}: {error.strerror}", advice)


def _user() -> list[Check]:
    """Return a note where the system knows no name of the user, as in many containers."""
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        advice = "where programs of your own import torchvision without this package: export USER=me"
        return [Check("user", None, f"number {os.getuid()}, without a name", advice)]
    return []


def _hardware() -> list[Check]:
    facts = machine()
    return [
        _judge(
            "memory", float(facts["memory_gib"]) >= 2, f"{facts['memory_gib']} GiB", "use a machine with 2 GiB or more"
        ),
        _note("processor cores", str(facts["cores"]), ""),
    ]


def _platform_data() -> Check:
    found = str(PLATFORM_DATA) if PLATFORM_DATA.is_dir() else ""
    return _note(
        "AlphaMed's data folder", found, "only machines of the platform have it; otherwise: playground prepare"
    )


def _browser() -> Check:
    found = next(filter(None, map(shutil.which, BROWSERS)), "")
    return _note("Chromium", found, "only the browser tests of this project need it: apt-get install chromium")
