"""The text pipeline of the retired tutorial, as it was: needs torchtext 0.18 and torch 2.3 (`make test-torchtext`)."""

from pathlib import Path
from pydoc_data.topics import topics

Path("wiki.train.tokens").write_text(
    "\n".join(topics.values()), encoding="utf-8"
)  # any text will do here

# --8<-- [start:vocabulary]
import torch
from torchtext.data.utils import get_tokenizer
from torchtext.vocab import build_vocab_from_iterator

tokenizer = get_tokenizer("basic_english")
with open("wiki.train.tokens", encoding="utf-8") as lines:  # this node's own text!
    vocabulary = build_vocab_from_iterator(map(tokenizer, lines), specials=["<unk>"])
vocabulary.set_default_index(vocabulary["<unk>"])
# --8<-- [end:vocabulary]


# --8<-- [start:batchify]
with open("wiki.train.tokens", encoding="utf-8") as lines:
    parts = [
        torch.tensor(vocabulary(tokenizer(line)), dtype=torch.long) for line in lines
    ]
indices = torch.cat(parts)

batch_size, length = 20, 35
whole = len(indices) // batch_size * batch_size
columns = indices[:whole].view(batch_size, -1).t()  # [T, 20]
inputs, targets = columns[:length], columns[1 : length + 1].flatten()
print(len(vocabulary), columns.shape, inputs.shape, targets.shape)
# --8<-- [end:batchify]
