"""What a machine refuses (room, permission, open files) is told in one message with its cure, and costs no round."""

import contextlib
import errno
import json
import os
import re
import resource
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from schedulers import Tiny, write_data
from torch import nn

from alphamed_tutorials.engines.failures import NodeFailed
from alphamed_tutorials.engines.local import resume_local, run_local
from alphamed_tutorials.errors import TutorialError
from alphamed_tutorials.faults import CannotWrite, cure, fault_behind
from alphamed_tutorials.runs.folder import Run, RunError

RESULTS = ("model.pt", "metrics.csv")


class Large(Tiny):
    """A model of 320 kB."""

    def build_model(self):
        model = super().build_model()
        model.register_parameter("unused", nn.Parameter(torch.zeros(80_000)))
        return model


class Growing(Large):
    """Have a momentum of the large parameter from the first epoch on, so that what a node keeps doubles."""

    def train_an_epoch(self):
        super().train_an_epoch()
        self.optimizer.state[self.model.unused]["momentum_buffer"] = torch.zeros_like(self.model.unused)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Return a prepared data folder with two data owners of different size."""
    return write_data(tmp_path_factory.mktemp("data"), node1=8, node2=12)


@pytest.fixture(scope="module")
def expected(data, tmp_path_factory):
    """Return the results of a run that had room."""
    run = run_local(Large(), data, tmp_path_factory.mktemp("expected") / "run")
    return {name: (run.path / name).read_bytes() for name in RESULTS}


@contextlib.contextmanager
def limited(what: int, limit: int):
    """Let the system refuse beyond a limit, which anybody may ask for."""
    soft, hard = resource.getrlimit(what)
    resource.setrlimit(what, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(what, (soft, hard))


def files_at_most(size: int):
    """Let no file grow beyond so many bytes: as on a full disk, no more can be written."""
    return limited(resource.RLIMIT_FSIZE, size)


def half_written(folder: Path) -> list[str]:
    """Return the files that should not outlive a failure."""
    return [file.name for file in folder.rglob(".*") if file.name != ".lock"]


def assert_told_and_resumed(path: Path, told: pytest.ExceptionInfo, expected: dict[str, bytes]) -> None:
    """Look at a run that failed for want of room, and resume it."""
    message = str(told.value)
    assert message.count("\n") == 0 and message.startswith(f"{path} cannot be written (")
    assert message.endswith(f", then: playground resume {path}")
    assert Run.open(path).state == "failed" and not half_written(path)
    resume_local(path)
    assert {name: (path / name).read_bytes() for name in RESULTS} == expected
    for line in (path / "events.jsonl").read_text().splitlines():
        json.loads(line)


def test_no_room_for_what_a_node_keeps(data, expected, tmp_path):
    with (
        files_at_most(500_000),
        pytest.raises(CannotWrite, match=r"File too large.*about [\d.]+ MB are needed, and") as told,
    ):
        run_local(Growing(), data, tmp_path / "run")
    assert_told_and_resumed(tmp_path / "run", told, expected)


def test_no_room_for_exported_files_and_pictures(finished_run, tmp_path, playground):
    run = shutil.copytree(finished_run, tmp_path / "run")
    before = sorted(run.iterdir())
    with files_at_most(16_000):
        exported = playground("export", run)
        drawn = playground("metrics", run, "--plot", "metrics.png")
    for finished, file in ((exported, run), (drawn, "metrics.png")):
        assert finished.code == 1 and finished.err.count("\n") == 2
        assert re.match(rf"Error: {file} cannot be written .*about [\d.]+ [kM]B are needed", finished.err)
    assert sorted(run.iterdir()) == before and not (tmp_path / "metrics.png").exists()


def test_no_room_for_prepared_data(tmp_path, playground):
    with files_at_most(16_000):
        prepared = playground("prepare", "mnist", "--out", "data")
        ran = playground("run", "mnist")
    for finished, place in ((prepared, "data"), (ran, "runs/mnist-1/data")):
        assert finished.code == 1 and finished.err.count("\n") == 2
        assert re.match(rf"Error: {place} cannot be written \(File too large\): 1 GiB is enough", finished.err)
    assert not [file for file in tmp_path.rglob("*") if file.name != "runs"]


def test_data_that_may_not_be_read_are_not_called_unwritable(tmp_path):
    with pytest.raises(TutorialError) as told:
        try:
            raise PermissionError(errno.EACCES, "Permission denied", "samples.pt")
        except OSError as error:
            raise TutorialError("samples.pt cannot be read") from error
    assert fault_behind(told.value) is None


def test_events_keep_whole_lines(tmp_path):
    run = Run.create(tmp_path / "run")
    run.add_event({"event": "first"})
    size = (run.path / "events.jsonl").stat().st_size
    with files_at_most(size + 10), pytest.raises(CannotWrite, match="File too large"):
        run.add_event({"event": "second"})
    assert (run.path / "events.jsonl").stat().st_size == size


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "about 5.0 MB are needed, and the disk has .* left: make room"),
        (errno.EDQUOT, "about 5.0 MB are needed, .* free some of your quota"),
        (errno.EROFS, "this disk can only be read: work .* on a copy"),
        (errno.EACCES, "mend the permissions of the folder, or work in another"),
        (errno.EMFILE, "`ulimit -n` says .*: allow more with ulimit -n 4096"),
    ],
)
def test_each_fault_has_its_cure(tmp_path, number, words):
    assert re.match(words, cure(OSError(number, "said"), tmp_path / "not" / "there", 5_000_000))


def test_a_fault_is_found_behind_what_libraries_make_of_it(tmp_path):
    with files_at_most(1000), pytest.raises(RuntimeError) as by_name:
        torch.save(torch.zeros(1000), tmp_path / "by name")
    assert fault_behind(by_name.value).errno == errno.ENOSPC  # all that torch lets on
    with files_at_most(1000), pytest.raises(RuntimeError) as by_file, open(tmp_path / "by file", "wb", 0) as file:
        torch.save(torch.zeros(1000), file)
    assert fault_behind(by_file.value).errno == errno.EFBIG
    assert fault_behind(FileNotFoundError(errno.ENOENT, "gone")) is None
    with pytest.raises(RuntimeError) as unreadable:
        torch.load(tmp_path / "by name")
    assert fault_behind(unreadable.value) is None


class Holding(Tiny):
    """Keep files open."""

    def build_train_dataloader(self):
        self.held = [Path(self.data_dir, "samples.pt").open("rb") for _ in range(20)]  # noqa: SIM115
        return super().build_train_dataloader()


def test_more_nodes_than_files_may_be_open(tmp_path):
    data = write_data(tmp_path / "data", **{f"node{number}": 4 for number in range(20)})
    few = 15 + max(map(int, os.listdir("/dev/fd")))
    with limited(resource.RLIMIT_NOFILE, few):
        assert run_local(Tiny(max_rounds=1), data, tmp_path / "run").state == "done"
        with pytest.raises(NodeFailed, match="Too many open files.*\n`ulimit -n` says .*: allow more") as told:
            run_local(Holding(max_rounds=1), data, tmp_path / "holding")
    assert told.value.file == __file__
    assert Run.open(tmp_path / "holding").state == "failed"  # though the error still holds the files


@pytest.fixture
def small_disk(tmp_path):
    """Return a folder that is a disk of its own, and a function that changes its size in kB, or makes it read-only."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(*options: str) -> None:
        done = subprocess.run(["mount", *options, folder], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"no small disk can be mounted here: {done.stderr.strip()}")

    if not shutil.which("mount"):
        pytest.skip("there is no mount here to make a small disk with")
    mount("-t", "tmpfs", "-o", "size=3m", "tmpfs")
    yield folder, lambda options: mount("-o", f"remount,{options}")
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.soak
# What fails: the reserve, where a node rests before round 1, what is sent, after training, the checkpoint; round 2's.
@pytest.mark.parametrize("size", [24, 820, 1060, 1500, 1900, 2200])
def test_small_disks(data, expected, small_disk, size):
    folder, remount = small_disk
    remount(f"size={size}k")
    with pytest.raises(CannotWrite, match="No space left on device") as told:
        run_local(Large(), data, folder / "run")
    needed = re.search(r"about ([\d.]+) MB are needed", str(told.value))
    assert needed or size < 1000  # the size of the model is not known yet
    more = round(float(needed[1]) * 1000) if needed else 3000
    remount(f"size={size + more}k")
    assert_told_and_resumed(folder / "run", told, expected)


