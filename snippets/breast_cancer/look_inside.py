"""Look into the model, and take one step of training apart."""

import torch

torch.manual_seed(0)
batch, targets = torch.randn(16, 30), torch.randint(2, (16,)).float()

# --8<-- [start:shapes]
import torch

from alphamed_tutorials.examples.breast_cancer.model import NucleiNet

torch.manual_seed(1)
model = NucleiNet()
for name, value in model.state_dict().items():
    print(name, list(value.shape))
print(sum(parameter.numel() for parameter in model.parameters()), "parameters")
print(model(batch).shape)
# --8<-- [end:shapes]

# --8<-- [start:lone]
try:
    model(batch[:1])  # training mode, one patient
except ValueError as error:
    print(error)
# --8<-- [end:lone]

# --8<-- [start:step]
from alphamed_tutorials.examples.breast_cancer.model import weighted_loss

optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
before = model.layers[0].weight.detach().clone()
loss = weighted_loss(model(batch), targets)  # forward
loss.backward()  # the gradient of every parameter
optimizer.step()  # Adam's first step is as long for every weight
change = (model.layers[0].weight - before).abs()
print(f"loss {loss:.3f}, a weight moved by {change.median():.4f}")
optimizer.zero_grad()
# --8<-- [end:step]

# --8<-- [start:weight]
from alphamed_tutorials.examples.breast_cancer.model import probabilities_of

labels = torch.tensor(
    [1.0] * 30 + [0.0] * 70
)  # 30 % are malignant, and that is all we know
logit = torch.zeros((), requires_grad=True)
adam = torch.optim.Adam([logit], lr=0.05)
for _ in range(500):
    adam.zero_grad()
    weighted_loss(logit.expand(100), labels).backward()
    adam.step()
print(f"as trained {torch.sigmoid(logit):.3f}, weight out {probabilities_of(logit):.3f}")
# --8<-- [end:weight]
