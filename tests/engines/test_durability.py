"""Whatever stops a run while it saves, the last whole round is there, all files tell the same, and resume is exact."""

import contextlib
import csv
import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from schedulers import Tiny, write_data

from alphamed_tutorials.engines import checkpoint
from alphamed_tutorials.engines.local import resume_local, run_local
from alphamed_tutorials.faults import CannotWrite

FILES = ("checkpoint.pt", "metrics.csv", "run.json")
RESULTS = ("model.pt", "metrics.csv")
KILLS, ROUNDS = 44, 600  # more rounds than a fast machine gets through between the kills


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Return a prepared data folder with two data owners of different size."""
    return write_data(tmp_path_factory.mktemp("data"), node1=8, node2=12)


@pytest.fixture(scope="module")
def expected(data, tmp_path_factory):
    """Return the results of a run that nothing disturbed."""
    run = run_local(Tiny(max_rounds=2), data, tmp_path_factory.mktemp("expected") / "run")
    return {name: (run.path / name).read_bytes() for name in RESULTS}


def rounds_told(folder: Path) -> dict[str, int]:
    """Return the last round that each file of a run knows of."""
    metrics, saved = folder / "metrics.csv", folder / "checkpoint.pt"
    rows = csv.DictReader(metrics.read_text().splitlines() if metrics.exists() else [])
    return {
        "run.json": json.loads((folder / "run.json").read_text())["rounds_done"],
        "metrics.csv": max((int(row["round"]) for row in rows), default=0),
        "checkpoint.pt": checkpoint.load(saved)["round"] if saved.exists() else 0,
    }


class Steps:
    """Count the steps of one round's saving, and stop the writer at one of them.

    Args:
        stop_at: The number of that step, from 0 on; none if negative.
        error: What is raised there.
    """

    def __init__(self, monkeypatch, stop_at: int, error: BaseException):
        self.stop_at, self.error = stop_at, error
        self.seen: list[str] = []
        self.is_saving = self.is_over = False
        self.save, self.fsync, self.replace = checkpoint.write, os.fsync, os.replace
        monkeypatch.setattr(checkpoint, "write", self._write)
        monkeypatch.setattr(os, "fsync", self._fsync)
        monkeypatch.setattr(os, "replace", self._replace)

    def _step(self, name: str) -> None:
        if self.is_saving:
            self.seen.append(name)
            if len(self.seen) == self.stop_at + 1:
                self.is_saving, self.is_over = False, True
                raise self.error

    def _write(self, content, file):
        self.is_saving = content.get("round") == 2 and not self.is_over  # else it is tried whether it can be written
        if self.is_saving and self.stop_at == 0:
            file.write(b"half")
        self._step("write checkpoint.pt")
        self.save(content, file)

    def _fsync(self, descriptor):
        name = Path(os.readlink(f"/proc/self/fd/{descriptor}")).name
        self._step(f"sync {name}")
        self.fsync(descriptor)

    def _replace(self, source, target):
        if isinstance(self.error, KeyboardInterrupt):  # comes when the call is over
            self.replace(source, target)
        self._step(f"move {Path(target).name}")
        if not isinstance(self.error, KeyboardInterrupt):
            self.replace(source, target)

    def listen(self, event):
        """Take an event of the run: saving ends with its round."""
        if event["event"] == "round_done":
            self.is_saving = False


STEPS = [
    "write checkpoint.pt",
    *(f"sync .{name}.tmp" for name in FILES),
    *(f"move {name}" for name in FILES),
    "sync run",
]


@pytest.mark.skipif(sys.platform != "linux", reason="the names of open files are read from /proc")
class TestEachStepOfSaving:
    def test_files_reach_the_disk_before_they_are_moved_and_their_names_after_it(self, data, tmp_path, monkeypatch):
        steps = Steps(monkeypatch, -1, OSError())
        run_local(Tiny(max_rounds=2), data, tmp_path / "run", on_event=steps.listen)
        assert steps.seen == STEPS

    @pytest.mark.parametrize(
        ("step", "error", "number"),
        [
            *((step, OSError(errno.ENOSPC, "full"), 1) for step in STEPS[:5]),
            *((step, OSError(errno.EIO, "broken"), 2) for step in STEPS[5:]),
            *((step, KeyboardInterrupt(), 2) for step in STEPS[4:]),
        ],
    )
    def test_writer_stopped_there(self, data, expected, tmp_path, monkeypatch, step, error, number):
        with monkeypatch.context() as patched, contextlib.suppress(CannotWrite, KeyboardInterrupt):
            steps = Steps(patched, STEPS.index(step), error)
            run_local(Tiny(max_rounds=2), data, tmp_path / "run", on_event=steps.listen)
        assert steps.seen[-1] == step
        folder = tmp_path / "run"
        assert rounds_told(folder) == dict.fromkeys(FILES, number)
        assert not list(folder.glob(".*.tmp")) and not (folder / ".reserve").exists()
        resume_local(folder)
        assert {name: (folder / name).read_bytes() for name in RESULTS} == expected


def go_on() -> None:
    """Start the run in this folder, or resume it."""
    if Path("run/run.json").exists():
        resume_local("run")
    else:
        shutil.rmtree("run", ignore_errors=True)
        run_local(Tiny(max_rounds=ROUNDS), "data", "run")


def kill_often() -> None:
    """Go on in forks of this process, kill each at a random moment, and print what the files told after it."""
    moments = random.Random(0)
    run_local(Tiny(max_rounds=1), "data", "first")  # imports what each fork would have to import
    for number in range(KILLS):
        child = os.fork()
        if not child:
            try:
                go_on()
            finally:
                os._exit(0)
        wait_for_rounds(number % 3)
        time.sleep(moments.uniform(0, 0.05 if number % 3 else 0.5))  # from its start, or while it trains and saves
        os.kill(child, signal.SIGKILL)
        assert os.WIFSIGNALED(os.waitpid(child, 0)[1]), "the run came to its end"
        if Path("run/run.json").exists():
            print(json.dumps(rounds_told(Path("run"))), flush=True)
    go_on()


def wait_for_rounds(number: int) -> None:
    """Wait until so many checkpoints were written."""
    saved, deadline = Path("run/checkpoint.pt"), time.monotonic() + 60
    for _ in range(number):
        before = saved.stat().st_ino if saved.exists() else None
        while (saved.stat().st_ino if saved.exists() else None) == before:
            assert time.monotonic() < deadline, "no round was saved"
            time.sleep(0.001)


@pytest.mark.soak
def test_killed_at_random_moments(tmp_path):
    write_data(tmp_path / "data", node1=8, node2=12)
    here = Path(__file__).parent
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(here), str(here.parent), *sys.path])}
    program = "import test_durability; test_durability.kill_often()"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True, timeout=300)
    assert done.returncode == 0
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(told) >= 40
    for each in told:  # the checkpoint is put in its place first, the others at once after it
        assert each["run.json"] <= each["metrics.csv"] <= each["checkpoint.pt"] <= each["run.json"] + 1, told
    saved = [each["checkpoint.pt"] for each in told]
    assert saved == sorted(saved) and saved[-1] > 20
    assert sum(len(set(each.values())) == 1 for each in told) >= 0.75 * KILLS, told
    expected = run_local(Tiny(max_rounds=ROUNDS), tmp_path / "data", tmp_path / "expected").path
    for name in RESULTS:
        assert (tmp_path / "run" / name).read_bytes() == (expected / name).read_bytes(), name
