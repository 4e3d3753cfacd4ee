"""Train in one place, then show that federation over one data owner gives the very same parameters."""

from train_centralised import train_centralised

# isort: split

# --8<-- [start:main]
import torch

from alphamed_tutorials import prepare
from alphamed_tutorials.examples.language_modeling.data import (
    build_dataloader,
    read_words,
    unigram_perplexity,
)

prepare("language_modeling", "one-place", num_nodes=1, seed=1)
torch.set_num_threads(1)  # the last digits depend on it
words = read_words()
model, perplexity = train_centralised(
    "one-place/nodes/node1", "one-place/nodes/aggregator", num_epochs=1, seed=1
)
test_text = build_dataloader("one-place/nodes/aggregator", "test", words).dataset.tokens
unigram = unigram_perplexity(test_text)
print(f"perplexity {perplexity:.0f}, unigram {unigram:.0f}, guessing {len(words)}")
# --8<-- [end:main]

# --8<-- [start:one_node]
from alphamed_tutorials import run
from alphamed_tutorials.examples.language_modeling.scheduler import LanguageModelScheduler

task = LanguageModelScheduler(max_rounds=1, seed=1)
run(task, "one-place", seed=1, out="one-node")
federated = torch.load("one-node/model.pt", weights_only=True)
own = model.state_dict()
print(all(torch.equal(federated[name], value) for name, value in own.items()))
# --8<-- [end:one_node]
