"""What the models of nodes have in memory."""

from collections.abc import Iterator, Sequence

import torch
from alphafed.fed_avg import FedAvgScheduler
from torch import nn


def overwritten(scheduler: FedAvgScheduler) -> set[int]:
    """Return by their keys the storages of parameters that the next round overwrites anyway.

    Only where `load_state_dict` is the SDK's and torch's own, which replace every entry: one that loads in its own
    way may keep some.
    """
    loads = type(scheduler).load_state_dict, type(scheduler.model).load_state_dict
    if loads != (FedAvgScheduler.load_state_dict, nn.Module.load_state_dict):
        return set()
    return {storage._cdata for storage in _storages(scheduler.model)}


def share_memory(one: nn.Module, other: nn.Module) -> bool:
    """Return whether two models lie, in part, in the same memory."""
    return bool({s.data_ptr() for s in _storages(one)} & {s.data_ptr() for s in _storages(other)} - {0})


def span(shape: Sequence[int], stride: Sequence[int]) -> int:
    """Return how many numbers of memory a tensor spans, from its first to its last; it is not empty."""
    return 1 + sum((size - 1) * step for size, step in zip(shape, stride))


def _storages(model: nn.Module) -> Iterator[torch.UntypedStorage]:
    values = model.state_dict().values()
    return (value.untyped_storage() for value in values if isinstance(value, torch.Tensor))
