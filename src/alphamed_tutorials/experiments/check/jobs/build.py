"""Build a task's model and optimizer, and look whether the SDK can average the state dict."""

from typing import Any

import cloudpickle
import torch
from torch import nn
from torch.optim import Optimizer

SMALL = (torch.int8, torch.uint8, torch.int16, torch.float16)


def main(entry: str, data_dir: str, num_owners: int) -> dict[str, list[str]]:
    """Return what is wrong with model and optimizer (`built`), and with the state dict (`averaged`)."""
    with open(entry, "rb") as file:
        scheduler = cloudpickle.load(file)
    scheduler.id, scheduler.is_initiator, scheduler.is_aggregator = "aggregator", True, True
    scheduler.data_dir = data_dir
    built = list(_wrongly_built(scheduler))
    return {"built": built, "averaged": [] if built else _not_averaged(scheduler, num_owners)}


def _wrongly_built(scheduler: Any):
    model = scheduler.model
    if not isinstance(model, nn.Module):
        yield f"build_model() returns {_kind(model)}, not the model"
        return
    optimizer = scheduler.optimizer
    if not isinstance(optimizer, Optimizer):
        yield f"build_optimizer() returns {_kind(optimizer)}, not the optimizer"
        return
    own = {id(parameter) for parameter in model.parameters()}
    if not any(id(parameter) in own for group in optimizer.param_groups for parameter in group["params"]):
        yield "the optimizer holds no parameter of the model that it was given: it would train nothing"


def _not_averaged(scheduler: Any, num_owners: int) -> list[str]:
    """Return a line for each entry that would come out wrong."""
    state_dict, again = scheduler.state_dict(), scheduler.state_dict()
    if not state_dict:
        return ["the state dict is empty: nothing would be learned from other nodes"]
    tensors = {name: value for name, value in state_dict.items() if isinstance(value, torch.Tensor)}
    lines = [f"{name} is {_kind(value)}, no tensor" for name, value in state_dict.items() if name not in tensors]
    for name, value in tensors.items():
        wrong = _wrong(value, num_owners)
        if not wrong and value.numel() and not scheduler.involve_aggregator and _place(value) != _place(again[name]):
            wrong = "is a copy: the aggregator sets entries to zero and sums into them, which a copy does not keep"
        if wrong:
            lines.append(f"{name} {wrong}")
    return lines or _sharing(tensors)


def _wrong(value: torch.Tensor, num_owners: int) -> str:
    if value.layout != torch.strided:
        return f"is stored as {value.layout}, which cannot be summed in place"
    if any(size > 1 and stride == 0 for size, stride in zip(value.shape, value.stride())):
        return "is expanded: many of its numbers are one place in memory, which cannot be summed in place"
    if value.dtype == torch.bool:
        return "is bool, which cannot be divided"
    if value.dtype in SMALL and value.numel():
        largest = torch.finfo(value.dtype).max if value.is_floating_point() else torch.iinfo(value.dtype).max
        if value.double().abs().max().item() * num_owners > largest:
            return f"is {_kind(value)}: the sum of {num_owners} owners' numbers is above {largest:g}, the largest it can hold"
    return ""


def _sharing(tensors: dict[str, torch.Tensor]) -> list[str]:
    """Return a line for each two entries that lie, in part, in the same memory."""
    places = sorted((*_extent(value), name) for name, value in tensors.items() if value.numel())
    lines, (farthest, first) = [], (0, "")
    for start, end, name in places:
        if start < farthest:
            lines.append(f"{name} lies in the same memory as {first}: it would be summed and divided twice")
        farthest, first = max((farthest, first), (end, name))
    return lines


def _extent(value: torch.Tensor) -> tuple[int, int]:
    """Return the addresses between which a tensor lies."""
    length = 1 + sum((size - 1) * stride for size, stride in zip(value.shape, value.stride()))
    return value.data_ptr(), value.data_ptr() + length * value.element_size()


def _place(value: Any) -> int:
    return value.data_ptr() if isinstance(value, torch.Tensor) else 0


def _kind(value: Any) -> str:
    return str(value.dtype).removeprefix("torch.") if isinstance(value, torch.Tensor) else type(value).__name__
