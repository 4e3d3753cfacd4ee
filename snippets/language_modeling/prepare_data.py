"""Make three hospitals and an aggregator on this machine; each article belongs to one of them."""

# --8<-- [start:prepare]
from pathlib import Path

from alphamed_tutorials.catalogue import find
from alphamed_tutorials.data.partition import Partition
from alphamed_tutorials.data.prepare import prepare

facts = prepare(
    find("language_modeling"), Path("data"),
    nodes=3, source=None,  # no source: embedded data
    partition=Partition("owners"), seed=1,
)  # fmt: skip
for node, splits in facts["counts"].items():
    print(node, splits)
# --8<-- [end:prepare]
