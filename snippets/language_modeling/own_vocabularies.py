"""What goes wrong when each node builds a vocabulary of its own."""

from alphamed_tutorials import prepare

prepare("language_modeling", "data", partition="owners", seed=1)

# --8<-- [start:own]
from pathlib import Path

from alphamed_tutorials.examples.language_modeling.data import (
    build_vocabulary,
    read_tokens,
)

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
