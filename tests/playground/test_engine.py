"""`--engine playground`: the whole life of a task over hub, agents and children, with the local engine's parameters."""

import json
from pathlib import Path

import pytest
from schedulers import write_data

from alphamed_tutorials.engines.failures import NodeFailed
from alphamed_tutorials.engines.run import run
from alphamed_tutorials.errors import WrongUse
from alphamed_tutorials.runs.folder import Run

OWN = """
from pathlib import Path

import torch
from alphafed.fed_avg import FedAvgScheduler
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Own(FedAvgScheduler):
    data_dir = "/data/own"

    def __init__(self, max_rounds=2, failing_round=0):
        super().__init__(max_rounds=max_rounds, log_rounds=1)
        self.failing_round = failing_round

    def build_model(self):
        return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.2), nn.Linear(8, 2))

    def build_optimizer(self, model):
        return torch.optim.Adam(model.parameters(), lr=0.01)

    def build_train_dataloader(self):
        return DataLoader(TensorDataset(*torch.load(Path(self.data_dir) / "samples.pt")), batch_size=4, shuffle=True)

    build_test_dataloader = build_train_dataloader

    def train_an_epoch(self):
        self.model.train()
        if self.current_round == self.failing_round and self.data_dir.endswith("node2"):
            raise ValueError("as it was told")
        for inputs, labels in self.train_loader:
            self.optimizer.zero_grad()
            loss = nn.functional.cross_entropy(self.model(inputs), labels)
            loss.backward()
            self.optimizer.step()
            self.tb_writer.add_scalar("train/loss", loss.item(), self.current_round)

    def run_test(self):
        self.model.eval()
        correct = sum((self.model(x).argmax(1) == y).sum().item() for x, y in self.test_loader)
        self.tb_writer.add_scalar("test/correct", correct, self.current_round)
"""
VERIFY = """

class DatasetVerify:
    data_dir = "/data/own"

    def __init__(self, task_id, current_node): ...

    def verify_data(self):
        return not (Path(self.data_dir) / "bad").exists(), "there is something bad"
"""


def events(run: Run) -> list[dict]:
    return [json.loads(line) for line in (run.path / "events.jsonl").read_text().splitlines()]


def assert_same(one: Run, other: Run) -> None:
    """Compare a run of the playground with one of the local engine."""
    assert one.state == other.state == "done"
    assert (one.path / "model.pt").read_bytes() == (other.path / "model.pt").read_bytes()
    assert one.rows == other.rows and one.metrics == other.metrics
    assert one.record["bytes_per_message"] == other.record["bytes_per_message"]
    for name in one.record["nodes"]:
        assert (one.path / "logs" / f"{name}.log").exists()
        assert list((one.path / "nodes" / name).rglob("events.out.*"))
    assert json.loads((one.path / "audit.json").read_text())["is_sound"]
    assert {event["event"] for event in events(one)} >= {event["event"] for event in events(other)}
    assert not (one.path / "playground").exists()


@pytest.fixture
def own(tmp_path) -> Path:
    """Return a file of one's own, beside a folder of data."""
    write_data(tmp_path / "data", node1=8, node2=12)
    file = tmp_path / "own_task.py"
    file.write_text(OWN)
    return file


@pytest.mark.slow
def test_an_example_by_the_command(playground, tmp_path):
    options = "run mnist --nodes 2 --rounds 2 --seed 1 --json"
    local = playground(*options.split(), "--out", "local")
    there = playground(*options.split(), "--out", "there", "--engine", "playground")
    assert there.code == 0, there.err
    assert_same(Run.open(tmp_path / "there"), Run.open(tmp_path / "local"))
    assert there.json["metrics"] == local.json["metrics"]
    assert "round 2/2: " in there.err


@pytest.mark.slow
def test_a_file_of_ones_own(own, tmp_path):
    local, there = (run(own, tmp_path / "data", out=tmp_path / name, engine=name) for name in ("local", "playground"))
    assert_same(there, local)


@pytest.mark.slow
def test_a_failure_names_node_round_and_line(own, tmp_path):
    with pytest.raises(NodeFailed, match="node2 failed in round 2: own_task.py, line 31, in train_an_epoch") as failed:
        run(own, tmp_path / "data", settings={"failing_round": 2}, out=tmp_path / "run", engine="playground")
    assert (failed.value.node, failed.value.round, failed.value.line) == ("node2", 2, 31)
    record = Run.open(tmp_path / "run").record
    assert record["state"] == "failed" and record["rounds_done"] == 1
    assert record["failure"]["error"] == "ValueError: as it was told"


@pytest.mark.slow
def test_data_that_are_refused_are_named(own, tmp_path):
    own.write_text(OWN + VERIFY)
    (tmp_path / "data" / "nodes" / "node2" / "bad").touch()
    with pytest.raises(WrongUse, match="^the data verification refused\nnode2: there is something bad$"):
        run(own, tmp_path / "data", out=tmp_path / "run", engine="playground")


def test_an_engine_that_there_is_not_is_refused(tmp_path):
    with pytest.raises(WrongUse, match="there is no engine cloud: take one of local, playground"):
        run("mnist", out=tmp_path / "run", engine="cloud")
    assert not (tmp_path / "run").exists()


@pytest.mark.soak
@pytest.mark.parametrize(
    "name",
    ["mnist", "transfer_learning", "speech_commands", "language_modeling", "object_detection", "breast_cancer"],
)
def test_all_examples(name, tmp_path):
    local, there = (
        run(name, num_rounds=2, seed=1, out=tmp_path / each, engine=each) for each in ("local", "playground")
    )
    assert_same(there, local)
