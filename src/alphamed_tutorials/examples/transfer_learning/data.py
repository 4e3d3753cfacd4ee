"""From the pictures in a node's folder to batches of tensors."""

# --8<-- [start:imports]
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset
from torchvision.transforms import v2

# --8<-- [end:imports]
from .dataset_verify import list_pictures, read_picture
from .model import CLASSES, crop_centre


# --8<-- [start:dataset]
class PictureDataset(Dataset):
    """Hand out images with labels; the task says which folder is which label.

    Args:
        data_dir: A node's data folder, holding `train/ants` and so on.
        split: `train` or `val`.
        augment: Cut out and flip at random, for training; else take the middle.
    """

    def __init__(self, data_dir: str | Path, split: str, augment: bool):
        pictures = list_pictures(Path(data_dir) / split)
        self.samples = [(path, CLASSES.index(path.parent.name)) for path in pictures]
        random_part = v2.RandomResizedCrop(224, antialias=True)
        both = v2.Compose([random_part, v2.RandomHorizontalFlip()])
        self.augment = both if augment else None

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        """Return one image [3, 224, 224] between 0 and 1, and its label."""
        path, label = self.samples[index]
        pixels = read_picture(path)
        if self.augment is not None:
            return self.augment(pixels).float() / 255, label
        return crop_centre(pixels.unsqueeze(0)).squeeze(0), label


# --8<-- [end:dataset]


# --8<-- [start:features]
@torch.no_grad()
def extract_features(
    model: nn.Module, dataset: Dataset, device: torch.device
) -> TensorDataset:
    """Return features [N, F] of all images, computed once, and their labels [N]."""
    model.eval()  # or BatchNorm would use the batch's statistics, and drift
    features, labels = [], []
    for images, targets in DataLoader(dataset, batch_size=16):
        features.append(model.extract_features(images.to(device)).cpu())
        labels.append(targets)
    return TensorDataset(torch.cat(features), torch.cat(labels))


# --8<-- [end:features]


def sample_inputs(data_dir: str | Path, count: int) -> torch.Tensor:
    """Return raw pixels [count, 3, 256, 256] of test pictures of both classes, as `Predictor` takes them."""
    samples = PictureDataset(data_dir, "val", augment=False).samples
    paths = [path for path, _ in samples[:: max(1, len(samples) // count)][:count]]
    squares = [
        crop_centre(read_picture(path).unsqueeze(0), resize=256, crop=256)
        for path in paths
    ]
    return (torch.cat(squares) * 255).round().to(torch.uint8)
