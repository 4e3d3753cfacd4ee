"""A graphics card that is none: its tensors lie in ordinary memory, must not meet others, and compute what others do.

For tests where no card is at hand. What is asked of `cuda` is asked of torch's `meta` device, which needs no driver;
what `meta` does not compute is computed on the processor.
"""

import contextlib
from collections.abc import Iterator
from typing import Any
from unittest import mock

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

STAND_IN = torch.device("meta")
FROM_NUMBERS = {torch.tensor, torch.as_tensor}
OF_MEMORY = {torch.Tensor.tolist, torch.Tensor.data_ptr, torch.Tensor.untyped_storage}
# what torch reads of strangers, where it asks; before 2.6 it does not
SAFE_TO_READ = getattr(torch.serialization, "safe_globals", contextlib.nullcontext)
MOVES = {"aten::_to_copy", "aten::copy_"}  # which may have tensors of two devices


class OnCard(torch.Tensor):
    """A tensor that says it lies on the card.

    Args:
        held: The tensor that it is.
    """

    held: torch.Tensor

    @staticmethod
    def __new__(cls, held: torch.Tensor) -> "OnCard":
        place = held.size(), held.stride(), held.storage_offset()
        tensor = torch.Tensor._make_wrapper_subclass(cls, *place, dtype=held.dtype, device=STAND_IN)
        tensor.held = held
        return tensor

    @classmethod
    def __torch_dispatch__(cls, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _compute(operation, args, kwargs or {})

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Come back to the card, as torch's own tensors do."""
        return _read, (self.held, self.requires_grad, isinstance(self, torch.nn.Parameter))


class _Names(TorchFunctionMode):
    """Let `cuda` mean the stand-in."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        args, kwargs = tree_map(_named, (args, kwargs or {}))
        if function in FROM_NUMBERS and kwargs.get("device") == STAND_IN:  # where `meta` would forget the numbers
            return function(*args, **{**kwargs, "device": "cpu"}).to(STAND_IN)
        if function is torch.Tensor.new_tensor and isinstance(args[0], OnCard):
            return function(args[0].held, *args[1:], **kwargs).to(STAND_IN)
        if function in OF_MEMORY:
            return function(_held(args[0]))
        return function(*args, **kwargs)


class _Computing(TorchDispatchMode):
    """Compute also what makes a tensor of none."""

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _compute(operation, args, kwargs or {})


@contextlib.contextmanager
def card() -> Iterator[None]:
    """Let there be a graphics card.

    Parameters that move stay the objects they are, which optimizers know: torch sees to that for real devices.
    """
    with (
        mock.patch.object(torch.__future__, "get_swap_module_params_on_conversion", return_value=True),
        mock.patch.object(torch.cuda, "is_available", return_value=True),
        mock.patch.object(torch.cuda, "is_current_stream_capturing", return_value=False),  # which Adam asks the driver
        mock.patch.object(torch.cuda, "get_rng_state_all", return_value=[]),  # it draws with the processor's generator
        mock.patch.object(torch.cuda, "set_rng_state_all"),
        mock.patch.object(torch.cuda, "manual_seed_all"),
        SAFE_TO_READ([_read]),
        _Names(),
        _Computing(),
    ):
        yield


def _compute(operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Compute on the processor what is meant for the card, and refuse what a card would refuse."""
    name, device = operation._schema.name, kwargs.get("device")
    tensors = [value for value in tree_leaves((args, kwargs)) if isinstance(value, torch.Tensor)]
    on_card = [isinstance(value, OnCard) for value in tensors]
    beside = [value for value in tensors if not isinstance(value, OnCard) and value.dim()]  # a lone number may be
    if any(on_card) and beside and name not in MOVES:
        raise RuntimeError(f"{name}: expected all tensors to be on the same device, but found two")
    if device is not None:
        kwargs = {**kwargs, "device": "cpu"}
    result = operation(*tree_map(_held, args), **tree_map(_held, kwargs))
    if operation._schema.is_mutable and name.endswith("_"):
        return args[0]
    is_for_card = any(on_card) if device is None else torch.device(device) == STAND_IN
    return tree_map(_put, result) if is_for_card else result


def _named(value: Any) -> Any:
    is_card = isinstance(value, str | torch.device) and str(value).partition(":")[0] == "cuda"
    return STAND_IN if is_card else value


def _held(value: Any) -> Any:
    return value.held if isinstance(value, OnCard) else value


def _read(held: torch.Tensor, requires_grad: bool, is_parameter: bool) -> torch.Tensor:
    tensor = OnCard(held)
    return torch.nn.Parameter(tensor, requires_grad) if is_parameter else tensor.requires_grad_(requires_grad)


def _put(value: Any) -> Any:
    return OnCard(value) if isinstance(value, torch.Tensor) else value
