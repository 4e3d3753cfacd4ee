"""Train in one place, then show that federation over one data owner gives the very same parameters."""

from pathlib import Path

import torch
from train_centralised import train_centralised

from alphamed_tutorials.catalogue import find
from alphamed_tutorials.data.partition import Partition
from alphamed_tutorials.data.prepare import prepare
from alphamed_tutorials.examples.language_modeling.data import (
    build_dataloader,
    read_words,
    unigram_perplexity,
)
from alphamed_tutorials.examples.language_modeling.scheduler import LanguageModelScheduler

words = read_words()

# --8<-- [start:main]
place = Path("one-place")
one_owner = find("language_modeling")
prepare(one_owner, place, num_nodes=1, partition=Partition(), seed=1)
torch.set_num_threads(1)  # the last digits depend on it
model, perplexity = train_centralised(
    place / "nodes/node1", place / "nodes/aggregator", num_epochs=1, seed=1
)
test_text = build_dataloader(place / "nodes/aggregator", "test", words).dataset.tokens
unigram = unigram_perplexity(test_text)
print(f"perplexity {perplexity:.0f}, unigram {unigram:.0f}, guessing {len(words)}")
# --8<-- [end:main]

# --8<-- [start:one_node]
from alphamed_tutorials.engines.local import run_local

task = LanguageModelScheduler(max_rounds=1, seed=1)
run_local(task, data="one-place", out="one-node", seed=1)
federated = torch.load("one-node/model.pt", weights_only=True)
own = model.state_dict()
print(all(torch.equal(federated[name], value) for name, value in own.items()))
# --8<-- [end:one_node]
