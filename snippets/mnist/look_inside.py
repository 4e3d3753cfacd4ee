"""Look into the model, and take one step of training apart."""

import torch

batch, targets = torch.zeros(64, 1, 28, 28), torch.zeros(64, dtype=torch.long)

# --8<-- [start:shapes]
from alphamed_tutorials.examples.mnist.model import ConvNet

model = ConvNet()
print(sum(parameter.numel() for parameter in model.parameters()), "parameters")
log_probabilities = model(batch)
print(log_probabilities.shape, f"{log_probabilities[0].exp().sum():.4f}")
# --8<-- [end:shapes]

# --8<-- [start:step]
import torch
import torch.nn.functional as F

optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.5)
loss = F.nll_loss(model(batch), targets)  # forward: every operation is noted
weight = model.fc2.weight
before = weight.detach().clone()
loss.backward()  # backward: the chain rule fills every .grad
optimizer.step()  # update; momentum starts at zero, so: -0.05 · gradient
print(weight.grad.shape, torch.allclose(weight, before - 0.05 * weight.grad))
optimizer.zero_grad()  # or the next backward would add to this gradient
# --8<-- [end:step]

# --8<-- [start:inference]
model.eval()  # dropout off
with torch.no_grad():  # and nothing to note
    print(model(batch).argmax(1)[:5])
# --8<-- [end:inference]
