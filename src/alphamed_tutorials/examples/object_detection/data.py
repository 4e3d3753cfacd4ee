"""From the pictures in a node's folder to batches of tensors."""

# --8<-- [start:imports]
from pathlib import Path

import torch
from torch.utils.data import DataLoader, Dataset
from torchvision.io import ImageReadMode, read_image
from torchvision.ops import masks_to_boxes
# --8<-- [end:imports]


# --8<-- [start:dataset]
class PedestrianDataset(Dataset):
    """Hand out pictures with the box and the mask of every pedestrian.

    Args:
        data_dir: A node's data folder, holding `PennFudanPed`.
        train: Mirror every second picture, by chance.
    """

    def __init__(self, data_dir: str | Path, train: bool):
        self.folder, self.train = Path(data_dir) / "PennFudanPed", train
        self.names = sorted(path.stem for path in (self.folder / "PNGImages").glob("*.png"))
        if not self.names:
            raise FileNotFoundError(f"{self.folder / 'PNGImages'} holds no picture: put PennFudan's files of this node there")

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Return a picture [3, H, W], 0 to 1, and its pedestrians: boxes [P, 4], labels [P] and masks [P, H, W]."""
        image = read_image(str(self.folder / "PNGImages" / f"{self.names[index]}.png"), ImageReadMode.RGB) / 255
        instances = read_image(str(self.folder / "PedMasks" / f"{self.names[index]}_mask.png"))[0]
        if self.train and torch.rand(()) < 0.5:
            image, instances = image.flip(-1), instances.flip(-1)
        return image, build_target(instances)


def build_target(instances: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return what a mask picture [H, W] says: 0 is background, 1 the first pedestrian, 2 the second …"""
    numbers = instances.unique()
    masks = instances == numbers[numbers > 0][:, None, None]  # [P, H, W]
    boxes = masks_to_boxes(masks) + torch.tensor([0, 0, 1, 1]) if len(masks) else torch.zeros(0, 4)
    return {
        "boxes": boxes.float(),  # [P, 4], also for a picture without anybody
        "labels": torch.ones(len(masks), dtype=torch.int64),
        "masks": masks.to(torch.uint8),
    }


def collate(samples: list[tuple]) -> tuple[list, list]:
    """Keep pictures apart: their sizes differ, so they cannot be stacked."""
    images, targets = zip(*samples)
    return list(images), list(targets)


def build_dataloader(data_dir: str | Path, train: bool, batch_size: int) -> DataLoader:
    """Return batches of (pictures, targets), two lists; training pictures come in a new order each epoch."""
    return DataLoader(PedestrianDataset(data_dir, train), batch_size=batch_size, shuffle=train, collate_fn=collate)
# --8<-- [end:dataset]


def sample_inputs(data_dir: str | Path, count: int) -> list[torch.Tensor]:
    """Return the raw pixels [3, H, W] of the first test pictures, as `Predictor` takes them."""
    files = sorted((Path(data_dir) / "PennFudanPed" / "PNGImages").glob("*.png"))[:count]
    return [read_image(str(file), ImageReadMode.RGB) for file in files]
