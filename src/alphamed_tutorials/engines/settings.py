"""Settings that are changed while a run goes on: which can be, and how they reach what the nodes hold already."""

import contextlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import cloudpickle
from alphafed.fed_avg import FedAvgScheduler
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from .. import pickles
from ..arguments import arguments, convert, refuse_unknown
from ..errors import WrongUse
from .changes import difference

if TYPE_CHECKING:  # what a node refuses asks this module for a lower learning rate
    from .node import Node

Settings = Mapping[str, Any]


def readable(scheduler: FedAvgScheduler, settings: Settings) -> dict[str, Any]:
    """Return the values of settings to change, texts among them converted.

    Raises:
        WrongUse: A name is no argument of the scheduler, or no attribute of the object, or its value is of another kind.
    """
    values: dict[str, Any] = {}
    for name, value in settings.items():
        # going on longer is possible with every scheduler, whatever its own arguments are
        kind = type(scheduler) if name != "max_rounds" else FedAvgScheduler
        refuse_unknown(kind, {name: value})
        values |= convert(kind, {name: value}) if isinstance(value, str) else {name: value}
        if name == "data_dir":
            raise WrongUse("data_dir cannot be changed: each node gets the folder with its own data")
        if not hasattr(scheduler, name):
            raise WrongUse(
                f"{name} cannot be changed in a run that has begun: {type(scheduler).__name__} does not keep it as "
                f"self.{name}. Start anew, or write self.{name} = {name} into __init__ before the next run"
            )
        with contextlib.suppress(TypeError, ValueError):
            if json.loads(json.dumps(values[name])) == values[name]:
                continue
        raise WrongUse(f"{name}={value!r} cannot be written into run.json: give a number, a text, true or false")
    return values


def changed(entry: bytes, settings: Settings) -> bytes:
    """Return a pickled task with settings of its object changed.

    Raises:
        WrongUse: The scheduler does not accept a value.
    """
    if not settings:
        return entry
    scheduler = cloudpickle.loads(entry)
    try:
        for name, value in settings.items():
            setattr(scheduler, name, value)
        scheduler._validate_config()
    except Exception as error:  # the scheduler's own code, which fails as it likes
        raise WrongUse(f"{type(scheduler).__name__} refuses {_words(settings)}: {error}") from error
    if scheduler.max_rounds < 1:
        raise WrongUse(f"max_rounds={scheduler.max_rounds}: a run has one round or more")
    return pickles.dumps(scheduler)


def since(changes: list[dict[str, Any]], number: int = 0) -> dict[str, Any]:
    """Return the settings that were changed after a round, from `changes` of `run.json`."""
    settings: dict[str, Any] = {}
    for change in changes:
        if change["from_round"] > number:
            settings |= change["settings"]
    return settings


def recorded(changes: list[dict[str, Any]], number: int, settings: Settings) -> list[dict[str, Any]]:
    """Return `changes` of `run.json` when settings change after a round; what changed later never came to be."""
    kept = [change for change in changes if change["from_round"] <= number]
    return kept + ([{"from_round": number + 1, "settings": dict(settings)}] if settings else [])


def lower_learning_rate(scheduler: FedAvgScheduler) -> dict[str, float]:
    """Return the argument that makes the learning rate, with a tenth of its value; nothing if there is none."""
    for name in arguments(type(scheduler)):
        value = vars(scheduler).get(name)
        if isinstance(value, float) and value > 0:
            lower = {name: float(f"{value / 10:.3g}")}
            with contextlib.suppress(Exception):  # an optimizer that refuses such a value answers the question too
                old, new = (_twin(scheduler, given).build_optimizer(scheduler.model) for given in ({}, lower))
                if new.param_groups[0]["lr"] < old.param_groups[0]["lr"]:
                    return lower
    return {}


def refuse_other_network(node: "Node", kept: Mapping[str, Any], settings: Settings) -> list[str]:
    """Refuse settings that make another network, because the checkpoint's would win.

    Returns:
        A line for each object that keeps the old value.

    Raises:
        WrongUse: They make another network.
    """
    with node.active() as scheduler:
        before, after = _twin(scheduler, kept), _twin(scheduler, {**kept, **settings})
        found = difference(before.build_model(), after.build_model())
        stale = _stale(before, after, kept, settings)
    if found:
        raise WrongUse(
            f"{_words(settings)} changes the network ({found}), which a run that has begun cannot: start anew with "
            "playground run"
        )
    return stale


