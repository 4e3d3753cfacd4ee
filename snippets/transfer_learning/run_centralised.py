"""Train in one place, then show that federation over one data owner gives the very same parameters."""

from pathlib import Path

import torch
from train_centralised import train_centralised

from alphamed_tutorials.catalogue import find
from alphamed_tutorials.data.partition import Partition
from alphamed_tutorials.data.prepare import prepare
from alphamed_tutorials.examples.transfer_learning.scheduler import TransferScheduler

# --8<-- [start:main]
place = Path("one-place")
one_owner = find("transfer_learning")
prepare(one_owner, place, num_nodes=1, partition=Partition(), seed=1)
torch.set_num_threads(1)  # the last digits of a result depend on it
model, accuracy = train_centralised(
    place / "nodes/node1", place / "nodes/aggregator", num_epochs=2, seed=1
)
print(f"centralised: accuracy {accuracy:.3f}")
# --8<-- [end:main]

# --8<-- [start:one_node]
from alphamed_tutorials.engines.local import run_local

task = TransferScheduler(max_rounds=2, seed=1)
run_local(task, data="one-place", out="one-node", seed=1)
federated = torch.load("one-node/model.pt", weights_only=True)
for name, value in model.head.state_dict().items():
    print(name, torch.equal(federated[name], value))
# --8<-- [end:one_node]
