"""Look into the model: its parameters, its mask, one step of training, one prediction."""

import torch

from alphamed_tutorials.examples.language_modeling.data import read_words

words = read_words()
tokens, targets = torch.randint(0, 4000, (10, 35)), torch.randint(0, 4000, (10, 35))

# --8<-- [start:shapes]
from alphamed_tutorials.examples.language_modeling.model import TransformerModel

model = TransformerModel(words)
for name, part in model.named_children():
    print(name, sum(parameter.numel() for parameter in part.parameters()))
logits = model(tokens)
numbers = sum(entry.numel() for entry in model.state_dict().values())
print(logits.shape, "sent each round:", numbers * 4, "bytes")
# --8<-- [end:shapes]

# --8<-- [start:mask]
import torch

print(torch.full((4, 4), float("-inf")).triu(1))  # row: who looks; column: at what

model.eval()
changed = tokens.clone()
changed[:, 20:] = 0  # another end of the story
with torch.no_grad():
    past, past_of_changed = model(tokens)[:, :20], model(changed)[:, :20]
print(torch.allclose(past, past_of_changed, atol=1e-5))  # the past cannot know
# --8<-- [end:mask]

# --8<-- [start:step]
import math

import torch.nn.functional as F

model.train()
optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
logits = model(tokens).flatten(0, 1)  # forward: [350, 4000]
loss = F.cross_entropy(logits, targets.flatten())  # against [350]
loss.backward()  # backward: the chain rule fills every .grad
length = torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)  # all gradients together
optimizer.step()
optimizer.zero_grad()
loss = loss.item()
print(f"loss {loss:.2f}, perplexity {math.exp(loss):.0f}, gradient was {length:.2f} long")
# --8<-- [end:step]

# --8<-- [start:inference]
model.eval()  # dropout off
with torch.no_grad():  # and nothing to note
    best = model(tokens[:1])[0, -1].softmax(0).topk(3)
for share, index in zip(best.values, best.indices):
    print(words[index], round(share.item(), 4))
# --8<-- [end:inference]
