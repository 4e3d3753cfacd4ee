"""From the files in a node's folder to batches of tensors."""

# --8<-- [start:imports]
from pathlib import Path

import torch
from torch.utils.data import DataLoader, Dataset

# --8<-- [end:imports]
from .dataset_verify import read_idx, read_split
from .model import MEAN, STD


# --8<-- [start:dataset]
class DigitDataset(Dataset):
    """Hand out normalised images of digits with their labels.

    Args:
        data_dir: A node's data folder, holding `MNIST/raw`.
        train: The `train-*` files if true, else the `t10k-*` files.
    """

    def __init__(self, data_dir: str | Path, train: bool):
        split = "train" if train else "test"
        self.images, labels = read_split(Path(data_dir) / "MNIST" / "raw", split)
        self.labels = labels.long()

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return one image [1, 28, 28] and its label."""
        image = self.images[index].unsqueeze(0).float() / 255
        return (image - MEAN) / STD, self.labels[index]


def build_dataloader(data_dir: str | Path, train: bool, batch_size: int) -> DataLoader:
    """Return batches of ([N, 1, 28, 28], [N]), for training in a new order each epoch."""
    dataset = DigitDataset(data_dir, train)
    return DataLoader(dataset, batch_size=batch_size, shuffle=train)


# --8<-- [end:dataset]


def sample_inputs(data_dir: str | Path, count: int) -> torch.Tensor:
    """Return raw pixels [count, 28, 28] of the first test digits, as `Predictor` takes them."""
    return read_idx(Path(data_dir) / "MNIST" / "raw", "t10k-images-idx3-ubyte")[:count]
