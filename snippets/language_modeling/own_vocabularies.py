"""What goes wrong when each node builds a vocabulary of its own."""

from pathlib import Path

from alphamed_tutorials.catalogue import find
from alphamed_tutorials.data.partition import Partition
from alphamed_tutorials.data.prepare import prepare

prepare(
    find("language_modeling"),
    Path("data"),
    num_nodes=3,
    partition=Partition("owners"),
    seed=1,
)

from alphamed_tutorials.examples.language_modeling.data import (
    build_vocabulary,
    read_tokens,
)

# --8<-- [start:own]
own = [
    build_vocabulary(read_tokens(Path(f"data/nodes/node{i}/wiki.train.tokens")), 1000)
    for i in (1, 2, 3)
]
print([len(words) for words in own])  # all shapes match, so nothing errors
same = sum(len(set(trio)) == 1 for trio in zip(*own))
print("same index on all three:", same, "of 1000")
for index in (5, 50, 500):
    print(index, [words[index] for words in own])
# --8<-- [end:own]