def carry(node: "Node", kept: dict[str, Any], settings: Settings) -> list[str]:
    """Change settings in what a node carries on, its optimizer among them, whose state stays.

    Args:
        node: The node, set up anew with the new values.
        kept: Attributes of its scheduler, from a file; changed in place.
        settings: The new values.

    Returns:
        A line for each change of the optimizer, and for each object that keeps the old value.

    Raises:
        WrongUse: The settings make an optimizer of another kind.
    """
    with node.active() as scheduler:
        before, after = _twin(scheduler, kept), _twin(scheduler, {**kept, **settings})
        old, new = (twin.build_optimizer(kept["_model"]) for twin in (before, after))
        stale = _stale(before, after, kept, settings)
    optimizer = kept["_optimizer"]
    groups = list(zip(optimizer.param_groups, old.param_groups, new.param_groups, strict=False))
    if type(old) is not type(new) or {len(each.param_groups) for each in (optimizer, old, new)} != {len(groups)}:
        raise WrongUse(
            f"{_words(settings)} makes an optimizer of another kind than the run goes on with: start anew with "
            "playground run"
        )
    lines = []
    for group, was, becomes in groups:
        for option in [name for name in becomes if name != "params" and becomes[name] != was.get(name)]:
            value = _moved(group.get(option), was.get(option), becomes[option])
            lines.append(f"the optimizer's {option}: {group.get(option)} → {value}")
            group[option] = value
    optimizer.defaults.update({name: value for name, value in new.defaults.items() if value != old.defaults.get(name)})
    _rebase(kept, optimizer)
    kept.update(settings)
    return lines + stale


def _twin(scheduler: FedAvgScheduler, attributes: Mapping[str, Any]) -> FedAvgScheduler:
    """Return a scheduler on which methods can be tried: what they assign reaches no node."""
    twin = object.__new__(type(scheduler))
    vars(twin).update({**vars(scheduler), **attributes})
    return twin


def _moved(kept: Any, old: Any, new: Any) -> Any:
    """Return the new value of an optimizer's option; one that a schedule moved meanwhile moves in proportion."""
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (kept, old, new))
    return new if not numbers or kept == old or not old else kept * new / old


def _rebase(kept: Mapping[str, Any], optimizer: Optimizer) -> None:
    """Let the schedules of an optimizer start from its learning rates as they are now."""
    schedules = [value for value in kept.values() if isinstance(value, LRScheduler) and value.optimizer is optimizer]
    for schedule in [inner for each in schedules for inner in (each, *getattr(each, "_schedulers", []))]:
        if hasattr(schedule, "base_lrs"):
            schedule.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]


def _stale(before: FedAvgScheduler, after: FedAvgScheduler, kept: Mapping[str, Any], settings: Settings) -> list[str]:
    """Return a line for each attribute besides the settings that depends on them, and that the checkpoint keeps."""
    names = [name for name in kept.keys() - settings.keys() if vars(before).get(name) is not vars(after).get(name)]
    differing = [name for name in sorted(names) if _content(vars(before).get(name)) != _content(vars(after).get(name))]
    return [f"self.{name} was made with the old value of {_names(settings)} and stays as it is" for name in differing]


def _content(value: Any) -> Any:
    """Return of a value what a setting can have an effect on; a network's numbers are none of it."""
    if isinstance(value, LRScheduler):
        return {k: v for k, v in value.state_dict().items() if k not in ("base_lrs", "_last_lr", "_schedulers")}
    if isinstance(value, nn.Module) and any(True for _ in value.parameters()):
        return str(value)
    try:
        return pickles.dumps(value)
    except Exception:  # pickling calls the value's own code, which fails as it likes
        return None


def _names(settings: Settings) -> str:
    return ", ".join(settings)


def _words(settings: Settings) -> str:
    return ", ".join(f"{name}={value}" for name, value in settings.items())
