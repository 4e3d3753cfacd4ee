"""Begin with the federated half: data on three nodes, and the plain program trained in one place."""

from train_centralised import train_centralised

# isort: split

# --8<-- [start:start]
import torch

from alphamed_tutorials import prepare
from alphamed_tutorials.examples.language_modeling.data import (
    read_words,
    unigram_perplexity,
)
from alphamed_tutorials.examples.language_modeling.dataset_verify import (
    DataError,
    check_split,
    shown,
)

prepare("language_modeling", "data", partition="owners", seed=1)
prepare("language_modeling", "one-place", num_nodes=1, seed=1)
words = read_words()
torch.set_num_threads(1)  # the last digits depend on it
model, perplexity = train_centralised(
    "one-place/nodes/node1", "one-place/nodes/aggregator", num_epochs=1, seed=1
)
print(f"centralised: perplexity {perplexity:.0f}")
# --8<-- [end:start]
