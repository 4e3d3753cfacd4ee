"""What a node carries from round to round, and what every set-up makes anew."""

import gc
import multiprocessing
import random
from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from types import FunctionType, ModuleType
from typing import Any, TypedDict

import numpy as np
import torch
from alphafed.fed_avg import FedAvgScheduler
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader

# Data loaders are made anew by every set-up: data stays on the node and out of checkpoints.
LOADERS = ("train_loader", "test_loader", "validation_loader")
REBUILT = {
    "id", "task_id", "data_dir", "tb_writer", "contractor", "data_channel", "_init_contractor",
    "_runtime_dir", "_context_file", "_checkpoint_dir", "_ckpt_file", "_result_dir", "_log_dir",
    *(f"_{name}" for name in LOADERS),
}  # fmt: skip
ESSENTIAL = {"_model", "_optimizer"}
FATAL = "this run cannot be resumed"
GENERATORS = (torch.Generator, np.random.Generator, np.random.RandomState, random.Random)

Generators = Mapping[str, list[dict[str, Any]]]
Places = list[tuple[dict[str, Any], str, str]]  # the attributes of a part, the name of one, the scheduler's attribute


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
            _attributes(part).update(found)  # a list of samples has none


def places_of(scheduler: FedAvgScheduler, names: Container[str]) -> Places:
    """Return where the parts of the loaders hold attributes of the scheduler.

    Args:
        scheduler: The node's.
        names: The attributes to look for.
    """
    held = {id(value): name for name, value in vars(scheduler).items() if name in names and not _is_plain(value)}
    return [
        (_attributes(part), name, held[id(value)])
        for loader in LOADERS
        for part in _parts(vars(scheduler).get(f"_{loader}"))
        for name, value in _attributes(part).items()
        if id(value) in held
    ]


def hand_over(places: Places, attributes: Mapping[str, Any]) -> None:
    """Let the loaders hold the scheduler's attributes as they are now."""
    for holder, name, attribute in places:
        holder[name] = attributes[attribute]


def anchors(scheduler: FedAvgScheduler) -> dict[str, Any]:
    """Return by name what every set-up makes anew, the scheduler first: what is kept may refer to it."""
    rebuilt = {name: value for name, value in vars(scheduler).items() if name in REBUILT and not _is_plain(value)}
    return {
        "": scheduler,
        **{name: value for name, value in rebuilt.items() if name.removeprefix("_") not in LOADERS},
        **{
            f"{name}/{number}": part
            for name in LOADERS
            if vars(scheduler).get(f"_{name}") is not None
            for number, part in enumerate(_parts(getattr(scheduler, name)))
        },
    }


def anchor(scheduler: FedAvgScheduler, name: str) -> Any:
    """Return the object that `anchors` gave a name to; a loader is built where that was not yet done."""
    loader, _, number = name.partition("/")
    if number:
        return _parts(getattr(scheduler, loader))[int(number)]
    return getattr(scheduler, name) if name else scheduler


def losses(scheduler: FedAvgScheduler, forgotten: Collection[str]) -> Iterator[tuple[str, bool]]:
    """Yield what a resumed run would not have as it was, and whether it can then not be resumed at all.

    It cannot where what is trained would be there twice: once as it is kept, and once in what is made anew.

    Args:
        scheduler: The node's.
        forgotten: Attributes that cannot be kept.
    """
    fixed = anchors(scheduler)
    kept = _trained(attributes_and_generators(scheduler, forgotten)[0].values(), fixed)
    for name in forgotten:
        is_fatal = name in ESSENTIAL or bool(kept & _trained([vars(scheduler)[name]], fixed))
        effect = (
            f"{FATAL}. Keep files, locks and the like out of it"
            if is_fatal
            else "if this run is resumed, it starts afresh"
        )
        yield f"self.{name} cannot be pickled: {effect}", is_fatal
    own = {id(value) for value in vars(scheduler).values()}  # which `hand_over` sees to
    for loader in LOADERS:
        parts = [_attributes(part).values() for name, part in fixed.items() if name.startswith(f"{loader}/")]
        if kept & _trained([value for values in parts for value in values if id(value) not in own], fixed):
            what = f"self.{loader} is made anew by resume and holds what is trained"
            yield f"{what}: {FATAL}. Let it hold the scheduler, and take self.model from there", True


def end_workers(scheduler: FedAvgScheduler) -> None:
    """End worker processes that persist: what those of a resumed run draw would begin again."""
    if multiprocessing.active_children():
        loaders = [vars(scheduler).get(f"_{name}") for name in LOADERS]
        for value in [*loaders, *reachable(vars(scheduler).values(), anchors(scheduler))]:
            if isinstance(value, DataLoader):
                value._iterator = None


def _trained(roots: Iterable[Any], fixed: Mapping[str, Any]) -> set[int]:
    """Return the identities of networks, optimizers and schedules that can be reached from some objects."""
    return {id(value) for value in reachable(roots, fixed) if _is_trained(value)}


def reachable(roots: Iterable[Any], fixed: Mapping[str, Any]) -> list[Any]:
    """Return the objects that can be reached from some objects, without passing through what every set-up makes anew."""
    left = list(roots)
    ends = {id(value) for value in fixed.values()}
    seen: dict[int, Any] = {}
    while left:
        value = left.pop()
        if id(value) in ends or id(value) in seen or _is_plain(value) or isinstance(value, type | ModuleType):
            continue
        seen[id(value)] = value
        if isinstance(value, FunctionType):  # without the globals of its module
            left += [value.__closure__, value.__defaults__, value.__kwdefaults__]
        else:
            left += gc.get_referents(value)
    return list(seen.values())


def _is_trained(value: Any) -> bool:
    if isinstance(value, nn.Module):
        return any(parameter.requires_grad for parameter in value.parameters())
    return isinstance(value, Optimizer | LRScheduler) or (isinstance(value, torch.Tensor) and value.requires_grad)


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | bytes | int | float | complex | torch.dtype | torch.device)


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
