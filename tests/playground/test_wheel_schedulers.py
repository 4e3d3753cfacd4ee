"""The SDK's own schedulers, unchanged from the installed wheel, in children: what comes of each."""

import importlib
import io
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import cloudpickle
import pytest
import torch
from alphafed.docs.customized_scheduler.scheduler import SimpleFedAvgScheduler
from alphafed.docs.tutorial.res.simple_fed_avg.scheduler import SimpleFedAvgScheduler as TutorialScheduler
from alphafed.examples.fed_md.model.scheduler import HomoFedMDScheduler
from engines.test_sdk_schedulers import (  # noqa: F401
    ABSENT,
    ROUNDS,
    SCHEDULERS,
    WHEEL,
    auto_fed_avg,
    digits,
    fed_irm_files,
    start,
    wheel,
)
from schedulers import TinyTask, pickled, write_data
from test_child import Task
from torch.utils.data import DataLoader, TensorDataset
from torchvision.datasets import MNIST

pytestmark = pytest.mark.soak

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
        ("fed_avg/secure_fed_avg.py", 251, "if self.participants < 3:"),
    ),
}


def restored(entry: bytes, paths: list[str], raw: str):
    """Make a scheduler of the wheel in a child, where the same has to be put in the place of what is absent."""
    import sys

    from torchvision.datasets import MNIST

    sys.path[:0] = paths
    MNIST.raw_folder = raw
    for name, members in MODULES.absent.items():
        sys.modules[name] = SimpleNamespace(**members)
    try:
        return cloudpickle.loads(entry)
    finally:  # libraries that look whether these are there find that they are not
        for name in MODULES.absent:
            del sys.modules[name]


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
def test_fed_irm_ends_as_on_the_local_engine(wheel, digits, tmp_path):  # noqa: F811
    settings = {**fed_irm_files(tmp_path), **ROUNDS}

    def make():
        return wheel("alphafed.examples.fed_avg.demo_FedIRM", "DemoFedIRM")(**settings)

    expected = start(make(), tmp_path / "expected")
    task = wheel_task(tmp_path / "task", make(), tmp_path)
    task.start()
    assert set(task.wait(240).values()) == {0}, task.said()
    assert task.model() == (expected.path / "model.pt").read_bytes()


@pytest.mark.slow
def test_auto_fed_avg_ends_as_on_the_local_engine(wheel, digits, tmp_path):  # noqa: F811
    make = auto_fed_avg(wheel, tmp_path)
    expected = start(make(), tmp_path / "expected")
    task = wheel_task(tmp_path / "task", make(), tmp_path)
    task.start()
    assert set(task.wait(240).values()) == {0}, task.said()
    with (
        zipfile.ZipFile(io.BytesIO(task.model())) as packed,
        zipfile.ZipFile(expected.path / "model.zip") as other,
    ):
        assert packed.read("weights") == other.read("weights")


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
    (place, kind, arguments), said, (file, line, code) = FAILS[name]
    assert (WHEEL / file).read_text().splitlines()[line - 1].strip().startswith(code)
    task = wheel_task(tmp_path / "task", wheel(place, kind)(**arguments), tmp_path)
    task.start()
    assert set(task.wait(240).values()) == {1}, task.said()
    [failed] = task.standin.events(task.pseudonyms["aggregator"], "failed")
    assert said in failed["text"]


def test_the_vertical_ones_cannot_be_imported(monkeypatch):
    """The page says by which line of the SDK."""
    for name in [each for each in sys.modules if each.startswith("alphafed.hetero_nn")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tenseal", None)
    with pytest.raises(ImportError, match="tenseal") as raised:
        importlib.import_module("alphafed.hetero_nn")
    last = raised.traceback[-1]
    assert (last.path, last.lineno + 1) == (WHEEL / "hetero_nn" / "secure_hetero_nn.py", 19)
