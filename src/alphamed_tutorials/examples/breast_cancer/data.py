"""From the table in a node's folder to batches of tensors."""

# --8<-- [start:imports]
from pathlib import Path

import torch
from torch.utils.data import DataLoader, Dataset

# --8<-- [end:imports]
from .dataset_verify import DIAGNOSES, measured, read_split
from .model import MEANS, SPREADS, standardise


# --8<-- [start:dataset]
def read_patients(data_dir: str | Path, split: str) -> list[dict[str, str]]:
    """Return rows of `train`, `validation` or `test`; every third test row validates."""
    if split == "train":
        return read_split(Path(data_dir), "train")
    rows = read_split(Path(data_dir), "test")
    return [row for i, row in enumerate(rows) if (i % 3 == 0) == (split == "validation")]


class PatientDataset(Dataset):
    """Hand out standardised measures of patients with their diagnoses.

    Args:
        data_dir: A node's data folder, holding `train.csv` or `test.csv`.
        split: `train`, `validation` or `test`.
    """

    def __init__(self, data_dir: str | Path, split: str):
        rows = read_patients(data_dir, split)
        values = torch.tensor([measured(row) for row in rows])
        self.inputs = standardise(values, torch.tensor(MEANS), torch.tensor(SPREADS))
        self.labels = torch.tensor(
            [float(DIAGNOSES[row["diagnosis"].strip()]) for row in rows]
        )
        self.hospitals = [row["hospital"] for row in rows]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return one patient's measures [30] and 1.0 if the mass is malignant."""
        return self.inputs[index], self.labels[index]


def build_dataloader(data_dir: str | Path, split: str, batch_size: int) -> DataLoader:
    """Return batches of ([N, 30], [N]), for training in a new order each epoch."""
    dataset = PatientDataset(data_dir, split)
    is_train = split == "train"
    # BatchNorm cannot train on a last batch of one: drop what does not fill a batch.
    size = min(batch_size, len(dataset))
    return DataLoader(dataset, batch_size=size, shuffle=is_train, drop_last=is_train)


# --8<-- [end:dataset]


def sample_inputs(data_dir: str | Path, count: int) -> torch.Tensor:
    """Return the first test patients' measures [count, 30], as `Predictor` takes them."""
    rows = read_patients(data_dir, "test")[:count]
    return torch.tensor([measured(row) for row in rows])
