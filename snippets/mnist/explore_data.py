"""Follow one digit from the bytes of a file to a batch of tensors."""

from pathlib import Path

from alphamed_tutorials.catalogue import find
from alphamed_tutorials.data.partition import Partition
from alphamed_tutorials.data.prepare import prepare
from alphamed_tutorials.examples.mnist.data import (
    DigitDataset,
    build_dataloader,
    read_idx,
)

prepare(find("mnist"), Path("data"), num_nodes=3, partition=Partition(), seed=1)

# --8<-- [start:bytes]
node1 = Path("data/nodes/node1")
images = read_idx(node1 / "MNIST" / "raw", "train-images-idx3-ubyte")
labels = read_idx(node1 / "MNIST" / "raw", "train-labels-idx1-ubyte")
print(images.shape, images.dtype, labels.shape, labels[0].item())
for row in images[0, 4:24:2]:  # every second row, in characters
    print("".join(" .:*#"[pixel // 52] for pixel in row.tolist()))
# --8<-- [end:bytes]

# --8<-- [start:sample]
dataset = DigitDataset(node1, train=True)
image, label = dataset[0]
print(len(dataset), image.shape, image.dtype, label.item())
print(f"from {image.min():.2f} to {image.max():.2f}")

batch, targets = next(iter(build_dataloader(node1, train=True, batch_size=64)))
print(batch.shape, targets.shape)
# --8<-- [end:sample]
