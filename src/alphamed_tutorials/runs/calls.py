"""How a model is called: seen while the test begins, not guessed from a batch."""

import contextlib
import copy
import tempfile
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.tensorboard import SummaryWriter

from ..catalogue import Target
from ..errors import TutorialError
from .wrapped import bare

NUM_CALLS = 2  # of the test's own calls that are looked at: one to export by, one to try


class ExportError(TutorialError):
    """A model that cannot be exported, or whose exported form predicts something else."""


class Call(NamedTuple):
    """What a model is called with."""

    args: tuple
    kwargs: dict[str, Any]

    def of(self, model: nn.Module) -> Any:
        """Return what a model answers; what it does to its inputs stays without effect."""
        args, kwargs = copy.deepcopy((self.args, self.kwargs))
        with torch.no_grad():
            return model(*args, **kwargs)

    @property
    def tensors(self) -> list[torch.Tensor]:
        """All tensors in it, however nested."""
        return [leaf for leaf in tree_leaves(tuple(self)) if isinstance(leaf, torch.Tensor)]

    @property
    def batch_size(self) -> int | None:
        """The first size of the first tensor that has one."""
        return next((len(tensor) for tensor in self.tensors if tensor.ndim), None)

    @property
    def shapes(self) -> str:
        """Kinds and shapes of what is given: `float32[8, 4], mask=bool[8]`."""
        named = [f"{name}={_shape(value)}" for name, value in self.kwargs.items()]
        return ", ".join([*map(_shape, self.args), *named])


class _SeenEnough(BaseException):
    """End a test whose first calls were seen; no `except Exception` of the test stops it."""


def calls_of_test(scheduler: Any, task: Target) -> list[Call]:
    """Return the calls of the model that the beginning of `run_test` makes.

    Raises:
        TutorialError: `run_test` raised, or does not call the model.
    """
    seen: list[Call] = []

    def note(_: nn.Module, args: tuple, kwargs: dict[str, Any]) -> None:
        seen.append(Call(*tree_map(_copied, (args, kwargs))))
        if len(seen) == NUM_CALLS:
            raise _SeenEnough

    model = bare(scheduler.model)
    if isinstance(model, torch.jit.ScriptModule):
        raise ExportError(
            f"build_model() of {type(scheduler).__name__} returns what torch.jit.script made, whose calls nobody can "
            "watch: return the network itself, export compiles it"
        )
    hook = model.register_forward_pre_hook(note, with_kwargs=True)
    try:
        _run_test(scheduler, task)
    finally:
        hook.remove()
    if not seen:
        raise ExportError(
            f"run_test of {type(scheduler).__name__} never calls self.model, so there is nothing to follow: write a "
            "class Predictor (in model.py) and a function sample_inputs (in data.py) that say what to export"
        )
    return seen


def _run_test(scheduler: Any, task: Target) -> None:
    """Run a test as the aggregator would, with a folder for its TensorBoard file that goes again."""
    scheduler.is_initiator = scheduler.is_aggregator = True
    scheduler.current_round = scheduler.max_rounds
    with tempfile.TemporaryDirectory() as folder, SummaryWriter(folder) as writer, task.blamed(), torch.no_grad():
        scheduler.tb_writer = writer
        with contextlib.suppress(_SeenEnough):
            scheduler.run_test()


def one_sample(call: Call, model: nn.Module) -> list[Call]:
    """Return the call for the first sample of a batch alone; nothing if the model does not take it."""
    size = call.batch_size or 0
    if size < 2:
        return []

    def first(leaf: Any) -> Any:
        return leaf[:1] if isinstance(leaf, torch.Tensor) and leaf.ndim and len(leaf) == size else leaf

    alone = Call(*tree_map(first, tuple(call)))
    try:
        alone.of(model)
    except Exception:  # it wants what it was given: no batch, or one of this size
        return []
    return [alone]


def _copied(leaf: Any) -> Any:
    return leaf.detach().cpu().clone() if isinstance(leaf, torch.Tensor) else leaf


def _shape(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_shape(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_shape, value))}]"
    return repr(value)
