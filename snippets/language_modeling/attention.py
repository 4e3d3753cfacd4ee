"""Look into a trained model: attention by hand, two heads, layer normalisation."""

from train_centralised import train_centralised

from alphamed_tutorials import prepare

prepare("language_modeling", "one-place", num_nodes=1, seed=1)
model, _ = train_centralised(
    "one-place/nodes/node1", "one-place/nodes/aggregator", num_epochs=1, seed=1
)
words = model.words

# --8<-- [start:weights]
import math

import torch
import torch.nn.functional as F
from matplotlib.figure import Figure

from alphamed_tutorials.examples.language_modeling.data import encode

model.eval()
text = "if the name is not in the list , it is called the first"
sentence = text.split()
with torch.no_grad():
    vectors = model.embedding(encode(sentence, words)) * model.scale  # [T, 200]
    x = model.position(vectors.unsqueeze(0))[0]
attention = model.encoder.layers[0].self_attn
q, k, v = F.linear(x, attention.in_proj_weight, attention.in_proj_bias).chunk(3, dim=1)
scores = (q[:, :100] @ k[:, :100].T / math.sqrt(100)).detach()  # first head: [T, T]
mask = torch.full(scores.shape, float("-inf")).triu(1)
shares = {"no mask": scores.softmax(1), "causal mask": (scores + mask).softmax(1)}

figure = Figure(figsize=(9, 4.6), layout="constrained")
for panel, (title, weights) in zip(figure.subplots(1, 2, sharey=True), shares.items()):
    panel.imshow(weights.numpy(), cmap="Blues", vmin=0)
    panel.set_title(title)
    panel.set_xticks(range(len(sentence)), sentence, rotation=90)
    panel.set_yticks(range(len(sentence)), sentence)
figure.savefig("attention.png", dpi=100)
# --8<-- [end:weights]


# --8<-- [start:order]
def attend(x, mask=None):
    with torch.no_grad():
        return attention(x, x, x, attn_mask=mask, need_weights=False)[0]


order = torch.tensor([*reversed(range(len(x) - 1)), len(x) - 1])  # the last stays last
before, after = attend(vectors), attend(vectors[order])  # without positions
print("no mask, outputs permuted:    ", torch.allclose(after, before[order], atol=1e-5))
before, after = attend(vectors, mask), attend(vectors[order], mask)
print("causal mask, outputs permuted:", torch.allclose(after, before[order], atol=1e-5))
print("causal mask, last word's same:", torch.allclose(after[-1], before[-1], atol=1e-5))
# --8<-- [end:order]

# --8<-- [start:heads]
joined = []
for head in (0, 1):
    part = slice(100 * head, 100 * (head + 1))
    scores = q[:, part] @ k[:, part].T / math.sqrt(100)
    weights = (scores + mask).softmax(1)
    joined.append(weights @ v[:, part])  # [T, 100]
    best = weights[-1].topk(3).indices
    print(f"head {head}: {sentence[-1]!r} looks at", [sentence[i] for i in best])
attended = attention.out_proj(torch.cat(joined, dim=1))  # [T, 200]
print(torch.allclose(attended, attend(x, mask), atol=1e-5))
# --8<-- [end:heads]


# --8<-- [start:layer]
def normalise(x, norm):
    mean, variance = x.mean(1, keepdim=True), x.var(1, keepdim=True, unbiased=False)
    return norm.weight * (x - mean) / (variance + norm.eps).sqrt() + norm.bias


layer = model.encoder.layers[0]
h = normalise(x + attended, layer.norm1)  # residual, then LayerNorm
h = normalise(h + layer.linear2(F.relu(layer.linear1(h))), layer.norm2)
with torch.no_grad():
    expected = layer(x.unsqueeze(0), src_mask=mask, is_causal=True)[0]
print(torch.allclose(h, expected, atol=1e-4))
# --8<-- [end:layer]
