"""Which test photos the model takes for what they are; only recorded results need this, it is not uploaded."""

from typing import Any

import torch

from .model import CLASSES


@torch.no_grad()
def outcomes(scheduler: Any) -> list[tuple[int, int]]:
    """Return (1 if right, 1) for each test photo, in the order of their names."""
    scheduler.trained.eval()
    found = []
    for inputs, labels in scheduler.test_loader:
        found += (scheduler.trained(inputs).argmax(1) == labels).tolist()
    return [(int(right), 1) for right in found]


def classes(scheduler: Any) -> list[str]:
    """Return what each of them shows."""
    return [
        CLASSES[label] for _, labels in scheduler.test_loader for label in labels.tolist()
    ]
