"""Begin with the federated half: data on three nodes, and the plain program trained in one place."""

from train_centralised import train_centralised

# isort: split

# --8<-- [start:start]
import torch

from alphamed_tutorials import prepare
from alphamed_tutorials.examples.speech_commands.dataset_verify import (
    DataError,
    check_split,
    shown,
)
from alphamed_tutorials.examples.speech_commands.model import WORDS

prepare("speech_commands", "data", partition="owners", seed=1)
prepare("speech_commands", "one-place", num_nodes=1, seed=1)
torch.set_num_threads(1)  # fastest for a small model; the last digits depend on it
model, accuracy = train_centralised(
    "one-place/nodes/node1", "one-place/nodes/aggregator", num_epochs=4, seed=1
)
print(f"centralised: accuracy {accuracy:.3f}")
# --8<-- [end:start]
