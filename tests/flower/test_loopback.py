"""A SuperLink and SuperNodes as processes of this machine: the numbers of the local engine, whatever is killed."""

import alphamed_tutorials  # noqa: F401  # isort: skip

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

pytest.importorskip("flwr", reason="Flower is not installed: pip install 'alphamed-tutorials[flower]'")

from alphamed_tutorials.data.prepare import prepare
from alphamed_tutorials.engines.failures import NodeFailed
from alphamed_tutorials.engines.run import resume, run
from alphamed_tutorials.errors import WrongUse
from alphamed_tutorials.runs.folder import Run

pytestmark = pytest.mark.soak
ROUNDS, PATIENCE = 3, 300  # seconds
RESULTS = ("model.pt", "metrics.csv")
COMMAND = (sys.executable, "-c", "from alphamed_tutorials.command import main; main()")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("mnist") / "data"
    prepare("mnist", folder, num_nodes=2)
    return folder


@pytest.fixture(scope="module")
def expected(data, tmp_path_factory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("expected") / "run"
    return results(run("mnist", data, num_rounds=ROUNDS, seed=3, out=out).path)


def results(path: Path) -> dict[str, bytes]:
    return {name: (path / name).read_bytes() for name in RESULTS}


def test_the_parameters_are_those_of_the_local_engine_and_nothing_stays_behind(data, expected, tmp_path):
    told = []
    done = run("mnist", data, num_rounds=ROUNDS, seed=3, out=tmp_path / "run", engine="flower", on_event=told.append)
    assert done.state == "done" and results(done.path) == expected
    assert [event["round"] for event in told if event["event"] == "round_done"] == [1, 2, 3]
    assert all((done.path / "logs" / f"{name}.log").is_file() for name in done.record["nodes"])
    assert not [process for process in flowers() if str(tmp_path) in " ".join(process.cmdline())]
    assert not list((done.path / "flower").rglob("*.key")), "keys live as long as the run"
    longer = resume(done.path, {"max_rounds": ROUNDS + 1})
    assert longer.record["rounds_done"] == ROUNDS + 1


def flowers(command: str = "flower-") -> list[psutil.Process]:
    """Return Flower's processes of this machine."""
    found = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
        except psutil.Error:
            continue
        if any(Path(word).name.startswith(command) for word in words[:2]):
            found.append(process)
    return found


def of_run(out: Path, command: str, word: str = "") -> psutil.Process:
    """Return a process that the run in a folder has started."""
    starter = next(each for each in psutil.process_iter(["cmdline"]) if str(out) in (each.info["cmdline"] or []))
    return next(
        each
        for each in starter.children(recursive=True)
        if any(Path(part).name == command for part in each.cmdline()[:2]) and word in " ".join(each.cmdline())
    )


def killed(data: Path, out: Path, victim: Callable[[], psutil.Process]) -> subprocess.CompletedProcess[str]:
    """Start a run, kill one of its processes in round 2, and return how it ended."""
    words = ("run", "mnist", "--data", str(data), "--rounds", str(ROUNDS), "--seed", "3", "--engine", "flower")
    process = subprocess.Popen([*COMMAND, *words, "--out", str(out)], stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + PATIENCE
    while not (out / "events.jsonl").exists() or '"round_done"' not in (out / "events.jsonl").read_text():
        assert process.poll() is None and time.monotonic() < until, "round 1 was not finished"
        time.sleep(0.1)
    victim().kill()
    _, errors = process.communicate(timeout=PATIENCE)
    return subprocess.CompletedProcess((), process.returncode, "", errors)


@pytest.mark.parametrize(("command", "word", "said"), [
    ("flower-supernode", 'name="node2"', "the SuperNode of node2 was ended by signal 9"),
    ("flower-superlink", "", "the SuperLink was ended by signal 9"),
])  # fmt: skip
def test_what_is_killed_ends_the_run_and_resume_comes_to_the_same(data, expected, tmp_path, command, word, said):
    out = tmp_path / "run"
    ended = killed(data, out, lambda: of_run(out, command, word))
    assert ended.returncode == 1 and said in ended.stderr and f"playground resume {out}" in ended.stderr
    failed = Run.open(out)
    assert failed.state == "failed" and 1 <= failed.record["rounds_done"] < ROUNDS
    assert not (out / "model.pt").exists()
    done = subprocess.run([*COMMAND, "resume", str(out)], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    assert results(out) == expected


TASK = """
from alphamed_tutorials.examples.mnist.scheduler import MNISTScheduler


class Dark(MNISTScheduler):
    def train_an_epoch(self):
        if self.data_dir.endswith("node2"):
            raise RuntimeError("no light")
        super().train_an_epoch()
"""


def test_a_scheduler_that_fails_on_a_node_names_node_file_and_line(data, tmp_path):
    (tmp_path / "dark.py").write_text(TASK)
    with pytest.raises(NodeFailed, match="no light") as failure:
        run(tmp_path / "dark.py", data, num_rounds=1, out=tmp_path / "run", engine="flower")
    assert failure.value.node == "node2" and failure.value.file == "dark.py" and failure.value.line == 8
    with pytest.raises(WrongUse, match="no argument"):
        resume(tmp_path / "run", {"learning_speed": 1})
