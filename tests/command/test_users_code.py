"""What the user's own code does to a command: how it ends, what it logs, and what it prints."""

import json
import os
import re
import sys
import textwrap
from pathlib import Path

import pytest
import torch
from schedulers import write_data

from alphamed_tutorials import command as cli
from alphamed_tutorials.runs.folder import Run

FIRST_LINES = """
from schedulers import Tiny
from alphamed_tutorials.data.folders import AGGREGATOR


class DatasetVerify:
    data_dir = "/nowhere"

    def __init__(self, task_id, current_node):
        pass

    def verify_data(self):
        return True, "fine"


class Task(Tiny):
"""


@pytest.fixture
def write_task(tmp_path):
    """Return a function that writes data for two nodes, and a task with these methods and lines put first."""

    def write(methods: str = "pass", first: str = "") -> Path:
        if not (tmp_path / "data").exists():
            write_data(tmp_path / "data", node1=8, node2=8)
        body = textwrap.indent(textwrap.dedent(methods).strip(), "    ")
        (tmp_path / "task.py").write_text(f"{first}{FIRST_LINES}{body}\n")
        return tmp_path / "task.py"

    return write


def strict(text: str) -> dict:
    """Return what strict JSON says."""
    return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


# What it logs

LOGS_MUCH = """
def __init__(self, clip: float = float("inf"), **settings):
    super().__init__(**settings)
    self.clip = clip

def run_test(self):
    import torch
    self.tb_writer.add_scalars("loss", {"train": 1 / self.current_round, "test": float("nan")}, self.current_round)
    self.tb_writer.add_scalar("test/recall/\\x1b[31mred", torch.tensor([[1e-12]]), self.current_round)
    self.tb_writer.add_hparams({"rate": 0.1}, {"hparam/best": float("-inf")})
    self.tb_writer.add_text("said", "hello")
"""


def test_all_numbers_that_are_logged_are_shown_in_strict_json(write_task, playground):
    write_task(LOGS_MUCH)
    said = strict(playground("run", "task.py", "--data", "data", "--rounds", "1", "--out", "run", "--json").out)
    assert said["metrics"].items() >= {"loss/train": 1.0, "loss/test": "NaN", "hparam/best": "-Infinity"}.items()
    resumed = strict(playground("resume", "run", "--set", "max_rounds=2", "--set", "clip=inf", "--json").out)
    assert resumed["state"] == "done" and resumed["metrics"]["loss/train"] == 0.5
    record = strict(Path("run/run.json").read_text())
    assert record["settings"]["clip"] == record["changes"][0]["settings"]["clip"] == "Infinity"
    assert Run.open("run").record["settings"]["clip"] == float("inf")
    assert [strict(line) for line in Path("run/events.jsonl").read_text().splitlines()]
    shown = playground("metrics", "run", "--plot", "metrics.png", "--csv", "metrics.csv")
    assert shown.code == 0 and Path("metrics.png").stat().st_size and "loss/train" in shown.out
    assert "1 more, such as test/recall/\\x1b[31mred, are in run/metrics.csv" in shown.err
    assert strict(playground("metrics", "run", "--json").out)["metrics"]["loss/test"] == "NaN"


@pytest.mark.parametrize(
    ("call", "compared", "shown"),
    [
        ("pass", "they wrote no test metric", "has no metrics yet"),
        ("self.tb_writer.add_scalar('test/recall/yes', 0.5, self.current_round)", "Picture: ", "test/recall/yes"),
    ],
)
def test_no_numbers_or_none_but_details(call, compared, shown, write_task, playground):
    write_task(f"def log(self, name, value):\n    {call}")
    finished = playground("compare", "task.py", "--data", "data", "--rounds", "1", "--out", "out")
    assert finished.code == 0 and compared in finished.err
    finished = playground("metrics", "out/federated", "--plot", "metrics.png")
    assert shown in finished.out + finished.err and finished.code == (0 if Path("metrics.png").exists() else 2)


# How it ends

ENDS = {
    "argparse": "import argparse\nargparse.ArgumentParser().parse_args()\n",
    "exit": "import sys\nsys.exit()\n",
    "text": "pass\nraise SystemExit('enough')\n",
    "own": "class Enough(BaseException): ...\nraise Enough('now')\n",
}


