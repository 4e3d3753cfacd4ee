"""Small tasks for the engine's tests: a network of a few numbers trains in milliseconds."""

import alphamed_tutorials  # noqa: F401  # isort: skip  (before alphafed, which else writes ./alphafed.log)

import logging
import random
import sys
from pathlib import Path
from types import ModuleType

import cloudpickle
import numpy as np
import torch
import torch.nn.functional as F
from alphafed.fed_avg import FedAvgScheduler
from torch import nn
from torch.optim import SGD
from torch.utils.data import DataLoader, TensorDataset

LEARNING_RATE, MOMENTUM, BATCH_SIZE = 0.1, 0.9, 4


def write_data(folder: Path, **sizes: int) -> Path:
    """Write a prepared data folder with so many samples on each data owner, and 8 on the aggregator."""
    for name, size in {"aggregator": 8, **sizes}.items():
        generator = torch.Generator().manual_seed(sum(name.encode()))
        inputs = torch.randn(size, 4, generator=generator)
        labels = (inputs.sum(1) > 0).long()
        node = folder / "nodes" / name
        node.mkdir(parents=True)
        torch.save((inputs, labels), node / "samples.pt")
    return folder


def read_samples(folder: str | Path) -> TensorDataset:
    """Return what `write_data` wrote for one node."""
    return TensorDataset(*torch.load(Path(folder) / "samples.pt"))


def build_network() -> nn.Module:
    """Return a network with random numbers and an integer in its state."""
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.2), nn.Linear(8, 2))


class TinyTask:
    """What the tasks of all the SDK's algorithms have in common."""

    data_dir = "/nowhere"
    seed: int | None = None

    @property
    def node(self) -> str:
        """The name of the node this instance works for."""
        return Path(self.data_dir).name

    def build_model(self):
        if self.seed is not None:
            torch.manual_seed(self.seed)
        return build_network()

    def build_optimizer(self, model):
        return SGD(model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)

    def build_train_dataloader(self):
        return DataLoader(read_samples(self.data_dir), batch_size=BATCH_SIZE, shuffle=True)

    def build_test_dataloader(self):
        return DataLoader(read_samples(self.data_dir), batch_size=BATCH_SIZE)

    def train_an_epoch(self):
        self.model.train()
        for inputs, labels in self.train_loader:
            self.optimizer.zero_grad()
            loss = self.loss(inputs, labels)
            loss.backward()
            self.optimizer.step()
        self.log("train/loss", loss.item())

    def loss(self, inputs, labels):
        return F.cross_entropy(self.model(inputs), labels)

    @torch.no_grad()
    def run_test(self):
        self.model.eval()
        correct = sum((self.model(inputs).argmax(1) == labels).sum().item() for inputs, labels in self.test_loader)
        self.log("test/correct", correct)

    def log(self, name: str, value: float) -> None:
        logging.getLogger("app").info("%s logs %s", self.node, name)
        self.tb_writer.add_scalar(name, value, self.current_round)


class Tiny(TinyTask, FedAvgScheduler):
    """Train a tiny network.

    Args:
        seed: Start of each node's random numbers; left to the engine if None.
        settings: Those of `FedAvgScheduler`.
    """

    def __init__(self, seed: int | None = None, **settings):
        super().__init__(**{"max_rounds": 3, "log_rounds": 1, **settings})
        self.seed = seed


class Drawing(Tiny):
    """Log a number of each global generator before training, and the sum of the parameters after it."""

    def train_an_epoch(self):
        self.log("draw/torch", torch.rand(()).item())
        self.log("draw/numpy", np.random.rand())
        self.log("draw/python", random.random())
        super().train_an_epoch()
        self.log("update", sum(value.double().sum().item() for value in self.model.state_dict().values()))


def pickled(scheduler, *modules: ModuleType) -> bytes:
    """Return a pickle that brings along the classes of test modules, for a process that cannot import these."""
    modules = {sys.modules[__name__], *modules}
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    try:
        return cloudpickle.dumps(scheduler)
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)
