"""From the files in a node's folder to batches of tensors."""

# --8<-- [start:imports]
import gzip
from pathlib import Path

import torch
from torch.utils.data import DataLoader, Dataset

# --8<-- [end:imports]
from .model import MEAN, STD


# --8<-- [start:read_idx]
def read_idx(folder: Path, name: str) -> torch.Tensor:
    """Read one file of MNIST's own format, packed or not.

    Args:
        folder: The folder `MNIST/raw`.
        name: The file's name without `.gz`.

    Returns:
        Bytes as they lie in the file: [N, 28, 28] for images, [N] for labels.

    Raises:
        FileNotFoundError: Neither `name` nor `name.gz` is there.
    """
    plain, packed = folder / name, folder / f"{name}.gz"
    if not plain.exists() and not packed.exists():
        raise FileNotFoundError(f"{plain} (or .gz) is missing: copy MNIST's files there")
    content = (
        plain.read_bytes() if plain.exists() else gzip.decompress(packed.read_bytes())
    )
    start = 4 + 4 * content[3]  # byte 3 says how many sizes follow, four bytes each
    sizes = [int.from_bytes(content[i : i + 4], "big") for i in range(4, start, 4)]
    pixels = torch.frombuffer(bytearray(content), dtype=torch.uint8, offset=start)
    return pixels.reshape(sizes)


# --8<-- [end:read_idx]


# --8<-- [start:dataset]
class DigitDataset(Dataset):
    """Hand out normalised images of digits with their labels.

    Args:
        data_dir: A node's data folder, holding `MNIST/raw`.
        train: The `train-*` files if true, else the `t10k-*` files.
    """

    def __init__(self, data_dir: str | Path, train: bool):
        folder, prefix = Path(data_dir) / "MNIST" / "raw", "train" if train else "t10k"
        self.images = read_idx(folder, f"{prefix}-images-idx3-ubyte")
        self.labels = read_idx(folder, f"{prefix}-labels-idx1-ubyte").long()

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
