"""Look into the model, take one step of training, and see what the two modes do."""

import torch

batch, targets = torch.randn(32, 1, 8000), torch.zeros(32, dtype=torch.long)

# --8<-- [start:shapes]
from alphamed_tutorials.examples.speech_commands.model import M5

model = M5()
print(sum(parameter.numel() for parameter in model.parameters()), "parameters")
print(model.conv1(batch).shape)  # 80 samples at a time, every 16 samples
log_probabilities = model(batch)
print(log_probabilities.shape, f"{log_probabilities[0].exp().sum():.4f}")
# --8<-- [end:shapes]

# --8<-- [start:step]
import torch
import torch.nn.functional as F

optimizer = torch.optim.Adam(model.parameters(), lr=0.005, weight_decay=1e-4)
weight = model.fc1.weight
before = weight.detach().clone()
loss = F.nll_loss(model(batch), targets)  # forward: every operation is noted
loss.backward()  # backward: the chain rule fills every .grad
optimizer.step()  # update: Adam's first step is about lr, whatever the gradient
print(f"{loss.item():.2f}", f"{(weight - before).abs().max().item():.4f}")
optimizer.zero_grad()  # or the next backward would add to this gradient
# --8<-- [end:step]

# --8<-- [start:modes]
seen = model.bn1.num_batches_tracked.item()
model.train()
model(batch)  # BatchNorm measures this batch, and remembers
print(model.bn1.num_batches_tracked.item() - seen)
model.eval()
with torch.no_grad():
    model(batch)  # now it uses what it remembers, and nothing changes
print(model.bn1.num_batches_tracked.item() - seen)
# --8<-- [end:modes]
