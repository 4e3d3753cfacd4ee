"""The SDK's own schedulers, unchanged from the installed wheel, in children: what comes of each."""

import io
import sys
from pathlib import Path
from types import SimpleNamespace

import cloudpickle
import pytest
import torch
from alphafed.docs.customized_scheduler.scheduler import SimpleFedAvgScheduler
from alphafed.docs.tutorial.res.simple_fed_avg.scheduler import SimpleFedAvgScheduler as TutorialScheduler
from alphafed.examples.fed_md.model.scheduler import HomoFedMDScheduler
from engines.test_sdk_schedulers import ABSENT, SCHEDULERS, digits, start, wheel  # noqa: F401
from schedulers import TinyTask, pickled, write_data
from test_child import Task
from torch.utils.data import DataLoader, TensorDataset
from torchvision.datasets import MNIST

MODULES = SimpleNamespace(absent=ABSENT)


class Parts(TinyTask):
    """What the wheel's bare protocols need to be a task."""

    @property
    def _own_optimizer(self):
        if not hasattr(self, "_optimizer"):
            self._optimizer = self.build_optimizer(self.model)
        return self._optimizer

    def train_an_epoch(self):
        self.model.train()
        for inputs, labels in self.build_train_dataloader():
            self._own_optimizer.zero_grad()
            self.loss(inputs, labels).backward()
            self._own_optimizer.step()

    def state_dict(self):
        return self.model.state_dict()

    def load_state_dict(self, state_dict):
        self.model.load_state_dict(state_dict)


class Customized(Parts, SimpleFedAvgScheduler):
    def test(self): ...


class Tutorial(Parts, TutorialScheduler):
    model = property(lambda self: self.__dict__.setdefault("_model", self.build_model()))

    def before_check_in(self, is_aggregator): ...
    def before_training(self, is_aggregator): ...
    def run_test(self, writer): ...


class Distilled(Parts, HomoFedMDScheduler):
    def _public(self):
        return torch.randn(8, 4, generator=torch.Generator().manual_seed(0))

    def build_public_train_dataloader(self):
        return DataLoader(TensorDataset(self._public()), batch_size=8)

    def build_private_train_dataloader(self):
        return self.build_train_dataloader()

    def calc_local_logits(self):
        with torch.no_grad():
            return self.model(self._public())

    def align_train_an_epoch(self, global_logits):
        self.optimizer.zero_grad()
        torch.nn.functional.mse_loss(self.model(self._public()), global_logits).backward()
        self.optimizer.step()

    pretrain_an_epoch_on_public_data = pretrain_an_epoch_on_private_data = fine_tune_an_epoch = Parts.train_an_epoch

    def run_test(self): ...


MD_EPOCHS = dict.fromkeys(("pretrain_public_epochs", "pretrain_private_epochs", "align_epochs", "fine_tune_epochs"), 1)
# Those that the local engine does not run.
FINISHES = {
    "fed_per": (("alphafed.examples.fed_per.demos", "DemoHomoFedPerScheduler"), {"max_rounds": 2, "log_rounds": 1}),
    "fed_md": (Distilled, {"max_rounds": 2, **MD_EPOCHS}),
    "customized": (Customized, {"clients": 2, "rounds": 2}),
    "simple_fed_avg": (Tutorial, {"rounds": 2}),
}
# Why others cannot: the line of the SDK.
FAILS = {
    "secure": (
        ("alphafed.examples.fed_avg.demos", "DemoSecure", {"t": 2, "max_rounds": 2}),
        "'<' not supported between instances of 'list' and 'int'",
        "fed_avg/secure_fed_avg.py, line 251, in _setup_context: if self.participants < 3:",
    ),
}


def restored(entry: bytes, paths: list[str], raw: str):
    """Make a scheduler of the wheel in a child, where the same has to be put in the place of what is absent."""
    import sys

    from torchvision.datasets import MNIST

    sys.path[:0] = paths
    for name, members in MODULES.absent.items():
        sys.modules.setdefault(name, SimpleNamespace(**members))
    MNIST.raw_folder = raw
    return cloudpickle.loads(entry)


class Restored:
    """A pickle that is made into another one's object when it is read."""

    def __init__(self, *arguments):
        self.arguments = arguments

    def __reduce__(self):
        return restored, self.arguments


def wheel_task(folder: Path, scheduler, data: Path) -> Task:
    """Return a task of one owner, with a scheduler of the wheel."""
    paths = [entry for entry in sys.path if "alphafed" in entry]
    for name in ("aggregator", "node1"):
        (data / "nodes" / name).mkdir(parents=True, exist_ok=True)
    return Task(folder, Restored(pickled(scheduler, sys.modules[__name__]), paths, MNIST.raw_folder), data)


@pytest.mark.slow
@pytest.mark.parametrize("name", SCHEDULERS)
def test_schedulers_of_the_local_engine_end_alike(wheel, digits, tmp_path, name):  # noqa: F811
    place, kind, arguments, _ = SCHEDULERS[name]
    expected = start(wheel(place, kind)(**arguments), tmp_path / "expected")
    task = wheel_task(tmp_path / "task", wheel(place, kind)(**arguments), tmp_path)
    task.start()
    assert set(task.wait(240).values()) == {0}, task.said()
    assert task.model() == (expected.path / "model.pt").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("name", FINISHES)
def test_schedulers_with_messages_of_their_own_finish(wheel, digits, tmp_path, name):  # noqa: F811
    kind, arguments = FINISHES[name]
    write_data(tmp_path, node1=8, node2=12)
    task = wheel_task(tmp_path / "task", (kind if isinstance(kind, type) else wheel(*kind))(**arguments), tmp_path)
    task.start()
    assert set(task.wait(240).values()) == {0}, task.said()
    if name == "fed_md":
        return  # each node keeps a model of its own
    assert all(torch.isfinite(value).all() for value in torch.load(io.BytesIO(task.model())).values())


@pytest.mark.slow
@pytest.mark.parametrize("name", FAILS)
def test_others_fail_with_the_line_of_the_sdk(wheel, digits, tmp_path, name):  # noqa: F811
    (place, kind, arguments), said, _line = FAILS[name]
    task = wheel_task(tmp_path / "task", wheel(place, kind)(**arguments), tmp_path)
    task.start()
    assert set(task.wait(240).values()) == {1}, task.said()
    [failed] = task.standin.events(task.pseudonyms["aggregator"], "failed")
    assert said in failed["text"]
