"""Train in one place, then show that federation over one data owner gives the very same parameters."""

from train_centralised import train_centralised

# isort: split

# --8<-- [start:main]
import torch

from alphamed_tutorials import prepare

prepare("object_detection", "one-place", num_nodes=1, seed=1)
torch.set_num_threads(1)  # the last digits depend on it
model, precision = train_centralised(
    "one-place/nodes/node1",
    "one-place/nodes/aggregator",
    num_epochs=1,
    seed=1,
    min_size=96,  # small pictures; real ones: leave this and the rate out
    learning_rate=0.002,
)
print({name: round(value, 3) for name, value in precision.items()})
# --8<-- [end:main]

# --8<-- [start:one_node]
from alphamed_tutorials import run
from alphamed_tutorials.examples.object_detection.scheduler import (
    ObjectDetectionScheduler,
)

task = ObjectDetectionScheduler(max_rounds=1, min_size=96, learning_rate=0.002, seed=1)
run(task, "one-place", seed=1, out="one-node")
federated = torch.load("one-node/model.pt", weights_only=True)
own = model.state_dict()
print(all(torch.equal(federated[name], value) for name, value in own.items()))
# --8<-- [end:one_node]
