"""Look into the detector: its two stages, what it answers in training and in use, and one step of training."""

import torch

from alphamed_tutorials import prepare
from alphamed_tutorials.examples.object_detection.data import build_dataloader

prepare("object_detection", "data", partition="owners", seed=1)
torch.manual_seed(0)
images, targets = next(
    iter(build_dataloader("data/nodes/node1", train=True, batch_size=2))
)

# --8<-- [start:shapes]
import torch

from alphamed_tutorials.examples.object_detection.model import build_model

torch.manual_seed(0)
model = build_model("lite0", min_size=96, weights="package")
parts = {"backbone, FPN": model.backbone, "RPN": model.rpn, "heads": model.roi_heads}
for name, part in {**parts, "all": model}.items():
    sizes = {each: each.numel() for each in part.parameters()}
    learned = sum(size for each, size in sizes.items() if each.requires_grad)
    print(f"{name}: {sum(sizes.values()):,} parameters, {learned:,} learn")
# --8<-- [end:shapes]

# --8<-- [start:fpn]
with torch.no_grad():
    batch, _ = model.eval().transform(images)  # scaled and padded into one tensor
    x = model.backbone.stem(batch.tensors)
    for stage in model.backbone.stages:
        x = stage(x)
        print("on the way down:", list(x.shape))
    features = model.backbone(batch.tensors)
for level, scale in features.items():
    print(f"pyramid, {level}:", list(scale.shape))
# --8<-- [end:fpn]

# --8<-- [start:rpn]
with torch.no_grad():
    logits, corrections = model.rpn.head(list(features.values()))
    anchors = model.rpn.anchor_generator(batch, list(features.values()))
    proposals, _ = model.rpn(batch, features)
print("logits:", [list(each.shape) for each in logits])
print("corrections, first scale:", list(corrections[0].shape))
width_height = (anchors[0][:, 2:] - anchors[0][:, :2])[-3:]
print("anchors of a place of the coarsest map:", width_height.tolist())
print(len(anchors[0]), "anchors, of which", len(proposals[0]), "proposals are left")
# --8<-- [end:rpn]

# --8<-- [start:roi_align]
from torchvision.ops import roi_align

with torch.no_grad():
    pooled = model.roi_heads.box_roi_pool(features, proposals, batch.image_sizes)
print([list(each.shape) for each in proposals], "→", list(pooled.shape))

ramp = torch.arange(9.0).expand(1, 1, 9, 9)  # a feature that says how far right it is
for left in (2.0, 2.2, 2.4, 2.6):
    box = torch.tensor([[0, left, 2.0, left + 3, 5.0]])
    aligned = roi_align(ramp, box, 1, aligned=True).item()
    rounded = roi_align(ramp, box.round(), 1, aligned=True).item()
    print(f"box from {left}: aligned {aligned:.1f}, rounded {rounded:.1f}")
# --8<-- [end:roi_align]

# --8<-- [start:adamw]
from torch import nn

for decay in (0.1, 0.01):
    for kind in (torch.optim.Adam, torch.optim.AdamW):
        weight = nn.Parameter(torch.ones(1))
        weight.grad = torch.zeros(1)  # the loss does not care
        kind([weight], lr=0.1, weight_decay=decay).step()
        print(f"{kind.__name__}, weight decay {decay}: 1 becomes {weight.item():.3f}")
# --8<-- [end:adamw]

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
