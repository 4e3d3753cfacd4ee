"""What nodes carry on leaves memory between their turns only where it comes back as it was."""

import threading
from pathlib import Path

import pytest
import torch
from schedulers import Drawing, Tiny, read_samples, write_data
from torch import nn
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader, Dataset

from alphamed_tutorials.engines import checkpoint
from alphamed_tutorials.engines.local import resume_local, run_local
from alphamed_tutorials.engines.node import Node
from alphamed_tutorials.faults import CannotWrite
from alphamed_tutorials.runs.folder import Run, RunError


@pytest.fixture
def data(tmp_path) -> Path:
    """Return a prepared data folder with two data owners."""
    return write_data(tmp_path / "data", node1=8, node2=12)


@pytest.fixture
def left(monkeypatch) -> set[str]:
    """Return the nodes whose state left memory, as far as a run has come."""
    found: set[str] = set()
    leave = Node._leave
    monkeypatch.setattr(Node, "_leave", lambda node: (found.add(node.name), leave(node)))
    return found


def always_awake(monkeypatch) -> None:
    """Let everything stay in memory, as on AlphaMed."""
    monkeypatch.setattr(Node, "_leave", lambda node: None)


class Level:
    """How hard the samples are; it rises while a node trains."""

    def __init__(self):
        self.value = 0.0


class Harder(Dataset):
    def __init__(self, samples, level):
        self.samples, self.transform = samples, Transform(level)

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        inputs, label = self.samples[index]
        return self.transform(inputs), label


class Transform:
    def __init__(self, level):
        self.level = level

    def __call__(self, inputs):
        return inputs * (1 + self.level.value)


class SharedWithTheData(Tiny):
    """A curriculum: the scheduler raises a level that the data set's transform reads."""

    def build_train_dataloader(self):
        self.level = Level()
        return DataLoader(Harder(read_samples(self.data_dir), self.level), batch_size=4)

    def train_an_epoch(self):
        super().train_an_epoch()
        self.level.value += 1


class HookOnATensor(Tiny):
    def build_model(self):
        model = super().build_model()
        model[0].weight.register_hook(lambda gradient: gradient.clamp(-0.01, 0.01))
        return model


class HookOnAnOptimizer(Tiny):
    def build_optimizer(self, model):
        optimizer = super().build_optimizer(model)
        optimizer.register_step_post_hook(lambda *_: model[0].weight.data.clamp_(-0.3, 0.3))
        return optimizer


class Forgetful:
    """Counts, and leaves that out when it is pickled."""

    def __init__(self):
        self.count = 0

    def __getstate__(self):
        return {"count": 0}


class PickledInItsOwnWay(Tiny):
    def __init__(self, **settings):
        super().__init__(**settings)
        self.forgetful = Forgetful()

    def train_an_epoch(self):
        super().train_an_epoch()
        self.forgetful.count += 1
        self.log("count", self.forgetful.count)


class HeldByALock(Tiny):
    """What cannot be pickled holds what can."""

    def build_model(self):
        self.lock, self.counts = threading.Lock(), [0]
        self.guarded = (self.lock, self.counts)
        return super().build_model()

    def train_an_epoch(self):
        super().train_an_epoch()
        self.guarded[1][0] += 1
        self.log("count", self.counts[0])


STAY = [SharedWithTheData, HookOnATensor, HookOnAnOptimizer, PickledInItsOwnWay, HeldByALock]


@pytest.mark.parametrize("task", STAY)
def test_what_would_not_come_back_as_it_was_stays(data, tmp_path, monkeypatch, left, task):
    run = run_local(task(), data, tmp_path / "run")
    assert not left
    always_awake(monkeypatch)
    expected = run_local(task(), data, tmp_path / "expected")
    assert (run.path / "metrics.csv").read_bytes() == (expected.path / "metrics.csv").read_bytes()
    assert (run.path / "model.pt").read_bytes() == (expected.path / "model.pt").read_bytes()


