"""Follow a line of text from the file to a batch of word indices."""

from alphamed_tutorials import prepare

prepare("language_modeling", "data", partition="owners", seed=1)

# --8<-- [start:file]
from pathlib import Path

from alphamed_tutorials.examples.language_modeling.data import tokenize

node1 = Path("data/nodes/node1")
with open(node1 / "wiki.train.tokens", encoding="utf-8") as text:
    for line in list(text)[:6]:
        print(repr(line[:70]))
print(tokenize('It\'s the "first" call; fine.'))
# --8<-- [end:file]

# --8<-- [start:encode]
from alphamed_tutorials.examples.language_modeling.data import encode, read_words

words = read_words()
print(len(words), words[:8])
indices = encode(tokenize("the colour of the zyzzyva is known ."), words)
print(indices, [words[index] for index in indices])
# --8<-- [end:encode]

# --8<-- [start:sample]
import torch

from alphamed_tutorials.examples.language_modeling.data import build_dataloader

torch.manual_seed(1)  # the shuffling and the first weights below follow from it
tokens, targets = next(iter(build_dataloader(node1, "train", words)))
print(tokens.shape, tokens.dtype, targets.shape)
print("in: ", " ".join(words[index] for index in tokens[0, :8]))
print("out:", " ".join(words[index] for index in targets[0, :8]))
# --8<-- [end:sample]
