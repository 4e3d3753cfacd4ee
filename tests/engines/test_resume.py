"""A run that was stopped, in whatever way, ends as if it had never stopped."""

import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
from schedulers import Drawing, Tiny, read_samples, write_data
from torch.optim import Adam
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset

from alphamed_tutorials.engines import checkpoint
from alphamed_tutorials.engines.failures import NodeFailed
from alphamed_tutorials.engines.local import resume_local, run_local
from alphamed_tutorials.runs.folder import Run, RunError

HERE = Path(__file__).parents[1]


@pytest.fixture
def data(tmp_path):
    """Return a prepared data folder with two data owners of different size."""
    return write_data(tmp_path / "data", node1=8, node2=12)


class WithSchedule(Tiny):
    """Adam, and a learning-rate schedule kept as an attribute."""

    def build_optimizer(self, model):
        optimizer = Adam(model.parameters(), lr=0.05)
        self.schedule = StepLR(optimizer, step_size=1, gamma=0.3)
        return optimizer

    def train_an_epoch(self):
        super().train_an_epoch()
        self.schedule.step()


class OwnGenerator(Tiny):
    """Batches in an order drawn by the loader's own generator."""

    def build_train_dataloader(self):
        generator = torch.Generator().manual_seed(5)
        return DataLoader(read_samples(self.data_dir), batch_size=4, shuffle=True, generator=generator)


class OwnBatchSampler(Tiny):
    """A generator further down, shared with an attribute."""

    def build_train_dataloader(self):
        samples = read_samples(self.data_dir)
        self.generator = torch.Generator().manual_seed(5)
        sampler = BatchSampler(RandomSampler(samples, generator=self.generator), 4, drop_last=False)
        return DataLoader(samples, batch_sampler=sampler)

    def train_an_epoch(self):
        if self.current_round > 1:
            torch.rand(self.current_round, generator=self.generator)
        super().train_an_epoch()


class LateLoader(Tiny):
    """The aggregator builds a second loader with a generator only when it tests."""

    def build_validation_dataloader(self):
        return DataLoader(read_samples(self.data_dir), shuffle=True, generator=torch.Generator().manual_seed(5))

    def run_test(self):
        super().run_test()
        for inputs, _ in self.validation_loader:
            self.log("first", inputs[0, 0].item())
            break


class Augmenting(Tiny):
    """A data set that changes samples by a NumPy generator of its own, and that is also an attribute."""

    class Noisy(TensorDataset):
        def __init__(self, *tensors):
            super().__init__(*tensors)
            self.generator = np.random.default_rng(5)

        def __getitem__(self, index):
            inputs, label = super().__getitem__(index)
            return inputs + torch.from_numpy(self.generator.normal(size=4)).float(), label

    def build_train_dataloader(self):
        self.samples = self.Noisy(*read_samples(self.data_dir).tensors)
        return DataLoader(self.samples, batch_size=4)


class Listed(Tiny):
    """The samples are a list, which has no attributes."""

    def build_train_dataloader(self):
        return DataLoader(list(read_samples(self.data_dir)), batch_size=4, shuffle=True)


class OwnSampler(Tiny):
    """A sampler that is also an attribute, through which it is told the round."""

    class Sampler:
        def __init__(self, size):
            self.size = size

        def __iter__(self):
            return iter(np.random.RandomState(self.epoch).permutation(self.size))

        def __len__(self):
            return self.size

    def build_train_dataloader(self):
        samples = read_samples(self.data_dir)
        self.sampler = self.Sampler(len(samples))
        return DataLoader(samples, batch_size=4, sampler=self.sampler)

    def train_an_epoch(self):
        self.sampler.epoch = self.current_round
        super().train_an_epoch()


class HeadOnly(Tiny):
    """Exchange the last layer only; the rest stays each node's own."""

    def state_dict(self):
        return self.model[3].state_dict()

    def load_state_dict(self, state_dict):
        self.model[3].load_state_dict(state_dict)


class LocalBatchNorm(Tiny):
    """Send everything, but keep the node's own BatchNorm when loading (FedBN)."""

    def load_state_dict(self, state_dict):
        own = {name: value for name, value in self.model.state_dict().items() if name.startswith("1.")}
        self.model.load_state_dict({**state_dict, **own})


class Counting(Drawing):
    """An attribute that changes every round, and metrics logged while the node is set up."""

    def validate_context(self):
        super().validate_context()
        self.log("setting up", 1)

    def train_an_epoch(self):
        self.rounds = getattr(self, "rounds", 0) + 1
        self.log("rounds", self.rounds)
        super().train_an_epoch()


