"""Read a damaged folder as training does, and say what comes of it."""

from typing import Any

import cloudpickle
import torch

from alphamed_tutorials.experiments.check.watch import random_states, set_random_states


def main(entry: str, sound: str, damaged: str) -> str:
    """Return `same`, `fewer` numbers, `other` numbers, or `fails`."""
    generators = random_states()
    expected = _read(entry, sound)
    set_random_states(generators)
    try:
        found = _read(entry, damaged)
    except Exception:
        return "fails"
    if sum(map(torch.numel, found)) < sum(map(torch.numel, expected)):
        return "fewer"
    return "same" if len(found) == len(expected) and all(map(torch.equal, found, expected)) else "other"


def _read(entry: str, data_dir: str) -> list[torch.Tensor]:
    """Return all tensors of one epoch."""
    with open(entry, "rb") as file:
        scheduler = cloudpickle.load(file)
    scheduler.id, scheduler.data_dir, scheduler.is_initiator, scheduler.is_aggregator = "owner", data_dir, False, False
    return [tensor for batch in scheduler.train_loader for tensor in _tensors(batch)]


def _tensors(value: Any) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return [tensor for part in parts for tensor in _tensors(part)]
