"""Read what a node holds."""

import csv
from pathlib import Path

import torch
from torch.utils.data import TensorDataset


def read_samples(data_dir):
    """Return three measures [N, 3] and the kind [N] of each flower."""
    with open(Path(data_dir) / "measures.csv", newline="") as file:
        inputs = torch.tensor([[float(cell) for cell in row] for row in csv.reader(file)])
    with open(Path(data_dir) / "kinds.csv", newline="") as file:
        labels = torch.tensor([int(row[0]) for row in csv.reader(file)])
    return TensorDataset(inputs, labels)
