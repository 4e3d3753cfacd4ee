"""The SDK's older versions, unpacked beside the installed one."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from filelock import FileLock

VERSIONS = ("alphafed==0.1.1", "alphamed-federated==0.1.2")
TO_LOG = ("concurrent-log-handler", "portalocker")  # what they import


def unpack(requirement: str, tmp_path_factory) -> Path:
    """Return a folder that holds an old SDK and what it imports to log; skip where it cannot be downloaded."""
    wheels = tmp_path_factory.getbasetemp().parent / "old-sdk" / requirement.replace("==", "-")
    packages = [requirement, *TO_LOG]
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--dest", str(wheels), *packages]
    wheels.parent.mkdir(exist_ok=True)
    with FileLock(f"{wheels}.lock"):  # tests may run in several processes
        if len(list(wheels.glob("*.whl"))) < len(packages):
            done = subprocess.run(command, capture_output=True, text=True, timeout=120)
            if done.returncode:
                pytest.skip(f"{requirement} cannot be downloaded here: {(done.stderr.splitlines() or ['?'])[-1]}")
    folder = tmp_path_factory.mktemp("old-sdk")
    for wheel in wheels.glob("*.whl"):
        zipfile.ZipFile(wheel).extractall(folder)
    return folder
