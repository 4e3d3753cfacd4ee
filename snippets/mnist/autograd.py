"""One step of training, taken apart."""

import torch
import torch.nn.functional as F

from alphamed_tutorials.examples.mnist.model import ConvNet

batch, targets = torch.zeros(64, 1, 28, 28), torch.zeros(64, dtype=torch.long)

# --8<-- [start:shapes]
model = ConvNet()
print(sum(parameter.numel() for parameter in model.parameters()), "parameters")
log_probabilities = model(batch)
print(log_probabilities.shape, log_probabilities[0].exp().sum().item())
# --8<-- [end:shapes]

# --8<-- [start:step]
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.5)
loss = F.nll_loss(model(batch), targets)  # forward: autograd notes every operation
weight = model.fc2.weight
before = weight.detach().clone()
loss.backward()  # backward: the chain rule fills .grad of every parameter
print("gradient:", weight.grad.shape)
optimizer.step()  # the update: momentum starts at zero, so the first step is -0.05 · gradient
print(torch.allclose(weight, before - 0.05 * weight.grad))
optimizer.zero_grad()  # or the next backward would add to this gradient
# --8<-- [end:step]
