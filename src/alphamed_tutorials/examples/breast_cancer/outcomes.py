"""What the model says of each test patient; only recorded results need this, it is not uploaded."""

from collections.abc import Sequence
from typing import Any

import torch

from .model import auc, probabilities_of


@torch.no_grad()
def outcomes(scheduler: Any) -> list[tuple[float, int]]:
    """Return (probability of malignancy, 1 if it is) for each test patient, in the order of the file."""
    dataset = scheduler.test_loader.dataset
    said = probabilities_of(scheduler.model(dataset.inputs.to(scheduler.device)))
    return list(zip(said.tolist(), map(int, dataset.labels.tolist())))


def metric(found: Sequence[tuple[float, int]]) -> float:
    """Return the AUC of some of these patients."""
    said, true = torch.tensor(found, dtype=torch.double).T
    return auc(said, true)
