"""Examples' tasks as the shared tests run them, and the parameters that they leave."""

from pathlib import Path
from typing import Any

import torch
from contributions import contribution_of
from watching import at_node

from alphamed_tutorials.arguments import arguments
from alphamed_tutorials.catalogue import Target
from alphamed_tutorials.runs.folder import Run


def build(example: Target, num_rounds: int = 2, **settings: Any) -> Any:
    """Return an example's task, one local epoch a round, with which a run takes seconds."""
    if "merge_epochs" in arguments(example.scheduler_class):
        settings = {"merge_epochs": 1, **settings}
    return example.build_scheduler(num_rounds, 1, {**contribution_of(example.name).settings, **settings})


def at(example: Target, folder: Path, **settings: Any) -> Any:
    """Return an example's task as it is on a node."""
    return at_node(build(example, **settings), folder)


def state_of(run: Run) -> dict[str, torch.Tensor]:
    """Return the parameters that a run left."""
    return torch.load(run.path / "model.pt", weights_only=True)


def same(state_dict: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    """Return whether two models hold the same numbers to the last bit."""
    return list(state_dict) == list(other) and all(
        value.dtype == other[name].dtype and torch.equal(value, other[name]) for name, value in state_dict.items()
    )
