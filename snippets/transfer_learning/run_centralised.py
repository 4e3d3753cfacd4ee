"""Train in one place, then show that federation over one data owner gives the very same parameters."""

from pathlib import Path

import torch
from alphamed_tutorials.examples import find
from alphamed_tutorials.examples.transfer_learning.scheduler import TransferScheduler
from alphamed_tutorials.partition import Partition
from alphamed_tutorials.preparation import prepare
from train_centralised import train_centralised

# --8<-- [start:main]
place = Path("one-place")
one_owner = find("transfer_learning")
prepare(one_owner, place, nodes=1, source=None, partition=Partition(), seed=1)
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
