"""Look into the model, take two steps of Adam by hand and one step of training."""

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

# --8<-- [start:batch_norm]
import torch

x = model.conv1(batch).detach()  # [N, 32, 496]
norm = model.bn1
gamma, beta = norm.weight[:, None], norm.bias[:, None]  # one for each channel
mean, variance = x.mean((0, 2)), x.var((0, 2), unbiased=False)
remembered = 0.9 * norm.running_mean + 0.1 * mean

model.train()
by_hand = gamma * (x - mean[:, None]) / (variance[:, None] + 1e-5).sqrt() + beta
print("train:", torch.allclose(norm(x), by_hand, atol=1e-4))
print("noted:", torch.allclose(norm.running_mean, remembered, atol=1e-6))

model.eval()
mean, variance = norm.running_mean, norm.running_var
by_hand = gamma * (x - mean[:, None]) / (variance[:, None] + 1e-5).sqrt() + beta
print("eval: ", torch.allclose(norm(x), by_hand, atol=1e-4))
# --8<-- [end:batch_norm]

# --8<-- [start:adam]
import torch.nn.functional as F

model.train()
optimizer = torch.optim.Adam(model.parameters(), lr=0.005, weight_decay=1e-4)
weight = model.fc1.weight
w, m, v = weight.detach().clone(), 0, 0
for t in (1, 2):
    optimizer.zero_grad()
    F.nll_loss(model(batch), targets).backward()
    g = weight.grad + 1e-4 * w  # weight decay pulls each weight towards 0
    m = 0.9 * m + 0.1 * g
    v = 0.999 * v + 0.001 * g**2
    step = (m / (1 - 0.9**t)) / ((v / (1 - 0.999**t)).sqrt() + 1e-8)
    w = w - 0.005 * step
    optimizer.step()
    print(f"step {t}:", torch.allclose(weight, w, atol=1e-6), f"{step.abs().max():.2f}")
# --8<-- [end:adam]

# --8<-- [start:step]
loss = F.nll_loss(model(batch), targets)  # forward: every operation is noted
loss.backward()  # backward: the chain rule adds to every .grad
optimizer.step()  # update
optimizer.zero_grad()  # clear, or the next backward would add to this gradient
print(f"loss {loss.item():.2f}")
# --8<-- [end:step]
