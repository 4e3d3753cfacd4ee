"""Make three hospitals and an aggregator on this machine."""

# --8<-- [start:prepare]
from alphamed_tutorials import prepare

facts = prepare("mnist", "data", seed=1)
for node, splits in facts["counts"].items():
    for split, classes in splits.items():
        print(node, split, sum(classes.values()), classes)
# --8<-- [end:prepare]
