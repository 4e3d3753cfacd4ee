"""Train in one place, then show that federation over one data owner gives the very same parameters."""

from pathlib import Path

import torch
from alphamed_tutorials.examples import find
from alphamed_tutorials.examples.mnist.scheduler import MNISTScheduler
from alphamed_tutorials.partition import Partition
from alphamed_tutorials.preparation import prepare
from train_centralised import train_centralised

# --8<-- [start:main]
prepare(find("mnist"), Path("one-place"), nodes=1, source=None, partition=Partition(), seed=1)
torch.set_num_threads(1)  # fastest for a model this small; the last digits of a result depend on it
model, accuracy = train_centralised("one-place/nodes/node1", "one-place/nodes/aggregator", num_epochs=5, seed=1)
print(f"centralised: accuracy {accuracy:.3f}")
# --8<-- [end:main]

# --8<-- [start:one_node]
from alphamed_tutorials.engines.local import run_local

run_local(MNISTScheduler(max_rounds=5, seed=1), data="one-place", out="one-node", seed=1)
federated = torch.load("one-node/model.pt", weights_only=True)
print("the same bits:", all(torch.equal(federated[name], value) for name, value in model.state_dict().items()))
# --8<-- [end:one_node]