@pytest.mark.parametrize("command", ["run", "run --settings", "verify", "compare", "pack --out upload", "run --json"])
def test_code_that_ends_the_program_is_named(command, write_task, playground):
    file = write_task(first=ENDS["argparse"])
    name, *options = command.split()
    data = [] if name == "pack" else ["--data", "data"]
    finished = playground(name, "task.py", *data, *options)
    shown = " ".join((finished.out + finished.err).split())
    assert finished.code == 1 and "SystemExit: 2" in shown and "usage: playground" not in shown
    assert f"{file.name}, line 2" in shown


@pytest.mark.parametrize("way", ENDS)
def test_each_way_to_end_is_a_failure(way, write_task, playground):
    file = write_task(first=ENDS[way])
    finished = playground("verify", "task.py", "--data", "data")
    assert finished.code == 1 and re.search(f"Error: {file}, line 2: (SystemExit|Enough): ", finished.err)


def test_code_that_ends_the_program_since_the_run(write_task, playground):
    file = write_task()
    assert playground("run", "task.py", "--data", "data", "--rounds", "1", "--out", "run").code == 0
    write_task(first=ENDS["argparse"])
    for command in (["resume", "run", "--set", "max_rounds=2"], ["export", "run"]):
        sys.modules.pop("task", None)
        finished = playground(*command)
        assert finished.code == 1 and f"{file}, line 2: SystemExit" in finished.err
        assert "usage: playground" not in finished.err


# What it prints

PRINTS = """
def train_an_epoch(self):
    import sys
    for percent in range(100):
        print(f"\\r{percent} %", end="", file=sys.stderr)
    print("\\r100 %", file=sys.stderr)
    print("half a ", end="")
    print("line")
    print("unfinished", end="")
    super().train_an_epoch()
"""


def test_a_nodes_prints_carry_its_name_and_bars_are_left_out(write_task, playground):
    write_task(PRINTS)
    finished = playground("run", "task.py", "--data", "data", "--rounds", "1", "--out", "run")
    assert finished.code == 0
    for name in ("node1", "node2"):
        assert f"{name}: half a line\n{name}: unfinished\n" in finished.out
        log = Path(f"run/logs/{name}.log").read_text()
        assert f"INFO {name}: 100 %" in log and f"INFO {name}: half a line" in log and log.count(" %") == 1
    assert "%" not in finished.err + finished.out and "\nround 1/1: " in f"\n{finished.err}"


AROUND_PYTHON = """
import atexit, ctypes, os


class DatasetVerify:
    data_dir = "/nowhere"

    def __init__(self, task_id, current_node):
        atexit.register(print, "at the end")

    def verify_data(self):
        print("from Python")
        os.write(1, b"from the system\\n")
        os.system("echo from a child")
        ctypes.CDLL(None).printf(b"from C\\n")
        return True, "fine"
"""


def test_stdout_is_one_json_object_whatever_is_written_around_python(start, tmp_path):
    (tmp_path / "checks.py").write_text(AROUND_PYTHON)
    (tmp_path / "node").mkdir()
    finished = start("verify", "checks.py", "--data", "node", "--json", cwd=tmp_path)
    assert strict(finished.stdout) == {"nodes": {"node": {"ok": True, "reason": "fine"}}}, finished
    for words in ("from Python", "from the system", "from a child", "from C", "at the end"):
        assert words in finished.stderr


def test_a_reader_that_goes_away_ends_no_run(write_task, playground, monkeypatch):
    write_task("def run_test(self):\n    print('tested', flush=True)\n    super().run_test()")
    streams = []
    for name in ("stdout", "stderr"):
        read_end, write_end = os.pipe()
        os.close(read_end)
        streams.append(os.fdopen(write_end, "w", buffering=1))  # kept, as Python keeps its own
        monkeypatch.setattr(sys, name, streams[-1])
    monkeypatch.setattr(
        sys, "argv", ["playground", "run", "task.py", "--data", "data", "--rounds", "2", "--out", "run"]
    )
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert not stopped.value.code
    assert Run.open("run").state == "done"
    assert torch.load("run/model.pt", weights_only=True)