class Trainer:
    """What a scheduler leaves its work to, and what knows the scheduler."""

    def __init__(self, scheduler, net):
        self.scheduler, self.net = scheduler, net

    def step(self, inputs, labels):
        assert self.scheduler.model is self.net and self.scheduler.trainer is self
        self.scheduler.optimizer.zero_grad()
        torch.nn.functional.cross_entropy(self.net(inputs), labels).backward()
        self.scheduler.optimizer.step()
        self.seen = getattr(self, "seen", 0) + len(labels)
        self.writer.add_scalar("seen", self.seen, self.scheduler.current_round)


class BackReference(Tiny):
    """The network lies in an object that refers back to the scheduler, its loader and its writer."""

    def build_model(self):
        self.trainer = Trainer(self, super().build_model())
        return self.trainer.net

    def train_an_epoch(self):
        assert self.trainer.scheduler is self
        self.trainer.loader, self.trainer.writer = self.train_loader, self.tb_writer
        self.model.train()
        for batch in self.trainer.loader:
            self.trainer.step(*batch)


class Weak(BackReference):
    """The same with references that do not keep alive what they refer to."""

    def build_model(self):
        self.trainer = Trainer(weakref.proxy(self), Tiny.build_model(self))
        self.network = weakref.ref(self.trainer.net)
        return self.trainer.net

    def train_an_epoch(self):
        self.trainer.writer = self.tb_writer
        self.model.train()
        assert self.network() is self.model and self.trainer.scheduler.model is self.model
        for batch in self.train_loader:
            self.trainer.step(*batch)


class Bound(Tiny):
    """Functions and hooks that hold the scheduler and what belongs to it."""

    def build_model(self):
        model = super().build_model()
        self.num_calls = 0
        model[0].register_forward_hook(self.count)
        self.loss_of = lambda batch: self.loss(*batch)
        return model

    def build_optimizer(self, model):
        optimizer = super().build_optimizer(model)
        self.step = optimizer.step
        return optimizer

    def count(self, *_):
        self.num_calls += 1

    def train_an_epoch(self):
        self.model.train()
        for batch in self.train_loader:
            self.optimizer.zero_grad()
            self.loss_of(batch).backward()
            self.step()
        self.log("calls", self.num_calls)


class Judging(Tiny):
    """A data set that holds the network and an object that training changes."""

    class Judged(TensorDataset):
        def __getitem__(self, index):
            inputs, label = super().__getitem__(index)
            return inputs * self.course.pace + self.judge[3].bias[0].detach(), label

    class Course:
        pace = 1.0

    def build_train_dataloader(self):
        samples = self.Judged(*read_samples(self.data_dir).tensors)
        samples.judge, samples.course = self.model, self.Course()
        self.course = samples.course
        return DataLoader(samples, batch_size=4)

    def train_an_epoch(self):
        self.course.pace /= 2
        super().train_an_epoch()


class OwnSteps(Tiny):
    """Parameters are changed through other tensors on the same memory."""

    def build_model(self):
        model = super().build_model()
        self.parts = [(parameter, parameter.data.flatten()) for parameter in model.parameters()]
        return model

    def train_an_epoch(self):
        self.optimizer.step()
        for batch in self.train_loader:
            self.loss(*batch).backward()
            for parameter, numbers in self.parts:
                numbers -= 0.1 * parameter.grad.flatten()
                parameter.grad = None


def interrupt(kind, number, node=None):
    """Return a listener that presses Ctrl-C at an event."""

    def listen(event):
        if (event["event"], event.get("round"), event.get("node")) == (kind, number, node):
            raise KeyboardInterrupt

    return listen


def assert_same_end(run: Run, expected: Run):
    assert run.state == expected.state == "done"
    for name in ("model.pt", "metrics.csv"):
        assert (run.path / name).read_bytes() == (expected.path / name).read_bytes(), name
    assert run.rows == expected.rows and run.metrics == expected.metrics
    assert (run.path / "report.zip").exists()


GRAPHS = [BackReference, Weak, Bound, Judging, OwnSteps]
LOADERS = [OwnGenerator, OwnBatchSampler, OwnSampler, LateLoader, Listed, Augmenting]


@pytest.mark.parametrize("task", [Tiny, WithSchedule, *LOADERS, *GRAPHS, HeadOnly, LocalBatchNorm, Counting])
def test_resumed_run_ends_as_an_uninterrupted_one(data, tmp_path, task):
    expected = run_local(task(max_rounds=4), data, tmp_path / "expected")
    with pytest.raises(KeyboardInterrupt):
        run_local(task(max_rounds=4), data, tmp_path / "run", on_event=interrupt("training", 3, "node2"))
    stopped = Run.open(tmp_path / "run")
    assert (stopped.state, stopped.record["rounds_done"]) == ("interrupted", 2)
    with pytest.raises(KeyboardInterrupt):  # once more, in the last round
        resume_local(tmp_path / "run", on_event=interrupt("trained", 4, "node1"))
    assert_same_end(resume_local(tmp_path / "run"), expected)


