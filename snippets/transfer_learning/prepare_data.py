"""Make three hospitals and an aggregator on this machine."""

# --8<-- [start:prepare]
from pathlib import Path

from alphamed_tutorials.catalogue import find
from alphamed_tutorials.data.partition import Partition
from alphamed_tutorials.data.prepare import prepare

facts = prepare(
    find("transfer_learning"), Path("data"),
    nodes=3, source=None,  # no source: embedded
    partition=Partition(), seed=1,
)  # fmt: skip
for node, splits in facts["counts"].items():
    for split, classes in splits.items():
        print(node, split, sum(classes.values()), classes)
# --8<-- [end:prepare]
