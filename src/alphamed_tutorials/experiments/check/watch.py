"""Look at a task at work without changing it: modes, gradients, losses, and the random numbers it starts from."""

import contextlib
import random
import traceback
import types
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.modules import module as hooks
from torch.optim import Optimizer
from torch.optim import optimizer as steps

_current: list["Seen"] = []


class Seen:
    """What was seen.

    Attributes:
        generators: Node → moment (`build`, `load`, `train`) → the states of the global random number generators.
        tested: Round → the state dict the aggregator tested.
        losses: The values that were backpropagated, one list for each epoch.
        faults: Kind (`train`, `eval`, `zero_grad`) → where and what, the first time it was seen.
        num_steps: Steps of all optimizers.
        num_tested: How often the model was called by `run_test`.
    """

    def __init__(self) -> None:
        self.generators: dict[str, dict[str, Any]] = {}
        self.tested: dict[int, dict[str, torch.Tensor]] = {}
        self.losses: list[list[float]] = []
        self.faults: dict[str, str] = {}
        self.num_steps = self.num_tested = 0
        self.own: tuple[str, ...] = ()
        self._phase, self._depth, self._known = "", 0, set[int]()
        self._uncleared: dict[int, torch.Tensor] = {}  # parameters whose gradient was used and not cleared since
        self._empty_steps = 0

    @contextlib.contextmanager
    def phase(self, name: str, model: nn.Module) -> Iterator[None]:
        """Watch the model while a method of the task runs."""
        self._phase, self._depth, self._known = name, 0, {id(part) for part in model.modules()}
        try:
            yield
        finally:
            self._phase = ""

    def fault(self, kind: str, text: str) -> None:
        """Keep the first fault of a kind, with the line of the task's code that is running."""
        if kind not in self.faults:
            own = [frame for frame in traceback.extract_stack() if frame.filename.startswith(self.own or "\0")]
            self.faults[kind] = f"{own[-1].filename}, line {own[-1].lineno}: {text}" if own else text

    def enter(self, module: nn.Module, *_: Any) -> None:
        """Look at the mode in which the outermost module is called; frozen ones may be in any."""
        if not self._phase or id(module) not in self._known:
            return
        self._depth += 1
        if self._depth > 1:
            return
        if self._phase == "test":
            self.num_tested += 1
            if module.training:
                self.fault("eval", f"run_test() calls {type(module).__name__} in training mode")
        elif torch.is_grad_enabled() and not module.training and any(p.requires_grad for p in module.parameters()):
            self.fault("train", f"train_an_epoch() trains {type(module).__name__} in eval mode, as the test left it")

    def leave(self, module: nn.Module, *_: Any) -> None:
        """Note that a module returns."""
        if self._phase and id(module) in self._known:
            self._depth -= 1

    def backward(self, tensors: Any) -> None:
        """Note the loss, and whether gradients were cleared since the last step."""
        if self._phase != "train":
            return
        several = [tensors] if isinstance(tensors, torch.Tensor) else list(tensors)
        self.losses[-1].append(sum(float(each.detach().sum()) for each in several))
        self._forget_cleared()

    def before_step(self, optimizer: Optimizer, *_: Any) -> None:
        """Look whether the gradients of the last step are in those of this one, or none are there."""
        if self._phase != "train":
            return
        self.num_steps += 1
        self._forget_cleared()
        parameters = _parameters(optimizer)
        if any(id(parameter) in self._uncleared for parameter in parameters):
            self.fault("zero_grad", "the gradients of the last step were not cleared before this one")
        if not any(_has_gradient(parameter) for parameter in parameters):
            self._empty_steps += 1

    def after_step(self, optimizer: Optimizer, *_: Any) -> None:
        """Note whose gradients have been used."""
        if self._phase == "train":
            self._uncleared |= {id(each): each for each in _parameters(optimizer) if _has_gradient(each)}

    def _forget_cleared(self) -> None:
        self._uncleared = {key: each for key, each in self._uncleared.items() if _has_gradient(each)}

    @property
    def are_steps_empty(self) -> bool:
        """Whether no step had a gradient to go by."""
        return self.num_steps > 0 and self._empty_steps == self.num_steps


class Watched:
    """A base class that tells of a scheduler's methods as they are called."""

    def build_model(self):
        _note_generators(self, "build")
        return super().build_model()

    def build_train_dataloader(self):
        _note_generators(self, "load")
        return super().build_train_dataloader()

    def train_an_epoch(self):
        _note_generators(self, "train")
        seen = _seen()
        seen.losses.append([])
        with seen.phase("train", self.model):
            return super().train_an_epoch()

    def run_test(self):
        seen = _seen()
        seen.tested.setdefault(self.current_round, copied(self.state_dict()))
        with seen.phase("test", self.model):
            return super().run_test()


def watched(scheduler: Any) -> Any:
    """Return a scheduler that does the same and is watched; it can be pickled into another process of ours."""
    kind = type(scheduler)
    body = {"__module__": kind.__module__}
    twin: Any = object.__new__(
        types.new_class(kind.__name__, (Watched, kind), exec_body=lambda names: names.update(body))
    )
    vars(twin).update(vars(scheduler))
    return twin


@contextlib.contextmanager
def watching(own: tuple[str, ...] = ()) -> Iterator[Seen]:
    """Watch all that `watched` returned in this process.

    Args:
        own: How the paths of the task's own files begin.
    """
    seen = Seen()
    seen.own = own
    backward = torch.autograd.backward

    def noted(tensors: Any, *args: Any, **kwargs: Any) -> None:
        seen.backward(tensors)
        backward(tensors, *args, **kwargs)

    handles = [
        hooks.register_module_forward_pre_hook(seen.enter),
        hooks.register_module_forward_hook(seen.leave, always_call=True),
        steps.register_optimizer_step_pre_hook(seen.before_step),
        steps.register_optimizer_step_post_hook(seen.after_step),
    ]
    _current.append(seen)
    torch.autograd.backward = noted  # Tensor.backward() calls it too
    try:
        yield seen
    finally:
        torch.autograd.backward = backward
        _current.remove(seen)
        for handle in handles:
            handle.remove()


def copied(state_dict: dict[str, Any]) -> dict[str, Any]:
    """Return a state dict whose tensors stay as they are."""
    return {name: value.detach().clone() for name, value in state_dict.items()}


def random_states() -> tuple[Any, ...]:
    """Return the states of the global random number generators."""
    return torch.get_rng_state(), np.random.get_state(), random.getstate()


def set_random_states(states: tuple[Any, ...]) -> None:
    """Go back to states that `random_states` returned."""
    torch.set_rng_state(states[0])
    np.random.set_state(states[1])
    random.setstate(states[2])


def _seen() -> Seen:
    """Return what is being watched into; nobody looks at it where a task that was watched once is used again."""
    return _current[-1] if _current else Seen()


def _note_generators(scheduler: Any, moment: str) -> None:
    node = getattr(scheduler, "id", "")  # an exported one is on no node
    _seen().generators.setdefault(node, {}).setdefault(moment, random_states())


def _parameters(optimizer: Optimizer) -> list[torch.Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _has_gradient(parameter: torch.Tensor) -> bool:
    return parameter.grad is not None and bool(parameter.grad.any())
