"""Weight each node by its number of samples, with the SDK as it is."""

from pathlib import Path

import torch

from alphamed_tutorials.catalogue import find
from alphamed_tutorials.data.partition import Partition
from alphamed_tutorials.data.prepare import prepare
from alphamed_tutorials.engines.local import run_local
from alphamed_tutorials.examples.mnist.scheduler import MNISTScheduler


# --8<-- [start:weighted]
class WeightedScheduler(MNISTScheduler):
    def build_model(self):
        self.samples = torch.ones(())  # travels with the parameters
        return super().build_model()

    def state_dict(self):
        entries = {**self.model.state_dict(), "samples": self.samples}
        if self.is_aggregator:
            return entries  # the very tensors: the SDK sums up in them
        count = len(self.train_loader.dataset)
        return {name: value * count for name, value in entries.items()}

    def load_state_dict(self, state_dict):
        mean = {name: value / state_dict["samples"] for name, value in state_dict.items()}
        del mean["samples"]
        self.model.load_state_dict(mean)
        self.samples.fill_(1)


# --8<-- [end:weighted]


prepare(
    find("mnist"),
    Path("data"),
    num_nodes=3,
    partition=Partition("dirichlet", 0.3),
    seed=1,
)
run = run_local(WeightedScheduler(max_rounds=2, seed=1), data="data", seed=1)
print(run.state, run.metrics)
