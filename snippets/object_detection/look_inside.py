"""Look into the detector: what it answers in training and in use, and one step of training."""

from alphamed_tutorials import prepare
from alphamed_tutorials.examples.object_detection.data import build_dataloader

prepare("object_detection", "data", partition="owners", seed=1)
images, targets = next(
    iter(build_dataloader("data/nodes/node1", train=True, batch_size=2))
)

# --8<-- [start:shapes]
import torch

from alphamed_tutorials.examples.object_detection.model import build_model

torch.manual_seed(0)
model = build_model("lite0", min_size=96, weights="package")
learned = sum(p.numel() for p in model.parameters() if p.requires_grad)
print(learned, "of", sum(p.numel() for p in model.parameters()), "parameters learn")
for level, features in model.backbone(torch.zeros(2, 3, 96, 128)).items():
    print(level, features.shape)
# --8<-- [end:shapes]

# --8<-- [start:step]
parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
optimizer = torch.optim.AdamW(parameters, lr=0.0001)
model.train()
losses = model(images, targets)  # in training: five losses
for part, value in losses.items():
    print(f"{part}: {value.item():.3f}")
sum(losses.values()).backward()  # the chain rule fills every .grad
norm = torch.nn.utils.clip_grad_norm_(parameters, 5.0)  # at most 5 long
print(f"gradient {norm:.1f} long")
optimizer.step()
optimizer.zero_grad()
# --8<-- [end:step]

# --8<-- [start:inference]
model.eval()
with torch.no_grad():
    answer = model(images)[0]  # in use: boxes, labels, scores, masks
print({name: tuple(value.shape) for name, value in answer.items()})
# --8<-- [end:inference]
