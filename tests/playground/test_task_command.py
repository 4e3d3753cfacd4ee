"""`playground task …` as the operators of three nodes meet it, from the form to the model."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

TASK = '''"""A task that learns a mean."""

from pathlib import Path

import torch
from alphafed.fed_avg import FedAvgScheduler
from torch.utils.data import DataLoader


class Mean(FedAvgScheduler):
    """Learn the mean of numbers.

    Args:
        learning_rate: The size of a step.
    """

    data_dir = "/data/mean"

    def __init__(self, max_rounds: int = 2, learning_rate: float = 0.1):
        super().__init__(max_rounds=max_rounds, log_rounds=1)
        self.learning_rate = learning_rate

    def build_model(self):
        return torch.nn.Linear(1, 1)

    def build_optimizer(self, model):
        return torch.optim.SGD(model.parameters(), lr=self.learning_rate)

    def build_train_dataloader(self):
        numbers = [float(text) for text in (Path(self.data_dir) / "numbers.txt").read_text().split()]
        return DataLoader(torch.tensor(numbers)[:, None], batch_size=2)

    build_test_dataloader = build_train_dataloader

    def train_an_epoch(self):
        for batch in self.train_loader:
            self.optimizer.zero_grad()
            self.model(batch).sub(batch).square().mean().backward()
            self.optimizer.step()

    def run_test(self):
        with torch.no_grad():
            batch = next(iter(self.test_loader))
            loss = self.model(batch).sub(batch).square().mean().item()
        self.tb_writer.add_scalar("loss", loss, self.current_round)


class DatasetVerify:
    """Look for the numbers."""

    data_dir = "/data/mean"

    def __init__(self, task_id, current_node):
        self.current_node = current_node

    def verify_data(self):
        if not (Path(self.data_dir) / "numbers.txt").exists():
            return False, "numbers.txt is missing"
        return True, "numbers.txt is there"
'''


class Finished(NamedTuple):
    """What a command left."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The object that it printed."""
        return dict(json.loads(self.out))


