"""What a node carries from round to round, and what every set-up makes anew."""

import random
from collections.abc import Collection, Mapping
from typing import Any, TypedDict

import numpy as np
import torch
from alphafed.fed_avg import FedAvgScheduler

# Data loaders are made anew by every set-up: data stays on the node and out of checkpoints.
LOADERS = ("train_loader", "test_loader", "validation_loader")
REBUILT = {
    "id", "task_id", "data_dir", "tb_writer", "contractor", "data_channel", "_init_contractor",
    "_runtime_dir", "_context_file", "_checkpoint_dir", "_ckpt_file", "_result_dir", "_log_dir",
    *(f"_{name}" for name in LOADERS),
}  # fmt: skip
ESSENTIAL = {"_model", "_optimizer"}
GENERATORS = (torch.Generator, np.random.Generator, np.random.RandomState, random.Random)

Generators = Mapping[str, list[dict[str, Any]]]


class Kept(TypedDict):
    """What a checkpoint holds of one node.

    Attributes:
        attributes: The scheduler's, without those that every set-up makes anew.
        generators: By loader, for each of its parts, the random number generators of its own.
        random_state: That of the process's global generators at the end of the node's last turn.
    """

    attributes: dict[str, Any]
    generators: Generators
    random_state: tuple


def attributes_and_generators(
    scheduler: FedAvgScheduler, forgotten: Collection[str]
) -> tuple[dict[str, Any], Generators]:
    """Return what a scheduler carries on: its attributes, and the generators of its loaders.

    Args:
        scheduler: The node's.
        forgotten: Attributes to leave out.
    """
    loaders = {name: vars(scheduler).get(f"_{name}") for name in LOADERS}
    parts = {name: _parts(loader) for name, loader in loaders.items() if loader is not None}
    left_out = {id(part) for loader_parts in parts.values() for part in loader_parts}
    attributes = {
        name: value
        for name, value in vars(scheduler).items()
        if name not in REBUILT and name not in forgotten and id(value) not in left_out
    }
    return attributes, {name: [_generators(part) for part in loader_parts] for name, loader_parts in parts.items()}


def restore_generators(scheduler: FedAvgScheduler, kept: Generators) -> None:
    """Let the loaders, made anew, go on with the generators of before."""
    for loader, generators in kept.items():
        for part, found in zip(_parts(getattr(scheduler, loader)), generators):
            vars(part).update(found)


def _parts(loader: Any) -> list[Any]:
    """Return a data loader and the datasets and samplers it is made of."""
    parts = [loader]
    for part in parts:  # which grows meanwhile
        found = [_attributes(part).get(name) for name in ("dataset", "sampler", "batch_sampler")]
        parts += [new for new in found if new is not None and not any(new is known for known in parts)]
    return parts


def _generators(part: Any) -> dict[str, Any]:
    """Return the attributes that are random number generators of one's own."""
    return {name: value for name, value in _attributes(part).items() if isinstance(value, GENERATORS)}


def _attributes(part: Any) -> dict[str, Any]:
    return getattr(part, "__dict__", {})
