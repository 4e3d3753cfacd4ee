"""Make three owners and an aggregator on this machine."""

# --8<-- [start:prepare]
from pathlib import Path

from alphamed_tutorials.catalogue import find
from alphamed_tutorials.data.partition import Partition
from alphamed_tutorials.data.prepare import prepare

facts = prepare(
    find("object_detection"), Path("data"),
    nodes=3, source=None,  # no source: drawn pictures
    partition=Partition("owners"), seed=1,
)  # fmt: skip
for node, splits in facts["counts"].items():
    print(node, splits)
# --8<-- [end:prepare]
