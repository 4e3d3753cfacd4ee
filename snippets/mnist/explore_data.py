"""Follow one digit from the bytes of a file to a batch of tensors."""

from alphamed_tutorials import prepare

prepare("mnist", "data", seed=1)

# --8<-- [start:file]
from pathlib import Path

from alphamed_tutorials.examples.mnist.data import read_idx

node1 = Path("data/nodes/node1")
images = read_idx(node1 / "MNIST" / "raw", "train-images-idx3-ubyte")
labels = read_idx(node1 / "MNIST" / "raw", "train-labels-idx1-ubyte")
print(images.shape, images.dtype, labels.shape, labels[0].item())
for row in images[0, 4:24:2]:  # every second row, in characters
    print("".join(" .:*#"[pixel // 52] for pixel in row.tolist()))
# --8<-- [end:file]

# --8<-- [start:sample]
import torch

from alphamed_tutorials.examples.mnist.data import DigitDataset, build_dataloader

dataset = DigitDataset(node1, train=True)
image, label = dataset[0]
print(len(dataset), image.shape, image.dtype, label.item())
print(f"from {image.min():.2f} to {image.max():.2f}")

torch.manual_seed(1)  # the same order at every run
batch, targets = next(iter(build_dataloader(node1, train=True, batch_size=64)))
print(batch.shape, targets.shape)
# --8<-- [end:sample]

# --8<-- [start:workers]
from torch.utils.data import DataLoader


def first_labels(**workers):
    torch.manual_seed(1)
    return next(iter(DataLoader(dataset, batch_size=64, shuffle=True, **workers)))[1]


alone = first_labels(num_workers=0)  # this process reads, then trains, then reads
ahead = first_labels(num_workers=2, multiprocessing_context="fork")  # two read ahead
print("the same batch:", torch.equal(alone, ahead))
# --8<-- [end:workers]