class Locked(Tiny):
    """The trainer holds what cannot be pickled, and the network."""

    def build_model(self):
        self.trainer = Trainer(self, super().build_model())
        self.trainer.lock = threading.Lock()
        return self.trainer.net


class Mining(Tiny):
    """The data set holds the network, to choose its samples by it."""

    class Chosen(TensorDataset):
        pass

    def build_train_dataloader(self):
        samples = self.Chosen(*read_samples(self.data_dir).tensors)
        samples.judges = [self.model[3]]
        return DataLoader(samples, batch_size=4)


@pytest.mark.parametrize(
    ("task", "reason"),
    [(Locked, "self.trainer cannot be pickled"), (Mining, "self.train_loader is made anew .* holds what is trained")],
)
def test_what_would_come_back_twice_is_told_at_the_start(data, tmp_path, task, reason):
    events, stop = [], interrupt("training", 2, "node1")
    with pytest.raises(KeyboardInterrupt):
        run_local(task(), data, tmp_path / "run", on_event=lambda event: (events.append(event), stop(event)))
    warnings = [
        event["text"] for event in events[: events.index({"event": "round_started", "round": 1})] if "text" in event
    ]
    assert warnings and all(re.match(f"{reason}.*: this run cannot be resumed", text) for text in warnings)
    with pytest.raises(RunError, match=rf"checkpoint.pt is missing \({reason}\): start"):
        resume_local(tmp_path / "run")


class Persistent(Tiny):
    """A worker that stays, and draws, and a second one among the attributes."""

    class Noisy(TensorDataset):
        def __getitem__(self, index):
            inputs, label = super().__getitem__(index)
            return inputs + torch.randn(4), label

    def build_train_dataloader(self):
        samples = self.Noisy(*read_samples(self.data_dir).tensors)
        workers = {"num_workers": 1, "persistent_workers": True}
        self.loaders = {"more": DataLoader(samples, batch_size=8, **workers)}
        return DataLoader(samples, batch_size=8, **workers)

    def train_an_epoch(self):
        super().train_an_epoch()
        for inputs, _ in self.loaders["more"]:
            self.log("more", inputs.sum().item())


def test_workers_that_persist_are_resumed_exactly(tmp_path):
    data = write_data(tmp_path / "data", node1=8)
    expected = run_local(Persistent(max_rounds=2, merge_epochs=2), data, tmp_path / "expected")
    with pytest.raises(KeyboardInterrupt):
        run_local(
            Persistent(max_rounds=2, merge_epochs=2), data, tmp_path / "run", on_event=interrupt("training", 2, "node1")
        )
    assert_same_end(resume_local(tmp_path / "run"), expected)
    assert "cannot be pickled" not in (expected.path / "events.jsonl").read_text()
    assert not multiprocessing.active_children()


@pytest.mark.parametrize(
    "event",
    [("training", 1, "node2"), ("round_started", 2), ("round_done", 3), ("done", None)],
    ids=["before the first checkpoint", "between rounds", "before the output", "at the very end"],
)
def test_stopped_at_any_point(data, tmp_path, event):
    expected = run_local(Tiny(), data, tmp_path / "expected")
    with pytest.raises(KeyboardInterrupt):
        run_local(Tiny(), data, tmp_path / "run", on_event=interrupt(*event))
    assert_same_end(resume_local(tmp_path / "run"), expected)


def test_done_run_is_returned_as_it_is(data, tmp_path):
    run = run_local(Tiny(), data, tmp_path / "run")
    before = (run.path / "run.json").read_bytes()
    again = resume_local(run.path)
    assert (again.record, again.rows) == (run.record, run.rows)
    assert (run.path / "run.json").read_bytes() == before


def test_moved_run_folder(tmp_path):
    write_data(tmp_path / "run" / "data", node1=8, node2=12)
    expected = run_local(Tiny(), tmp_path / "run" / "data", tmp_path / "expected")
    run = Run(tmp_path / "run")
    with pytest.raises(KeyboardInterrupt):
        run_local(Tiny(), run.path / "data", run, on_event=interrupt("training", 2, "node1"))
    moved = shutil.move(tmp_path / "run", tmp_path / "搬走 了")
    assert_same_end(resume_local(moved), expected)


# The class is defined in the started script, and the run goes on in this process, which has not got it.
CHILD = f"""
import signal
import sys
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs, these tests among them, ignore it
sys.path.insert(0, {str(HERE)!r})
from alphamed_tutorials.engines.local import run_local
from schedulers import Tiny

class Waiting(Tiny):
    def train_an_epoch(self):
        if self.current_round == 2 and self.node == "node2" and not Path(self.data_dir, "go").exists():
            print("waiting", flush=True)
            sys.stdin.readline()
        super().train_an_epoch()

run_local(Waiting(), "data", "run")
"""


