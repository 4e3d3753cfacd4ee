"""Look into the model, take one step of training, and see what freezing the backbone means."""

from pathlib import Path

from torch.utils.data import DataLoader

from alphamed_tutorials import prepare
from alphamed_tutorials.examples.transfer_learning.data import PictureDataset

prepare("transfer_learning", "data", seed=1)
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

# --8<-- [start:twins]
import torch.nn.functional as F
from torch import nn

x = torch.randn(2, 3) * 9
print(torch.equal(nn.ReLU6()(x), F.relu6(x)), F.relu6(x).max() <= 6)  # nothing to learn
loss = F.cross_entropy(x, torch.tensor([0, 2]))
print(torch.allclose(loss, F.nll_loss(F.log_softmax(x, dim=1), torch.tensor([0, 2]))))
# --8<-- [end:twins]

# --8<-- [start:step]
optimizer = torch.optim.SGD(model.head.parameters(), lr=0.001, momentum=0.9)
loss = F.cross_entropy(model.head(features), targets)
loss.backward()
print(model.head.weight.grad.shape)  # the head has gradients
print({parameter.grad for parameter in model.backbone.parameters()})  # nothing
optimizer.step()
optimizer.zero_grad()
# --8<-- [end:step]

# --8<-- [start:drift]
layer = model.backbone.bn0  # the first BatchNorm
before = layer.running_mean.clone()
with torch.no_grad():
    model.eval()(batch)
print("moved in eval mode:", (layer.running_mean - before).abs().max().item())
with torch.no_grad():
    model.train()(batch)  # nobody calls step(), and yet …
print("moved in train mode:", (layer.running_mean - before).abs().max().item())
# --8<-- [end:drift]
