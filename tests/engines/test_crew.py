"""Several processes train the data owners: the same numbers, errors, prints and files as one process."""

import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest
import torch
from schedulers import Drawing, Tiny, write_data

from alphamed_tutorials.engines import crew
from alphamed_tutorials.engines.crew import dealt, workers_that_help
from alphamed_tutorials.engines.failures import NodeFailed, WorkerEnded
from alphamed_tutorials.engines.local import resume_local, run_local
from alphamed_tutorials.engines.run import run as run_target
from alphamed_tutorials.errors import WrongUse
from alphamed_tutorials.runs.folder import Run

RESULTS = ("model.pt", "metrics.csv")
OWNERS = {"node1": 8, "node2": 12, "node3": 4, "node4": 8, "node5": 4}


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Return a prepared data folder with five data owners."""
    return write_data(tmp_path_factory.mktemp("data"), **OWNERS)


def results(folder: Path) -> dict[str, bytes]:
    """Return what a run came to."""
    return {name: (folder / name).read_bytes() for name in RESULTS}


@pytest.fixture(scope="module")
def expected(data, tmp_path_factory) -> dict[str, bytes]:
    """Return what one process comes to."""
    return results(run_local(Drawing(), data, tmp_path_factory.mktemp("expected") / "run").path)


@pytest.mark.parametrize("num_workers", [2, 3, 9])
def test_numbers_are_those_of_one_process(data, expected, tmp_path, num_workers):
    run = run_local(Drawing(), data, tmp_path / "run", num_workers=num_workers)
    assert results(run.path) == expected
    assert run.record["workers"] == min(num_workers, len(OWNERS))


def test_a_process_started_anew_comes_to_the_same(data, expected, tmp_path, monkeypatch):
    monkeypatch.setattr(crew, "_start_method", lambda plan: "spawn")
    assert results(run_local(Drawing(), data, tmp_path / "run", num_workers=2).path) == expected


def test_events_and_logs_are_told_in_the_order_of_the_nodes(data, tmp_path):
    def told(num_workers):
        run = run_local(Drawing(), data, tmp_path / str(num_workers), num_workers=num_workers)
        lines = (run.path / "events.jsonl").read_text().splitlines()
        events = [{k: v for k, v in json.loads(line).items() if k != "time"} for line in lines]
        logs = {file.name: [line[24:] for line in file.open()] for file in (run.path / "logs").iterdir()}
        return events, logs

    assert told(1) == told(2)


class Talking(Tiny):
    def train_an_epoch(self):
        print(f"epoch of {self.node}")
        print("a warning", file=sys.stderr)
        super().train_an_epoch()


def test_what_nodes_print_comes_in_their_order(data, tmp_path, capfd):
    run_local(Talking(max_rounds=1), data, tmp_path / "run", num_workers=2)
    out, err = capfd.readouterr()
    assert [line for line in out.splitlines() if "epoch" in line] == [f"{name}: epoch of {name}" for name in OWNERS]
    assert [line for line in err.splitlines() if "warning" in line] == [f"{name}: a warning" for name in OWNERS]


class Odd(Exception):
    """An error that cannot be made again from its text."""

    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


class Failing(Tiny):
    def train_an_epoch(self):
        if self.node in ("node2", "node5") and self.current_round == 2:
            raise Odd("this", "that")
        super().train_an_epoch()


def test_an_exception_names_the_node_as_in_one_process(data, tmp_path):
    def failure(num_workers):
        with pytest.raises(NodeFailed) as caught:
            run_local(Failing(), data, tmp_path / str(num_workers), num_workers=num_workers)
        record = Run.open(tmp_path / str(num_workers)).record
        return str(caught.value), caught.value.file, caught.value.line, record["failure"], record["rounds_done"]

    assert failure(1) == failure(2)
    assert failure_text(tmp_path / "2").count("this and that") and not multiprocessing.active_children()


def failure_text(folder: Path) -> str:
    """Return the log of the node that failed."""
    return (folder / "logs" / "node2.log").read_text()


class Stopping(Tiny):
    """End the process in which node4 trains in round 2, once."""

    mark = ""

    def train_an_epoch(self):
        if self.node == "node4" and self.current_round == 2 and not Path(self.mark).exists():
            Path(self.mark).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        super().train_an_epoch()


@pytest.mark.parametrize("again", [1, 3])
def test_a_killed_process_is_told_and_resume_is_exact(data, tmp_path, again):
    task = Stopping()
    task.mark = str(tmp_path / "mark")
    with pytest.raises(
        WorkerEnded, match=r"^the process that trains node\d and \d more was ended by signal 9.*--workers 1"
    ):
        run_local(task, data, tmp_path / "run", num_workers=2)
    assert Run.open(tmp_path / "run").state == "failed"
    resumed = resume_local(tmp_path / "run", num_workers=again)
    assert results(resumed.path) == results(run_local(task, data, tmp_path / "whole").path)


def test_resume_goes_on_with_as_many_processes_as_before_or_others(data, tmp_path):
    def interrupt(event):
        if event["event"] == "round_done" and event["round"] == 1:
            raise KeyboardInterrupt

    for begun, gone_on in ((2, None), (2, 1), (1, 3)):
        folder = tmp_path / f"{begun}-{gone_on}"
        with pytest.raises(KeyboardInterrupt):
            run_local(Drawing(), data, folder, num_workers=begun, on_event=interrupt)
        run = resume_local(folder, {"merge_epochs": "2"}, num_workers=gone_on)
        assert run.record["workers"] == (gone_on or begun)
    folders = sorted(tmp_path.iterdir())
    assert len({results(folder)["model.pt"] for folder in folders}) == 1


def program(folder: Path, data: Path) -> list[str]:
    """Return a command that runs with two processes."""
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # it may be ignored from outside
        "from schedulers import Tiny; from alphamed_tutorials.engines.local import run_local\n"
        f"run_local(Tiny(max_rounds=2000), {str(data)!r}, {str(folder)!r}, num_workers=2)"
    )
    return [sys.executable, "-c", code]


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with the one that started it")
def test_no_process_outlives_the_run(data, tmp_path, sign):
    path = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    with subprocess.Popen(
        program(tmp_path / "run", data), env=os.environ | {"PYTHONPATH": path}, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        deadline = time.monotonic() + 60
        while not (tmp_path / "run" / "checkpoint.pt").exists():
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.01)
        os.kill(process.pid, sign)
        process.wait(20)
    while group(process.pid):
        assert time.monotonic() < deadline, "a process that trains is still there"
        time.sleep(0.05)
    done = Run.open(tmp_path / "run").record["rounds_done"]
    assert resume_local(tmp_path / "run", {"max_rounds": done + 1}).record["rounds_done"] == done + 1


def group(number: int) -> list[str]:
    """Return the living processes of a group."""
    found = subprocess.run(["ps", "-e", "-o", "pgid=,stat="], capture_output=True, text=True).stdout
    return [line for line in found.splitlines() if re.match(rf" *{number} +[^Z]", line)]


class Looking(Tiny):
    def train_an_epoch(self):
        breakpoint()


def test_a_debugger_is_told_to_ask_for_one_process(data, tmp_path, monkeypatch):
    with pytest.raises(NodeFailed, match=r"breakpoint\(\) needs the terminal.*--workers 1"):
        run_local(Looking(), data, tmp_path / "run", num_workers=2)
    monkeypatch.setenv("PYTHONBREAKPOINT", "0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run_local(Looking(max_rounds=1), data, tmp_path / "off", num_workers=2)


def test_sums_that_overflow_are_blamed_on_the_node_that_makes_them_too_large(data, tmp_path):
    class Counting(Tiny):
        def build_model(self):
            model = super().build_model()
            model.register_buffer("count", torch.zeros(1, dtype=torch.int16))
            return model

        def train_an_epoch(self):
            super().train_an_epoch()
            self.model.count += 10_000

    for num_workers in (1, 2):
        with pytest.raises(NodeFailed, match="(?s)node4 failed in round 1.*int16.*add up to 40000") as caught:
            run_local(Counting(), data, tmp_path / str(num_workers), num_workers=num_workers)
        assert caught.value.node == "node4"


def test_nodes_are_dealt_out_by_the_size_of_their_data_and_keep_their_order(tmp_path):
    folders = {}
    for name, size in {"a": 10, "b": 90, "c": 40, "d": 50, "e": 0}.items():
        folders[name] = str(tmp_path / name)
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_bytes(b"x" * size)
    assert dealt(folders, 2) == [["a", "b"], ["c", "d", "e"]]
    assert dealt(folders, 9) == [["b"], ["d"], ["c"], ["a"], ["e"]]


def test_as_many_processes_help_as_there_are_cores_nodes_and_memory(monkeypatch):
    monkeypatch.setattr(crew, "cores", lambda: 8)
    monkeypatch.setattr(crew, "available_memory", lambda: 64 * 2**30)
    assert [workers_that_help(*each) for each in ((3, 1), (50, 1), (50, 4), (50, 16))] == [3, 8, 2, 1]
    monkeypatch.setattr(crew, "available_memory", lambda: 5 * 2**30)
    assert workers_that_help(50, 1) == 2
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert workers_that_help(50, 1) == 1


class TestSample:
    def trained(self, folder: Path) -> list[set[str]]:
        """Return by round which data owners trained."""
        events = [json.loads(line) for line in (folder / "events.jsonl").open()]
        numbers = sorted({event["round"] for event in events if event["event"] == "trained"})
        return [{e["node"] for e in events if e["event"] == "trained" and e["round"] == n} for n in numbers]

    def test_a_share_trains_in_each_round_and_resume_draws_the_same(self, data, tmp_path):
        def interrupt(event):
            if event["event"] == "round_done" and event["round"] == 3:
                raise KeyboardInterrupt

        whole = run_local(Drawing(max_rounds=8), data, tmp_path / "whole", sample=0.4)
        with pytest.raises(KeyboardInterrupt):
            run_local(Drawing(max_rounds=8), data, tmp_path / "cut", sample=0.4, num_workers=2, on_event=interrupt)
        resume_local(tmp_path / "cut")
        assert results(tmp_path / "cut") == results(whole.path)
        trained = self.trained(whole.path)
        assert {len(names) for names in trained} == {2} and len(trained) == 8
        assert set.union(*trained) == set(OWNERS) and len(set(map(frozenset, trained))) > 3
        assert len(list((whole.path / "states").iterdir())) == len(OWNERS)

    def test_the_average_is_that_of_those_who_trained(self, data, tmp_path):
        class One(Tiny):
            def train_an_epoch(self):
                super().train_an_epoch()
                with torch.no_grad():
                    self.model[0].weight.fill_(int(self.node[4:]))

        run = run_local(One(max_rounds=1), data, tmp_path / "run", sample=0.5)
        (names,) = self.trained(run.path)
        assert len(names) == 2
        expected = sum(int(name[4:]) for name in names) / 2
        assert torch.load(run.path / "model.pt")["0.weight"].eq(expected).all()

    @pytest.mark.parametrize("wrong", [{"sample": 0}, {"sample": 1.5}, {"sample": float("nan")}, {"num_workers": 0}])
    def test_numbers_that_make_no_sense_are_refused_before_anything_is_written(self, data, tmp_path, wrong):
        with pytest.raises(WrongUse, match="makes no sense|cannot train"):
            run_local(Tiny(), data, tmp_path / "run", **wrong)
        assert not (tmp_path / "run").exists()


def test_code_that_stops_for_a_debugger_runs_in_this_process_if_nothing_else_is_asked(tmp_path, monkeypatch):
    monkeypatch.setattr("alphamed_tutorials.engines.local.workers_that_help", lambda *_: 2)
    write_data(tmp_path / "data", **OWNERS)
    task = tmp_path / "task.py"

    def workers(line, **more):
        task.write_text(f"from schedulers import Tiny\n\n\nclass Task(Tiny):\n    pass\n\n\n{line}\n")
        run = run_target(
            task, tmp_path / "data", num_rounds=1, out=tmp_path / f"run-{len(list(tmp_path.iterdir()))}", **more
        )
        return run.record["workers"]

    assert workers("# breakpoint() here?", num_workers=None) == 2
    assert workers("def look(): breakpoint()", num_workers=None) == 1
    assert workers("def look(): pdb.set_trace()", num_workers=None) == 1
    assert workers("def look(): breakpoint()", num_workers=3) == 3


class Filling(Tiny):
    def train_an_epoch(self):
        if self.node == "node3":
            raise OSError(28, "No space left on device", "/there/file")
        super().train_an_epoch()


def test_what_the_machine_refuses_a_nodes_code_is_explained(data, tmp_path):
    for num_workers in (1, 2):
        with pytest.raises(NodeFailed, match="(?s)node3 failed.*No space left.*make room"):
            run_local(Filling(), data, tmp_path / str(num_workers), num_workers=num_workers)