@pytest.fixture
def child(data, tmp_path):
    """Start a run in another process and return it when it is in the middle of round 2."""
    command = [sys.executable, "-c", CHILD]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=tmp_path, text=True, **pipes) as process:
        try:
            assert process.stdout.readline() == "node2: waiting\n", process.stderr.read()
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize(("signal_number", "state"), [(signal.SIGKILL, "running"), (signal.SIGINT, "interrupted")])
def test_killed_process(child, data, tmp_path, signal_number, state):
    with pytest.raises(RunError, match="worked on by another process"):
        resume_local(tmp_path / "run")
    child.send_signal(signal_number)
    assert child.wait(timeout=30) != 0
    assert Run.open(tmp_path / "run").state == state
    (data / "nodes" / "node2" / "go").touch()
    run = resume_local(tmp_path / "run")
    assert_same_end(run, run_local(Tiny(), data, tmp_path / "expected"))
    assert sorted(os.listdir(tmp_path)) == ["data", "expected", "run"]  # no alphafed.log


def test_mistake_mended_in_its_file(data, tmp_path):
    module = tmp_path / "code" / "my_task.py"
    module.parent.mkdir()
    lines = ["from schedulers import Tiny", "class Mine(Tiny):", "    def train_an_epoch(self):"]
    mistake = ["        if self.current_round == 2:", "            raise ValueError('a mistake')"]
    rest = ["        super().train_an_epoch()", ""]
    module.write_text("\n".join(lines + mistake + rest))
    environment = {**os.environ, "PYTHONPATH": str(HERE)}

    def execute(program, folder):
        script = tmp_path / folder / "start.py"
        script.parent.mkdir(exist_ok=True)
        script.write_text(program)
        return subprocess.run([sys.executable, script], cwd=tmp_path, env=environment, capture_output=True, text=True)

    failed = execute(
        "from alphamed_tutorials.engines.local import run_local\n"
        "from my_task import Mine\n"
        "run_local(Mine(), 'data', 'run')\n",
        "code",
    )
    assert failed.returncode == 1 and f"node1 failed in round 2: {module}, line 5" in failed.stderr
    module.write_text("\n".join(lines + rest))
    # from elsewhere, as `playground resume` does: the run knows where its modules lie
    mended = execute("from alphamed_tutorials.engines.local import resume_local\nresume_local('run')\n", "elsewhere")
    assert mended.returncode == 0, mended.stderr
    assert_same_end(Run.open(tmp_path / "run"), run_local(Tiny(), data, tmp_path / "expected"))


@pytest.fixture
def stopped(data, tmp_path):
    """Return the folder of a run that was stopped in round 2."""
    with pytest.raises(KeyboardInterrupt):
        run_local(Tiny(), data, tmp_path / "run", on_event=interrupt("training", 2, "node1"))
    return tmp_path / "run"


@pytest.mark.parametrize("name", ["checkpoint.pt", "entry.pickle", "run.json"])
@pytest.mark.parametrize("damage", ["truncated", "empty", "replaced", "missing"])
def test_damaged_file_is_told(stopped, name, damage):
    file = stopped / name
    content = file.read_bytes()
    file.unlink()
    if damage != "missing":
        file.write_bytes({"truncated": content[: len(content) // 2], "empty": b"", "replaced": b"[]"}[damage])
    with pytest.raises(RunError, match=name):
        resume_local(stopped)


def test_what_is_no_run_is_told(tmp_path):
    with pytest.raises(RunError, match="not a run folder"):
        resume_local(tmp_path / "nowhere")
    (tmp_path / "run.json").write_text('{"state": "failed", "engine": "playground"}')
    with pytest.raises(RunError, match="not a run of the local engine"):
        resume_local(tmp_path)


def test_data_that_is_gone_is_told(stopped, data):
    shutil.rmtree(data / "nodes" / "node2")
    with pytest.raises(NodeFailed, match="^node2 failed while it was being set up"):
        resume_local(stopped)
    assert Run.open(stopped).record["rounds_done"] == 1


def test_a_run_of_an_older_version_is_told_to_start_again(data, tmp_path):
    run = run_local(Tiny(max_rounds=1), data, tmp_path / "run")
    file = run.path / "checkpoint.pt"
    content = checkpoint.load(file)
    del content["states"]
    checkpoint.write_to(file, content)
    with pytest.raises(RunError, match="begun by an older version.*start the run again"):
        resume_local(run.path, {"max_rounds": 2})
