"""Look into the model, take one step of training, and see what freezing the backbone means."""

from pathlib import Path

import torch
from torch.utils.data import DataLoader

from alphamed_tutorials import prepare
from alphamed_tutorials.examples.transfer_learning.data import PictureDataset

prepare("transfer_learning", "data", seed=1)
torch.manual_seed(1)
dataset = PictureDataset(Path("data/nodes/node1"), "train", augment=True)
batch, targets = next(iter(DataLoader(dataset, batch_size=8, shuffle=True)))

# --8<-- [start:shapes]
import torch

from alphamed_tutorials.examples.transfer_learning.model import Classifier

model = Classifier("efficientnet_lite0", data_dir="data/nodes/node1").eval()
for name, part in (("backbone", model.backbone), ("head", model.head)):
    print(name, sum(parameter.numel() for parameter in part.parameters()), "parameters")
with torch.no_grad():
    features = model.extract_features(batch)
print(batch.shape, "→", features.shape, "→", model.head(features).shape)
# --8<-- [end:shapes]

# --8<-- [start:inverted_residual]
import torch.nn.functional as F

block = model.backbone.blocks[2]  # 24 channels in, 24 out
x = torch.randn(1, 24, 56, 56)
with torch.no_grad():
    wide = F.relu6(block.bn0(block.expand_conv(x)))
    filtered = F.relu6(block.bn1(block.depthwise_conv(block.pad(wide))))
    narrow = block.bn2(block.project_conv(filtered))
    for each in (x, wide, filtered, narrow):
        print(list(each.shape))
    print(torch.equal(narrow + x, block(x)))  # the shortcut adds the input
print(block.depthwise_conv.weight.numel(), "weights; a full 3×3:", 144 * 144 * 3 * 3)
# --8<-- [end:inverted_residual]

# --8<-- [start:update_rule]
from torch import nn

weight = nn.Parameter(torch.zeros(1))
optimizer = torch.optim.SGD([weight], lr=0.1, momentum=0.9)
by_hand, velocity = 0.0, 0.0
for step in range(1, 5):
    weight.grad = torch.ones(1)  # as if all batches pulled one way
    optimizer.step()
    velocity = 0.9 * velocity + 1.0
    by_hand = by_hand - 0.1 * velocity
    print(f"step {step}: {weight.item():.4f}, by hand {by_hand:.4f}")
# --8<-- [end:update_rule]

# --8<-- [start:step]
optimizer = torch.optim.SGD(model.head.parameters(), lr=0.001, momentum=0.9)
loss = F.cross_entropy(model.head(features), targets)
loss.backward()
print("features.requires_grad:", features.requires_grad)
for name, layer in (("backbone", model.backbone.conv_stem), ("head", model.head)):
    shape = None if layer.weight.grad is None else list(layer.weight.grad.shape)
    print(name, "requires_grad:", layer.weight.requires_grad, "grad:", shape)
print(all(parameter.grad is None for parameter in model.backbone.parameters()))
optimizer.step()
optimizer.zero_grad()
# --8<-- [end:step]

# --8<-- [start:drift]
layer = model.backbone.bn0  # the first BatchNorm
before = layer.running_mean.clone()
for mode in (False, True):
    with torch.no_grad():
        for _ in range(5):
            model.train(mode)(batch)  # nobody calls step(), and yet …
        now = model.eval().extract_features(batch)
    mean = (layer.running_mean - before).abs().max().item()
    moved = ((now - features).norm() / features.norm()).item()
    print(f"train({mode}): mean moved by {mean:.4f}, features by {moved:.1%}")
# --8<-- [end:drift]
