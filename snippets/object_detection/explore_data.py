"""Follow one picture from its files to a batch of tensors."""

from alphamed_tutorials import prepare

prepare("object_detection", "data", partition="owners", seed=1)

# --8<-- [start:file]
from pathlib import Path

from torchvision.io import read_image

node1 = Path("data/nodes/node1")
folder = node1 / "PennFudanPed"
name = sorted((folder / "PNGImages").iterdir())[0].stem
picture = read_image(str(folder / "PNGImages" / f"{name}.png"))
mask = read_image(str(folder / "PedMasks" / f"{name}_mask.png"))[0]
print(name, picture.shape, picture.dtype, mask.shape, mask.unique().tolist())
for row in mask[::8, ::4]:  # every eighth row, in characters
    print("".join(".123"[number] for number in row.tolist()))
# --8<-- [end:file]

# --8<-- [start:sample]
import torch

from alphamed_tutorials.examples.object_detection.data import (
    PedestrianDataset,
    build_dataloader,
)

image, target = PedestrianDataset(node1, train=False)[0]
print(image.shape, image.dtype)
for entry, value in target.items():
    print(entry, value.dtype, value.shape)
print(target["boxes"])

torch.manual_seed(0)  # the same chance at every run
images, targets = next(iter(build_dataloader(node1, train=True, batch_size=2)))
print([image.shape for image in images], [len(target["boxes"]) for target in targets])
# --8<-- [end:sample]
