"""Make three groups of speakers and an aggregator on this machine."""

# --8<-- [start:prepare]
from alphamed_tutorials import prepare

facts = prepare("speech_commands", "data", partition="owners", seed=1)
for node, splits in facts["counts"].items():
    for split, words in splits.items():
        print(node, split, sum(words.values()), words)
# --8<-- [end:prepare]
