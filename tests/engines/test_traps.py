"""What goes wrong without an error gets one line of warning, and what is right gets none."""

import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from schedulers import Tiny, write_data
from torch.nn.modules.module import _global_forward_pre_hooks
from torch.optim import LBFGS, SGD
from torch.optim.optimizer import _global_optimizer_pre_hooks

from alphamed_tutorials.command.progress import RunProgress
from alphamed_tutorials.engines import task as engine
from alphamed_tutorials.engines.local import run_local


@pytest.fixture
def data(tmp_path) -> Path:
    """Return a prepared data folder with two data owners, of two and three batches."""
    return write_data(tmp_path / "data", node1=8, node2=12)


def warnings(run) -> list[tuple[str, str]]:
    """Return node and text of each warning."""
    events = [json.loads(line) for line in (run.path / "events.jsonl").read_text().splitlines()]
    return [(event["node"], event["text"]) for event in events if event["event"] == "warning"]


class Uncleared(Tiny):
    def train_an_epoch(self):
        self.model.train()
        for inputs, labels in self.train_loader:
            self.loss(inputs, labels).backward()
            self.optimizer.step()


class ClearedByModel(Tiny):
    def train_an_epoch(self):
        self.model.train()
        for inputs, labels in self.train_loader:
            self.model.zero_grad(set_to_none=False)
            self.loss(inputs, labels).backward()
            self.optimizer.step()


class ClearedByHand(Tiny):
    def train_an_epoch(self):
        self.model.train()
        for inputs, labels in self.train_loader:
            self.loss(inputs, labels).backward()
            self.optimizer.step()
            for parameter in self.model.parameters():
                parameter.grad = None


class Accumulating(Tiny):
    def train_an_epoch(self):
        self.model.train()
        for _ in range(3):
            self.optimizer.zero_grad(set_to_none=False)
            for inputs, labels in self.train_loader:
                self.loss(inputs, labels).backward()
            self.optimizer.step()


class Adversaries(Tiny):
    """Two optimizers, where the second one's backward pass adds to the first one's gradients, as in a GAN."""

    def build_optimizer(self, model):
        self.other = SGD(model[0].parameters(), lr=0.1)
        return SGD(model[3].parameters(), lr=0.1)

    def train_an_epoch(self):
        self.model.train()
        for inputs, labels in self.train_loader:
            for optimizer in (self.optimizer, self.other):
                optimizer.zero_grad()
                self.loss(inputs, labels).backward()
                optimizer.step()


class WithClosure(Tiny):
    def build_optimizer(self, model):
        return LBFGS(model.parameters(), lr=0.01, max_iter=3)

    def train_an_epoch(self):
        self.model.train()
        for inputs, labels in self.train_loader:

            def closure(inputs=inputs, labels=labels):
                self.optimizer.zero_grad()
                loss = self.loss(inputs, labels)
                loss.backward()
                return loss

            self.optimizer.step(closure)


class NeverStepped(Tiny):
    def train_an_epoch(self):
        for inputs, labels in self.train_loader:
            self.loss(inputs, labels).backward()


class TrainedInEvalMode(Tiny):
    def train_an_epoch(self):
        self.model.eval()
        for inputs, labels in self.train_loader:
            self.optimizer.zero_grad()
            self.loss(inputs, labels).backward()
            self.optimizer.step()


class InTrainMode(Tiny):
    @torch.no_grad()
    def run_test(self):
        self.model.train()
        self.log("test/loss", sum(F.cross_entropy(self.model(x), y).item() for x, y in self.test_loader))


class BackToTrainMode(Tiny):
    def run_test(self):
        super().run_test()
        self.model.train()


class Silent(Tiny):
    def log(self, name, value):
        pass


OWNERS = ["node1", "node2"]


@pytest.mark.parametrize(
    ("task", "nodes", "text"),
    [
        (Uncleared, OWNERS, "gradients are never cleared"),
        (NeverStepped, OWNERS, "optimizer.step() was never called"),
        (TrainedInEvalMode, OWNERS, "in eval mode while it trains"),
        (InTrainMode, ["aggregator"], "in train mode while run_test() uses it"),
        (Silent, ["aggregator"], "no metric was written"),
    ],
)
def test_trap_is_told_once_of_each_node(data, tmp_path, task, nodes, text):
    run = run_local(task(), data, tmp_path / "run")
    found = warnings(run)
    assert [node for node, _ in found] == nodes and all(text in told for _, told in found)
    for name in ("aggregator", *OWNERS):
        log = (run.path / "logs" / f"{name}.log").read_text()
        assert log.count(text) == (name in nodes)


RIGHT = [Tiny, ClearedByModel, ClearedByHand, Accumulating, Adversaries, WithClosure, BackToTrainMode]


@pytest.mark.parametrize("task", RIGHT)
def test_what_is_right_gets_no_warning(data, tmp_path, task):
    assert warnings(run_local(task(involve_aggregator=True), data, tmp_path / "run")) == []


def test_involved_aggregator_that_stays_in_the_mode_of_its_test(data, tmp_path):
    class Stuck(Tiny):
        def train_an_epoch(self):
            for inputs, labels in self.train_loader:
                self.optimizer.zero_grad()
                self.loss(inputs, labels).backward()
                self.optimizer.step()

    run = run_local(Stuck(involve_aggregator=True), data, tmp_path / "run")
    assert [node for node, text in warnings(run) if "in eval mode while it trains" in text] == ["aggregator"]


@pytest.mark.parametrize("task", [Tiny, Uncleared, InTrainMode])
def test_watching_changes_no_bit(data, tmp_path, monkeypatch, task):
    class Blind(engine.Watch):
        optimizer = "unwatched"

        def traps(self):
            return iter(())

    watched = run_local(task(), data, tmp_path / "watched")
    monkeypatch.setattr(engine, "TrainingWatch", Blind)
    monkeypatch.setattr(engine, "TestWatch", Blind)
    unwatched = run_local(task(), data, tmp_path / "unwatched")
    assert (watched.path / "model.pt").read_bytes() == (unwatched.path / "model.pt").read_bytes()
    assert watched.rows == unwatched.rows


def test_no_hook_outlives_a_failure(data, tmp_path):
    class Failing(Tiny):
        def run_test(self):
            raise ValueError

    before = _hooks()
    with pytest.raises(Exception, match="ValueError"):
        run_local(Failing(involve_aggregator=True), data, tmp_path / "run")
    assert _hooks() == before


def _hooks() -> tuple[int, int]:
    return len(_global_forward_pre_hooks), len(_global_optimizer_pre_hooks)


def test_metric_that_example_toml_names_and_nobody_writes(data, tmp_path):
    folder = tmp_path / "my_folder"
    folder.mkdir()
    (folder / "scheduler.py").write_text("")
    text = '[title]\nzh = "a"\nen = "a"\n[data]\nname = "a"\n'
    for name in ("test/correct", "test/accuracy"):
        text += f'[[metric]]\nname = "{name}"\nzh = "a"\nen = "a"\n'
    (folder / "example.toml").write_text(text)
    run = run_local(Tiny(), data, tmp_path / "run", target=str(folder))
    assert [(node, "test/accuracy" in text) for node, text in warnings(run)] == [("aggregator", True)]


def test_command_line_shows_a_warning_once(capsys):
    progress = RunProgress(3)
    for node in OWNERS:
        progress({"event": "warning", "node": node, "text": "gradients"})
    assert capsys.readouterr().err.count("gradients") == 1
