"""One step of training, taken apart."""

import torch
import torch.nn.functional as F
from alphamed_tutorials.examples.mnist.model import ConvNet
from torch import nn

batch, targets = torch.zeros(64, 1, 28, 28), torch.zeros(64, dtype=torch.long)

# --8<-- [start:twins]
x = torch.randn(2, 3)
print(torch.equal(nn.ReLU()(x), F.relu(x)))  # nothing to learn: take either
layer = nn.Linear(3, 4)
print(torch.equal(layer(x), F.linear(x, layer.weight, layer.bias)))  # the module keeps weight and bias for you
# --8<-- [end:twins]

# --8<-- [start:shapes]
model = ConvNet()
print(sum(parameter.numel() for parameter in model.parameters()), "parameters")
log_probabilities = model(batch)
print(log_probabilities.shape, f"sum of probabilities: {log_probabilities[0].exp().sum():.4f}")
# --8<-- [end:shapes]

# --8<-- [start:step]
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.5)
loss = F.nll_loss(model(batch), targets)  # forward: autograd notes every operation
weight = model.fc2.weight
before = weight.detach().clone()
loss.backward()  # backward: the chain rule fills .grad of every parameter
optimizer.step()  # update: momentum starts at zero, so the first step is -0.05 · gradient
print(weight.grad.shape, torch.allclose(weight, before - 0.05 * weight.grad))
optimizer.zero_grad()  # or the next backward would add to this gradient
# --8<-- [end:step]

# --8<-- [start:inference]
model.eval()  # dropout off
with torch.no_grad():  # and nothing to note
    print(model(batch).argmax(1)[:5])
# --8<-- [end:inference]
