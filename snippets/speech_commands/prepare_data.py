"""Make three groups of speakers and an aggregator on this machine."""

# --8<-- [start:prepare]
from pathlib import Path

from alphamed_tutorials.catalogue import find
from alphamed_tutorials.data.partition import Partition
from alphamed_tutorials.data.prepare import prepare

facts = prepare(
    find("speech_commands"), Path("data"),
    nodes=3, source=None,  # no source: embedded data
    partition=Partition("owners"), seed=1,  # no speaker is on two nodes
)  # fmt: skip
for node, splits in facts["counts"].items():
    for split, words in splits.items():
        print(node, split, sum(words.values()), words)
# --8<-- [end:prepare]
