"""What the engine refuses, as early as it can be seen: each check says what is expected instead."""

from collections.abc import Mapping
from typing import Any, Protocol

import torch
from alphafed.fed_avg import FedAvgScheduler, SecureFedAvgScheduler
from torch import nn

from ..runs.folder import RunError
from ..target import OWN_MESSAGES, not_fed_avg
from . import averaging
from .contract import refuse_broken_parts, refuse_empty_loader, refuse_empty_state, where
from .failures import BrokenContract
from .kept import end_workers
from .settings import lower_learning_rate


def refuse_unsupported(scheduler: FedAvgScheduler) -> None:
    """Refuse what is no scheduler, or has messages of its own.

    Raises:
        RunError: It cannot run here.
    """
    if isinstance(scheduler, type) and issubclass(scheduler, FedAvgScheduler):
        raise RunError(f"{scheduler.__name__} is a class: pass an object of it")
    if not isinstance(scheduler, FedAvgScheduler):
        raise RunError(not_fed_avg(scheduler))
    if not hasattr(scheduler, "current_round"):
        kind = type(scheduler)
        raise RunError(
            f"{kind.__name__}.__init__(){where(kind.__init__)} does not call the SDK's, so that max_rounds and other "
            "attributes are missing: make super().__init__(max_rounds=…) its first line"
        )
    broken = SecureFedAvgScheduler._setup_context
    if type(scheduler)._setup_context is broken:
        raise RunError(
            f"{type(scheduler).__name__} starts nowhere, on nodes of the playground neither: with the SDK 0.4.9, "
            f"SecureFedAvgScheduler._setup_context(){where(broken)} compares a list with a number"
        )
    for method in ("_run_as_aggregator", "_run_as_data_owner"):
        own = getattr(type(scheduler), method)
        if own is not getattr(FedAvgScheduler, method):
            raise RunError(
                f"{type(scheduler).__name__} has a message protocol of its own, by {own.__qualname__}(){where(own)}: "
                f"{OWN_MESSAGES}"
            )


def refuse_unready(scheduler: FedAvgScheduler) -> None:
    """Meet before the first round what cannot work on this node: its parts, its data, what it would average.

    The SDK builds loaders on first use; this builds those of the node's role.
    """
    refuse_broken_parts(scheduler)  # a validate_context() of the user's may not look
    if scheduler.is_aggregator:
        if scheduler.test_loader is not None:  # which the SDK allows, where run_test() needs none
            refuse_empty_loader(scheduler.test_loader, scheduler.build_test_dataloader)
        refuse_empty_state(scheduler)
        refuse_unaveraged(scheduler)
    if not scheduler.is_aggregator or scheduler.involve_aggregator:
        refuse_empty_loader(scheduler.train_loader, scheduler.build_train_dataloader)
    end_workers(scheduler)


def refuse_unaveraged(scheduler: FedAvgScheduler) -> None:
    """Meet before the first round what the SDK's average would get wrong, or fail on at its end."""
    _refuse_faults(scheduler, averaging.faults(scheduler, len(scheduler.participants) - 1))


def refuse_overflow(
    scheduler: FedAvgScheduler, sums: averaging.Sums, state: Mapping[str, torch.Tensor] | None = None
) -> None:
    """Stop a node whose numbers, added to those of the nodes before it, are too large for their type.

    Args:
        scheduler: Whose average it is.
        sums: Those of the nodes before.
        state: The node's numbers; the scheduler's own if None.
    """
    if averaging.is_the_sdks(type(scheduler)):
        _refuse_faults(scheduler, list(sums.add(scheduler.state_dict() if state is None else state)))


def _refuse_faults(scheduler: FedAvgScheduler, faults: list[averaging.Fault]) -> None:
    if faults:
        own = type(scheduler).state_dict is not FedAvgScheduler.state_dict
        more = f" ({len(faults) - 1} more like it)" if len(faults) > 1 else ""
        first = faults[0]
        raise BrokenContract(
            scheduler.state_dict if own else scheduler.build_model, f"{first.reason}{more}: {first.advice}"
        )


def refuse_shared_model(owner: FedAvgScheduler, other: nn.Module) -> None:
    """Refuse a data owner's model that only separate processes would keep apart from another node's."""
    if _memory(owner.model) & _memory(other):
        raise ValueError(
            "its model lies in the same memory as another node's, so that training one would change the other: build "
            "the model anew in build_model(), and clone() tensors that come from a global of a module"
        )


def _memory(model: nn.Module) -> set[int]:
    """Return where in memory a model's parameters and buffers lie."""
    values = model.state_dict().values()
    return {value.untyped_storage().data_ptr() for value in values if isinstance(value, torch.Tensor)} - {0}


class Resumable(Protocol):
    """What can go on after training that diverged: a run, or a task."""

    def resume_command(self, settings: Mapping[str, Any] = ...) -> str:
        """Return how, with other settings."""


class Diverged(ArithmeticError):
    """Training that led to numbers that are none.

    Attributes:
        settings: What to resume with, where the scheduler has an argument that makes the learning rate.
    """

    def __init__(self, what: str, run: Resumable, settings: dict[str, float]):
        self.settings = settings
        again = run.resume_command(settings)
        way = (
            f"lower the learning rate: {again}"
            if settings
            else f"clip gradients in train_an_epoch(), then {again}; a lower learning rate in build_optimizer() needs "
            "a new run, or an argument learning_rate"
        )
        super().__init__(f"{what}, and the average would carry it to every node: {way}")


def refuse_diverged(scheduler: FedAvgScheduler, run: Resumable) -> None:
    """Stop a node whose parameters are not numbers before the average spreads them to everybody.

    Args:
        scheduler: The node's scheduler, after training.
        run: The run, for the advice.
    """
    # A buffer may hold infinity, as masks do. A state dict of one's own may give it another name.
    buffers = {name: buffer.data_ptr() for name, buffer in scheduler.model.named_buffers()}
    for name, entry in scheduler.state_dict().items():
        tensor = entry.coalesce().values() if entry.is_sparse else entry  # the SDK sums sparse ones too
        is_buffer = name in buffers or tensor.data_ptr() in buffers.values()
        if torch.isnan(tensor).any() or (not is_buffer and torch.isinf(tensor).any()):
            what = f"after local training {name} holds NaN or infinity"
            raise Diverged(what, run, lower_learning_rate(scheduler))