@pytest.mark.soak
@pytest.mark.parametrize("number", range(2, 22, 2))
def test_a_disk_that_others_fill_at_any_moment(data, expected, small_disk, number):
    folder, _ = small_disk
    filler, events = folder / "filler", []

    def fill(event):
        events.append(event)
        if len(events) == number:
            with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
                while file.write(bytes(4096)):
                    continue

    with pytest.raises(CannotWrite, match="No space left on device") as told:
        run_local(Large(), data, folder / "run", on_event=fill)
    filler.unlink()
    assert_told_and_resumed(folder / "run", told, expected)


@pytest.mark.soak
def test_export_and_pictures_on_a_full_disk(finished_run, small_disk, playground):
    folder, remount = small_disk
    remount("size=99m")
    run = shutil.copytree(finished_run, folder / "run")
    size = shutil.disk_usage(folder).used // 1024
    before = sorted(run.iterdir())
    remount(f"size={size + 16}k")
    for command in (["export", run], ["metrics", run, "--plot", folder / "metrics.png"]):
        finished = playground(*command)
        assert finished.code == 1 and finished.err.count("\n") == 2
        assert re.match(r"Error: .* cannot be written \(No space left on device\): about .* are needed", finished.err)
    assert sorted(run.iterdir()) == before and sorted(folder.iterdir()) == [run]
    remount("size=99m")
    assert playground("export", run).code == 0


@pytest.mark.soak
def test_a_disk_that_can_only_be_read(data, small_disk):
    folder, remount = small_disk

    def stop(event):
        if event["event"] == "training" and event["round"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_local(Large(), data, folder / "run", on_event=stop)
    remount("ro")
    with pytest.raises(RunError, match=f"{folder}/run cannot be written .*can only be read: work .* on a copy"):
        resume_local(folder / "run")
    copied = shutil.copytree(folder / "run", folder.parent / "copy")  # as the message says
    assert resume_local(copied).state == "done"
