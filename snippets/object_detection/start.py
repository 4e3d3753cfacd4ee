"""Begin with the federated half: data on three nodes, and the plain program trained in one place."""

from train_centralised import train_centralised

# isort: split

# --8<-- [start:start]
import torch

from alphamed_tutorials import prepare
from alphamed_tutorials.examples.object_detection.dataset_verify import (
    DataError,
    check_split,
    shown,
)
from alphamed_tutorials.examples.object_detection.model import find_coco_weights

prepare("object_detection", "data", partition="owners", seed=1)
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
# --8<-- [end:start]