class Served:
    """`playground serve` in a folder, and commands beside it."""

    def __init__(self, folder: Path):
        self.folder, self.nodes = folder, folder / "playground"

    def __call__(self, *words: str, node: str = "") -> Finished:
        """Run a command, as the operator of a node."""
        environment = os.environ | ({"PLAYGROUND_NODE": str(self.nodes / node)} if node else {})
        done = subprocess.run(
            command(*words), cwd=self.folder, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    def join(self, task: str) -> None:
        """Let node1 verify its data and join, all code approved."""
        for verb, kind in (("verify", "verify"), ("join", "train")):
            sha256 = self("task", "code", task, "--kind", kind, "--json", node="node1").json["sha256"]
            assert self("task", verb, task, "--approve", sha256, node="node1").code == 0


def command(*words: str) -> list[str]:
    """Return a command line of ours."""
    return [sys.executable, "-c", "from alphamed_tutorials.command import main; main()", *words]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A whole playground with the nodes aggregator, node1 and node2, and a task's file beside it."""
    folder = tmp_path_factory.mktemp("reader")
    for name, numbers in {"aggregator": "1 2", "node1": "1 3 5 7", "node2": ""}.items():
        (folder / "data" / name).mkdir(parents=True)
        if numbers:
            (folder / "data" / name / "numbers.txt").write_text(numbers)
    (folder / "mean.py").write_text(TASK)
    with subprocess.Popen(command("serve", "--data", "data", "--json"), cwd=folder, stdout=subprocess.PIPE) as server:
        assert server.stdout
        with contextlib.closing(server.stdout):
            announced = json.loads(server.stdout.readline())
            assert set(announced["nodes"]) == {"aggregator", "node1", "node2"}
            yield Served(folder)
            server.terminate()


@pytest.mark.slow
def test_a_task_from_the_form_to_the_model(played: Served) -> None:
    created = played(
        "task", "create", "mean.py", "--nodes", "node1,node2", "--rounds", "3", "--set", "learning_rate=0.05", "--json",
        node="aggregator",
    )  # fmt: skip
    assert created.code == 0, created.err
    task = created.json["id"]
    assert created.json["state"] == "verifying" and created.json["settings"]["rounds"] == 3
    early = played("task", "start", "mean", node="aggregator")
    assert early.code == 1 and "node1 has not verified its data" in early.err and "Traceback" not in early.err

    unseen = played("task", "verify", "mean", node="node1")
    assert unseen.code == 2 and "nobody has approved" in unseen.err and "--approve" in unseen.err
    wrong = played("task", "verify", "mean", "--approve", "0123456789", node="node1")
    assert wrong.code == 2 and "is not 0123456789" in wrong.err

    for node in ("node1", "node2"):
        shown = played("task", "code", task[:8], "--kind", "verify", node=node)
        assert "numbers.txt is missing" in shown.out, shown
        sha256 = played("task", "code", "mean", "--kind", "verify", "--json", node=node).json["sha256"]
        verified = played("task", "verify", "mean", "--approve", sha256[:12], "--json", node=node)
        if node == "node2":
            assert verified.code == 1 and verified.json["error"].endswith("numbers.txt is missing")
            (played.folder / "data" / "node2" / "numbers.txt").write_text("2 4")
            assert played("task", "verify", "mean", node=node).code == 0, "approved before"
        else:
            assert verified.code == 0 and verified.json["ok"], verified
        files = played("task", "code", "mean", "--json", node=node).json
        assert {"entry.pickle", "mean.py"} <= {file["name"] for file in files["files"]}
        joined = played("task", "join", "mean", "--approve", files["sha256"], "--json", node=node)
        assert joined.code == 0 and joined.json["me"]["state"] == "joined", joined
    finished = played("task", "start", "mean", "--wait", "--json", node="aggregator")
    assert finished.code == 0 and finished.json["state"] == "finished", finished.err

    values = played("task", "metrics", "mean", "--csv", "metrics.csv", "--json", node="aggregator").json["metrics"]
    assert [(row["round"], row["name"]) for row in values] == [(1, "loss"), (2, "loss"), (3, "loss")]
    assert (played.folder / "metrics.csv").read_text().startswith("round,node,name,value\n1,aggregator,loss,")
    assert played("task", "model", "mean", "--json", node="node2").json["bytes"] > 0
    assert played("task", "model", "mean", node="node2").code == 2, "what is there stays as it is"
    exported = played("task", "model", "mean", "--form", "torchscript", "--json", node="node2").json
    assert exported["file"] == "model.ts"
    assert exported["bytes"] > 0
    assert played("task", "report", "mean", node="node1").code == 0
    assert "Local context is ready" in played("task", "log", "mean", node="node1").out
    audited = played("audit", "mean", node="node2")
    assert audited.code == 0 and "started attempt 1" in audited.out and "sound" in audited.err
    listed = played("task", "list", "--search", "mean", "--json", node="node2").json["tasks"]
    assert [each["id"] for each in listed] == [task]
    assert "finished" in played("task", "show", "mean", node="node1").out
    foreign = played("task", "delete", "mean", node="node1")
    assert foreign.code == 1 and "only the task's initiator" in foreign.err
    assert played("task", "delete", "mean", node="aggregator").code == 0
    assert played("task", "show", "mean", node="aggregator").code == 2
    assert played("audit", task, node="node2").code == 0, "the log stays"


@pytest.mark.slow
def test_a_failed_task_takes_new_code_and_starts_again(played: Served) -> None:
    broken = TASK.replace("def run_test(self):", "def run_test(self):\n        raise KeyError('loss')")
    (played.folder / "broken.py").write_text(broken)
    create = ["task", "create", "broken.py", "--nodes", "node1", "--rounds", "1", "--name", "mended", "--json"]
    created = played(*create, node="aggregator")
    assert created.code == 0, created.err

    played.join("mended")
    failed = played("task", "start", "mended", "--wait", node="aggregator")
    assert failed.code == 1 and "broken.py" in failed.err and "KeyError" in failed.err, failed.err
    (played.folder / "broken.py").write_text(TASK)
    updated = played("task", "update", "mended", "broken.py", "--json", node="aggregator")
    assert updated.code == 0 and updated.json["state"] == "verifying", updated.err
    early = played("task", "start", "mended", node="aggregator")
    assert early.code == 1 and "node1 has not" in early.err
    played.join("mended")  # the class DatasetVerify stands in the same file, which has changed
    finished = played("task", "start", "mended", "--wait", "--json", node="aggregator")
    assert finished.code == 0 and finished.json["state"] == "finished" and finished.json["attempt"] == 2, finished.err


OWN_WAY = '''

class OwnWay(Mean):
    """Has messages of its own, as far as anybody can tell."""

    def _run_as_data_owner(self):
        self.push_log("by a way of its own")
        super()._run_as_data_owner()
'''


@pytest.mark.slow
def test_what_run_refuses_runs_as_a_task_of_nodes(played: Served) -> None:
    (played.folder / "own_way.py").write_text(TASK + OWN_WAY)
    refused = played("run", "own_way.py", "--data", "data")
    assert refused.code == 2 and "`playground task create` gives it to nodes" in " ".join(refused.err.split()), refused
    created = played("task", "create", "own_way.py", "--nodes", "node1", "--rounds", "1", node="aggregator")
    assert created.code == 0, created.err
    played.join("own_way")
    finished = played("task", "start", "own_way", "--wait", "--json", node="aggregator")
    assert finished.code == 0 and finished.json["state"] == "finished", finished.err
    assert "by a way of its own" in played("task", "log", "own_way", node="node1").out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("task list --node .", "is no node's folder"),
        ("task show nothing", "has no task nothing"),
        ("task create mean.py --nodes strange", "no node is called strange"),
        ("task create mean.py --nodes node1 --set size=1", "has no argument size"),
        ("hub invite node1 --dir playground/hub", "is admitted already"),
        ("hub invite x --dir .", "is no hub's folder"),
        ("node --dir new", "give --hub, --invitation and --data"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(played: Served, words: str, said: str) -> None:
    finished = played(*words.split(), node="aggregator")
    assert finished.code == 2 and said in finished.err and "Traceback" not in finished.err, finished
