"""Whether what a node carries on can leave memory between its turns, and come back as it was.

Written to a file and read again, objects are others than before, with the same content. That makes a difference where
something that stays in memory holds some of them too, and where pickling leaves something of them out.
"""

import enum
import functools
import gc
import inspect
import logging
import re
import sys
from collections.abc import Collection, Iterator, Mapping
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np
import torch
from alphafed.fed_avg import FedAvgScheduler
from torch.optim import Optimizer

from .kept import FATAL, LOADERS, anchors, attributes_and_generators, places_of, reachable

# What is the same wherever it is held: it never changes, or comes back by its name.
CONSTANT = (
    type, ModuleType, FunctionType, BuiltinFunctionType, CodeType, logging.Logger, enum.Enum, re.Pattern, np.dtype,
    tuple, frozenset, range, slice, property, torch.Size,
)  # fmt: skip
LIBRARIES = {"torch", "numpy", *sys.stdlib_module_names}  # whose own way of pickling keeps all that matters
PICKLING = ("__reduce__", "__reduce_ex__", "__getstate__", "__setstate__", "__deepcopy__", "__getnewargs__")
HOOKS = {
    torch.Tensor: ("_backward_hooks", "_post_accumulate_grad_hooks"),
    Optimizer: tuple(name for name in vars(torch.optim.SGD([torch.zeros(1)])) if "_hooks" in name),
}
HOOKS_LOST = (
    f"has hooks of a tensor or an optimizer, which cannot be pickled: {FATAL}. Do in train_an_epoch() what they do, or "
    "in a hook of a module"
)


def lost_hooks(scheduler: FedAvgScheduler, forgotten: Collection[str]) -> Iterator[str]:
    """Yield the attributes with hooks on tensors or optimizers, which pickling leaves out without a word."""
    fixed = anchors(scheduler)
    for name, value in attributes_and_generators(scheduler, forgotten)[0].items():
        if any(_has_hooks(each) for each in reachable([value], fixed)):
            yield name


def can_leave(scheduler: FedAvgScheduler, forgotten: Collection[str]) -> bool:
    """Return whether a scheduler's attributes, but the forgotten ones, can be written, removed and read again.

    Args:
        scheduler: The node's.
        forgotten: Attributes that cannot be pickled, and stay.
    """
    fixed = anchors(scheduler)
    attributes = attributes_and_generators(scheduler, forgotten)[0]
    leaving = reachable(attributes.values(), fixed)
    if any(_has_hooks(value) or _pickles_in_its_own_way(value) for value in leaving):
        return False
    staying = reachable(_held_elsewhere(scheduler, attributes, fixed, forgotten), fixed)
    changeable = {id(value) for value in leaving if not isinstance(value, CONSTANT)}
    return changeable.isdisjoint(id(value) for value in staying)


def _held_elsewhere(
    scheduler: FedAvgScheduler, attributes: Mapping[str, Any], fixed: Mapping[str, Any], forgotten: Collection[str]
) -> Iterator[Any]:
    """Yield what the loaders and the forgotten attributes hold, but for what they are handed again."""
    yield from (vars(scheduler)[name] for name in forgotten if name in vars(scheduler))
    handed = {(id(holder), name) for holder, name, _ in places_of(scheduler, attributes)}
    for key, part in fixed.items():
        if key.partition("/")[0] in LOADERS:
            if hasattr(part, "__dict__"):
                yield from (value for name, value in vars(part).items() if (id(vars(part)), name) not in handed)
            else:  # a list of samples
                yield from gc.get_referents(part)


def _has_hooks(value: Any) -> bool:
    return any(getattr(value, name, None) for kind, names in HOOKS.items() if isinstance(value, kind) for name in names)


def _pickles_in_its_own_way(value: Any) -> bool:
    """Return whether a value decides itself what is pickled of it, or brings a copy of its module's globals along."""
    if isinstance(value, FunctionType):
        return _brings_globals(value)
    return not isinstance(value, CONSTANT) and _is_special(type(value))  # type: ignore[arg-type]


@functools.cache
def _is_special(kind: type) -> bool:
    own = [each for each in kind.__mro__ if each.__module__.partition(".")[0] not in LIBRARIES]
    functions = [inspect.unwrap(method) for each in own if not _is_importable(each) for method in _methods(each)]
    return any(name in vars(each) for each in own for name in PICKLING) or any(map(_brings_globals, functions))


def _methods(kind: type) -> Iterator[FunctionType]:
    for value in vars(kind).values():
        found = (value, getattr(value, "__func__", None), getattr(value, "fget", None), getattr(value, "fset", None))
        yield from (each for each in found if isinstance(each, FunctionType))


def _brings_globals(function: FunctionType) -> bool:
    """Return whether a function is pickled together with globals that may change."""
    if _is_importable(function):
        return False
    return any(not isinstance(value, CONSTANT) for value in inspect.getclosurevars(function).globals.values())


def _is_importable(value: Any) -> bool:
    """Return whether a function or class is pickled by its name; those of a started script or a notebook are not."""
    if value.__module__ == "__main__":
        return False
    try:
        return functools.reduce(getattr, value.__qualname__.split("."), sys.modules[value.__module__]) is value
    except (AttributeError, KeyError):
        return False
