"""Follow one picture from its file to a batch of tensors."""

from alphamed_tutorials import prepare

prepare("transfer_learning", "data", seed=1)

# --8<-- [start:file]
from pathlib import Path

from alphamed_tutorials.examples.transfer_learning.data import read_picture
from alphamed_tutorials.examples.transfer_learning.model import crop_centre

node1 = Path("data/nodes/node1")
file = sorted((node1 / "train/ants").iterdir())[0]
print(file, file.stat().st_size, "bytes, beginning", file.read_bytes()[:3].hex(" "))
pixels = read_picture(file)
print(pixels.shape, pixels.dtype, "top left:", pixels[:, 0, 0].tolist())
image = crop_centre(pixels.unsqueeze(0))
print(image.shape, image.dtype, f"from {image.min():.2f} to {image.max():.2f}")
# --8<-- [end:file]

# --8<-- [start:sample]
import torch
from torch.utils.data import DataLoader

from alphamed_tutorials.examples.transfer_learning.data import PictureDataset

torch.manual_seed(1)  # the same chance at every run
dataset = PictureDataset(node1, "train", augment=True)
print(len(dataset), dataset.samples[0][1], dataset.samples[-1][1])
first, again = dataset[0][0], dataset[0][0]
print(first.shape, first.equal(again))  # another random part each time

batch, targets = next(iter(DataLoader(dataset, batch_size=8, shuffle=True)))
print(batch.shape, targets)
# --8<-- [end:sample]
