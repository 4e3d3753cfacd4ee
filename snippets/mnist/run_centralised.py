"""Train in one place, then show that federation over one data owner gives the very same parameters."""

from pathlib import Path

import torch
from train_centralised import train_centralised

from alphamed_tutorials.catalogue import find
from alphamed_tutorials.data.partition import Partition
from alphamed_tutorials.data.prepare import prepare
from alphamed_tutorials.examples.mnist.scheduler import MNISTScheduler

# --8<-- [start:main]
place = Path("one-place")
prepare(find("mnist"), place, num_nodes=1, partition=Partition(), seed=1)
torch.set_num_threads(1)  # fastest for a small model; the last digits depend on it
model, accuracy = train_centralised(
    place / "nodes/node1", place / "nodes/aggregator", num_epochs=5, seed=1
)
print(f"centralised: accuracy {accuracy:.3f}")
# --8<-- [end:main]

# --8<-- [start:one_node]
from alphamed_tutorials.engines.local import run_local

task = MNISTScheduler(max_rounds=5, seed=1)
run_local(task, data="one-place", out="one-node", seed=1)
federated = torch.load("one-node/model.pt", weights_only=True)
for name, value in model.state_dict().items():
    print(name, torch.equal(federated[name], value))
# --8<-- [end:one_node]
