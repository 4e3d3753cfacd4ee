"""Build a task's model and optimizer, and look whether the SDK can average the state dict."""

from typing import Any

import cloudpickle
import torch
from torch import nn
from torch.optim import Optimizer

from alphamed_tutorials.engines import averaging


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
    if not scheduler.state_dict():
        return ["the state dict is empty: nothing would be learned from other nodes"]
    return [fault.reason for fault in averaging.faults(scheduler, num_owners)]


def _kind(value: Any) -> str:
    return str(value.dtype).removeprefix("torch.") if isinstance(value, torch.Tensor) else type(value).__name__
