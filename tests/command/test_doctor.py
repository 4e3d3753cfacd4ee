"""The doctor finds what is missing, and never falls ill itself."""

import os
import shutil
import subprocess
import sys
from collections import namedtuple

import pytest

from alphamed_tutorials.command import doctor

SDK_ADVICE = "pip install --no-deps alphamed-federated==0.4.9"


def by_name(checks):
    return {check.name: check for check in checks}


@pytest.fixture
def shadow(tmp_path, monkeypatch):
    """Return a function that puts a module of one's own before an installed one, for every new process.

    Torch and its kin are shadowed by empty ones, which are quicker to import.
    """
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    for module in ("torch", "torchvision", "torchaudio"):
        (tmp_path / f"{module}.py").write_text("class cuda: is_available = staticmethod(bool)")
    return lambda module, code: (tmp_path / f"{module}.py").write_text(code)


def test_this_machine_is_sound(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = doctor.checks()
    assert [check for check in found if check.ok is False] == []
    assert all(check.found for check in found)
    assert not any(check.advice for check in found if check.ok)
    assert by_name(found)["AlphaMed SDK"].found == "0.4.9"
    assert "torch 2" in by_name(found)["torch"].found and "torchvision 0" in by_name(found)["torch"].found
    assert not list(tmp_path.iterdir())  # no alphafed.log


def test_without_the_sdk(shadow):
    shadow("alphafed", "raise ModuleNotFoundError(\"No module named 'alphafed'\", name='alphafed')")
    found = by_name(doctor._packages(doctor._probe()))
    assert found["AlphaMed SDK"].ok is False
    assert "No module named 'alphafed'" in found["AlphaMed SDK"].found and SDK_ADVICE in found["AlphaMed SDK"].advice
    assert found["torch"].ok is True


def test_runs_where_the_sdk_and_torch_cannot_be_imported():
    program = (
        "import sys; sys.modules['alphafed'] = sys.modules['torch'] = None; import alphamed_tutorials.command.doctor"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_torchvision_of_another_torch(shadow):
    shadow("torchvision", "raise RuntimeError('operator torchvision::nms does not exist')")
    check = by_name(doctor._packages(doctor._probe()))["torch"]
    assert check.ok is False
    assert "operator torchvision::nms does not exist" in check.found and "torchvision" in check.advice


def test_a_library_that_ends_its_process(shadow):
    shadow("torch", "import os, sys; print('illegal instruction', file=sys.stderr, flush=True); os._exit(132)")
    found = by_name(doctor._packages(doctor._probe()))
    assert found["torch"].ok is False and found["AlphaMed SDK"].ok is False
    assert "ended with code 132: illegal instruction" in found["torch"].found


def test_a_library_that_hangs(shadow, monkeypatch):
    shadow("torch", "import time; time.sleep(60)")
    monkeypatch.setattr(doctor, "TIMEOUT", 0.5)
    assert "took more than 0.5 s" in by_name(doctor._packages(doctor._probe()))["torch"].found


@pytest.mark.parametrize(
    ("versions", "torch", "sdk"),
    [
        ({"torch": "2.12.1+cpu", "alphamed-federated": "0.4.9"}, True, True),
        ({"torch": "2.3.0", "alphamed-federated": "0.4.7"}, True, False),
        ({"torch": "2.2.2", "alphamed-federated": "0.4.9"}, False, True),
        ({"torch": "1.11.0"}, False, False),
    ],
)
def test_versions(versions, torch, sdk):
    found = by_name(doctor._packages({"versions": versions, "errors": {}, "gpu": ""}))
    assert (found["torch"].ok, found["AlphaMed SDK"].ok) == (torch, sdk)
    assert bool(found["torch"].advice) is not torch and bool(found["AlphaMed SDK"].advice) is not sdk


def test_notes_are_no_faults(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(doctor, "PLATFORM_DATA", tmp_path / "none")
    for check in (
        doctor._browser(),
        doctor._platform_data(),
        doctor._packages({"versions": {}, "errors": {}, "gpu": ""})[2],
    ):
        assert check.ok is None and check.found == "none" and check.advice
    (tmp_path / "chromium").write_text("")
    (tmp_path / "chromium").chmod(0o755)
    monkeypatch.setattr(doctor, "PLATFORM_DATA", tmp_path)
    for check in (doctor._browser(), doctor._platform_data()):
        assert check.ok is None and str(tmp_path) in check.found and not check.advice


def test_a_folder_one_may_not_write_to(monkeypatch):
    monkeypatch.chdir("/proc")  # where nobody may, root included
    check = doctor._current_folder()
    assert check.ok is False and check.found.startswith("/proc: ") and check.advice


@pytest.mark.parametrize(("gib", "ok"), [(0.5, False), (20.0, True)])
def test_disk_and_memory(monkeypatch, gib, ok):
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: namedtuple("Usage", "free")(gib * 2**30))
    monkeypatch.setattr(doctor, "machine", lambda: {"memory_gib": gib, "cores": 2})
    for check in (doctor._disk(), doctor._hardware()[0]):
        assert check.ok is ok and bool(check.advice) is not ok and check.found == f"{gib} GiB"


def test_windows_is_told_at_once(monkeypatch):
    monkeypatch.setattr(doctor.platform, "system", lambda: "Windows")
    monkeypatch.setattr(doctor, "_probe", None)
    found = doctor.checks()
    assert [check.name for check in found] == ["Python", "system"] and "WSL" in found[1].advice


NO_ENTRY = """
import pwd
def getpwuid(uid):
    raise KeyError(f"getpwuid(): uid not found: {uid}")
pwd.getpwuid = getpwuid
"""
NAMELESS = """
import alphamed_tutorials, getpass, os, subprocess, sys, torchvision
print(f"user{os.getuid()}")
print(getpass.getuser(), flush=True)
subprocess.run([sys.executable, "-I", "-c", "import getpass; print(getpass.getuser())"], check=True)
from alphamed_tutorials.command.doctor import _user
print(_user()[0].advice)
"""
AS_NOBODY = ["unshare", "--user", "--map-user=54321"]  # what a container does that is started with --user


@pytest.mark.parametrize(("start", "code"), [([], NO_ENTRY + NAMELESS), (AS_NOBODY, NAMELESS)])
def test_a_user_without_a_name_gets_one_here_and_in_what_is_started(tmp_path, start, code):
    if start and (not shutil.which(start[0]) or subprocess.run([*start, "true"], capture_output=True).returncode):
        pytest.skip("this machine lets nobody be another user")
    names = ("LOGNAME", "USER", "LNAME", "USERNAME")  # where Python looks before it asks the system
    environment = {name: value for name, value in os.environ.items() if name not in names}
    command = [*start, sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    number, here, there, advice = done.stdout.splitlines()
    assert number == here == there and "export USER=me" in advice
    assert not start or number == "user54321"
