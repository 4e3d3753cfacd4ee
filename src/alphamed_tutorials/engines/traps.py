"""What goes wrong without an error, seen by watching the first steps and tests of a run.

Only looked at, never changed: a watched run has the same parameters to the last bit.
"""

from collections.abc import Iterator
from typing import Any

import torch
from alphafed.fed_avg import FedAvgScheduler
from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_pre_hook
from torch.utils.hooks import RemovableHandle

from ..catalogue import find
from ..errors import WrongUse


class Watch:
    """Watch one scheduler inside a `with` block.

    Args:
        scheduler: Whose model and optimizer to watch.
    """

    def __init__(self, scheduler: FedAvgScheduler):
        self.scheduler = scheduler
        self.handles: list[RemovableHandle] = []

    def __enter__(self):
        return self

    def __exit__(self, *_: Any) -> None:
        while self.handles:
            self.handles.pop().remove()

    def traps(self) -> Iterator[str]:
        """Yield what was seen, and what to do about it."""
        raise NotImplementedError


class TrainingWatch(Watch):
    """Watch one node's turn: does the optimizer step, are gradients cleared between steps, is dropout on?"""

    def __init__(self, scheduler: FedAvgScheduler):
        super().__init__(scheduler)
        self.optimizer: Optimizer | None = None
        self.is_eval = False
        self.num_backwards = 0  # since the last step
        self.was_cleared = False  # ever
        self.was_added_up = False
        self.handles.append(register_optimizer_step_pre_hook(self._before_step))

    def _before_step(self, optimizer: Optimizer, *_: Any) -> None:
        if self.optimizer is None:
            self.optimizer = optimizer
            self.is_eval = not any(module.training for module in self.scheduler.model.modules())
            self._watch_a_gradient(optimizer)
        elif optimizer is self.optimizer:  # a second one, as of a GAN, may clear what the first one left
            self.was_added_up |= self.num_backwards > 0 and not self.was_cleared
            self.num_backwards = 0

    def _watch_a_gradient(self, optimizer: Optimizer) -> None:
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        trained = [each for each in parameters if each.requires_grad and each.grad is not None]
        if trained:
            last = trained[-1]
            self.handles.append(last.register_hook(lambda _: self._before_adding(last)))

    def _before_adding(self, parameter: torch.Tensor) -> None:
        """Look at what the gradient of a backward pass will be added to."""
        self.num_backwards += 1
        if not self.was_cleared:
            self.was_cleared = parameter.grad is None or not parameter.grad.any()

    def traps(self) -> Iterator[str]:
        if self.optimizer is None:
            yield "optimizer.step() was never called: the parameters are sent back as they came"
        if self.was_added_up and not self.was_cleared:
            yield (
                "gradients are never cleared, so that each step also takes those of all batches before: call "
                "self.optimizer.zero_grad() before loss.backward()"
            )
        if self.is_eval:
            yield (
                "the model is in eval mode while it trains, without dropout and with BatchNorm's old statistics: call "
                "self.model.train() at the start of train_an_epoch()"
            )


class TestWatch(Watch):
    """Watch a test of the aggregator: is the model in eval mode whenever it is called?"""

    def __init__(self, scheduler: FedAvgScheduler):
        super().__init__(scheduler)
        self.in_train_mode = False
        self.own = {id(module) for module in scheduler.model.modules()}
        self.handles.append(register_module_forward_pre_hook(self._before_call))

    def _before_call(self, module: nn.Module, _: Any) -> None:
        self.in_train_mode |= module.training and id(module) in self.own

    def traps(self) -> Iterator[str]:
        if self.in_train_mode:
            yield (
                "the model is in train mode while run_test() uses it, with dropout on and BatchNorm changed by test "
                "data: call self.model.eval() first"
            )


def missing_metrics(logged: set[str], target: str | None) -> Iterator[str]:
    """Yield which metrics a first round should have brought.

    Args:
        logged: Names of what any node wrote in it.
        target: What `find` finds the task by; its `example.toml`, if there is one, names metrics.
    """
    if not logged:
        yield (
            "no metric was written in round 1: call self.tb_writer.add_scalar(name, value, self.current_round) in "
            "run_test() or train_an_epoch()"
        )
        return
    for name in _named_metrics(target):
        if name not in logged:
            yield f"example.toml names the metric {name}, and nothing of that name was written in round 1"


def _named_metrics(target: str | None) -> list[str]:
    """Return the metrics that the target's `example.toml` names, if there is such a target and file."""
    try:
        return find(target).facts.metrics if target else []
    except WrongUse:  # moved since: the run goes on without
        return []