def test_a_global_of_the_started_script_stays_one(data, tmp_path, left):
    counts = {"steps": 0}

    class Net(nn.Linear):
        def forward(self, inputs):
            steps["steps"] += 1  # noqa: F821
            return super().forward(inputs)

    Net.forward.__globals__["steps"] = counts

    class OfAScript(Tiny):
        def build_model(self):
            return Net(4, 2)

    run_local(OfAScript(), data, tmp_path / "run")
    assert not left


class Scheduled(Drawing):
    """With momentum, a schedule by a function, and a generator that the loader shares."""

    def build_optimizer(self, model):
        optimizer = super().build_optimizer(model)
        self.schedule = LambdaLR(optimizer, lambda epoch: 0.9**epoch)
        return optimizer

    def build_train_dataloader(self):
        self.generator = torch.Generator().manual_seed(3)
        return DataLoader(read_samples(self.data_dir), batch_size=4, shuffle=True, generator=self.generator)

    def train_an_epoch(self):
        self.log("own draw", torch.rand((), generator=self.generator).item())
        super().train_an_epoch()
        self.schedule.step()


class Adam(Drawing):
    def build_optimizer(self, model):
        return torch.optim.Adam(model.parameters(), amsgrad=True)


class LBFGS(Drawing):
    """An optimizer with attributes of its own."""

    def build_optimizer(self, model):
        return torch.optim.LBFGS(model.parameters(), max_iter=2)

    def train_an_epoch(self):
        self.model.train()
        for inputs, labels in self.train_loader:

            def closure(inputs=inputs, labels=labels):
                self.optimizer.zero_grad()
                loss = self.loss(inputs, labels)
                loss.backward()
                return loss

            self.optimizer.step(closure)


@pytest.mark.parametrize("task", [Drawing, Scheduled, Adam, LBFGS])
def test_what_leaves_comes_back_as_it_was(data, tmp_path, monkeypatch, left, task):
    run = run_local(task(), data, tmp_path / "run")
    assert left == {"node1", "node2"}
    always_awake(monkeypatch)
    expected = run_local(task(), data, tmp_path / "expected")
    for name in ("metrics.csv", "model.pt"):
        assert (run.path / name).read_bytes() == (expected.path / name).read_bytes(), name


def test_an_optimizer_with_attributes_of_its_own_is_resumed(data, tmp_path):
    def interrupt(event):
        if event["event"] == "round_done" and event["round"] == 1:
            raise KeyboardInterrupt

    expected = run_local(LBFGS(), data, tmp_path / "expected")
    with pytest.raises(KeyboardInterrupt):
        run_local(LBFGS(), data, tmp_path / "run", on_event=interrupt)
    assert (resume_local(tmp_path / "run").path / "model.pt").read_bytes() == (expected.path / "model.pt").read_bytes()


@pytest.mark.parametrize("task", [HookOnATensor, HookOnAnOptimizer])
def test_hooks_that_a_checkpoint_would_lose_are_told_before_round_1(data, tmp_path, task):
    events = []
    run = run_local(task(), data, tmp_path / "run", on_event=events.append)
    told = [event["text"] for event in events if event["event"] == "warning"]
    assert any("hooks" in text and "this run cannot be resumed" in text for text in told)
    assert [event["event"] for event in events].index("warning") < [e["event"] for e in events].index("round_started")
    run.update(state="interrupted")
    with pytest.raises(RunError, match="checkpoint.pt is missing .*hooks"):
        resume_local(run.path)


def test_a_full_disk_while_a_node_goes_to_rest_is_no_fault_of_the_node(data, tmp_path, monkeypatch):
    def full(path, content, write=checkpoint.write_to):
        if path.name == "node2-2.pt":
            raise OSError(28, "No space left on device", str(path))
        write(path, content)

    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "write_to", full)
        with pytest.raises(CannotWrite, match="cannot be written .*playground resume"):
            run_local(Drawing(), data, tmp_path / "run")
    assert Run.open(tmp_path / "run").record["rounds_done"] == 1
    resumed, whole = resume_local(tmp_path / "run"), run_local(Drawing(), data, tmp_path / "whole")
    assert (resumed.path / "model.pt").read_bytes() == (whole.path / "model.pt").read_bytes()
