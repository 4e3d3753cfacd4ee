"""What happens when each node numbers the classes by its own folders."""

# --8<-- [start:image_folder]
from pathlib import Path

from torchvision.datasets import ImageFolder

from alphamed_tutorials.examples.transfer_learning.data import PictureDataset

for node, classes in (("a", ("ants", "bees")), ("b", ("bees",))):
    for name in classes:
        folder = Path(node, "train", name)
        folder.mkdir(parents=True)
        (folder / "1.jpg").touch()
    print(node, ImageFolder(Path(node, "train")).class_to_idx)
# --8<-- [end:image_folder]

# --8<-- [start:ours]
Path("b/train/ants").mkdir()  # this node has none, and says so
print(PictureDataset("b", "train", augment=False).samples)
# --8<-- [end:ours]
