"""Make three hospitals and an aggregator on this machine."""

# --8<-- [start:prepare]
from alphamed_tutorials import prepare

facts = prepare("breast_cancer", "data", partition="owners", seed=1)
for node, splits in facts["counts"].items():
    for split, diagnoses in splits.items():
        print(node, split, sum(diagnoses.values()), diagnoses)
# --8<-- [end:prepare]
