"""The network inside of what speeds it up: `torch.compile` and `DataParallel` are of no use where it is exported."""

from collections.abc import Callable
from typing import Any

from torch import nn

PARALLEL = (nn.DataParallel, nn.parallel.DistributedDataParallel)


def uncompiled(model: nn.Module) -> nn.Module:
    """Return a network without `torch.compile` around it or its parts."""
    model = _without(model, lambda each: each._orig_mod if type(each).__name__ == "OptimizedModule" else None)
    for part in model.modules():
        vars(part).pop("_compiled_call_impl", None)  # what its method compile() leaves
    return model


def bare(model: nn.Module) -> nn.Module:
    """Return a network without `torch.compile` or `DataParallel` around it or its parts."""
    return _without(uncompiled(model), lambda each: each.module if isinstance(each, PARALLEL) else None)


def _without(model: nn.Module, inside: Callable[[nn.Module], Any]) -> nn.Module:
    while (inner := inside(model)) is not None:
        model = inner
    for name, part in model.named_children():
        plain = _without(part, inside)
        if plain is not part:
            setattr(model, name, plain)
    return model
