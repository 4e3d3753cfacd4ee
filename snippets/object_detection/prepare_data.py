"""Make three owners and an aggregator on this machine."""

# --8<-- [start:prepare]
from alphamed_tutorials import prepare

facts = prepare("object_detection", "data", partition="owners", seed=1)
for node, splits in facts["counts"].items():
    print(node, splits)
# --8<-- [end:prepare]
