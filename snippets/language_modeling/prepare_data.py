"""Make three hospitals and an aggregator on this machine; each article belongs to one of them."""

# --8<-- [start:prepare]
from alphamed_tutorials import prepare

facts = prepare("language_modeling", "data", partition="owners", seed=1)
for node, splits in facts["counts"].items():
    print(node, splits)
# --8<-- [end:prepare]
