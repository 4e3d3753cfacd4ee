"""Look at a scheduler at work: what it writes, in which mode its model is, and what its optimizer keeps."""

from pathlib import Path
from typing import Any

import cloudpickle
import torch
from torch.nn.modules.module import register_module_forward_hook
from torch.optim import Optimizer

SEEN: list[Any] = []  # what schedulers saw that were made in a test: the engine runs pickled copies of them


class Writer:
    """Take the place of TensorBoard's writer, for a scheduler that no engine runs; keep the last of each metric."""

    def __init__(self):
        self.scalars = {}

    def add_scalar(self, name, value, step):
        self.scalars[name] = value


def at_node(scheduler: Any, folder: Path) -> Any:
    """Return a scheduler as a node has it in the first round: unpickled there, and pointed to the node's data."""
    scheduler = cloudpickle.loads(cloudpickle.dumps(scheduler))
    scheduler.data_dir, scheduler.current_round, scheduler.tb_writer = str(folder), 1, Writer()
    return scheduler


def modes_of(model: torch.nn.Module, work: Any) -> set[tuple[str, bool, bool]]:
    """Call `work` and return each part of the model that was used, whether it trained, and whether gradients were on."""
    names = {part: name for name, part in model.named_modules()}
    seen = set()

    def look(part, inputs, output):
        if part in names:
            seen.add((names[part], part.training, torch.is_grad_enabled()))

    hook = register_module_forward_hook(look)
    try:
        work()
    finally:
        hook.remove()
    return seen


def memory_of(optimizer: Optimizer) -> list[torch.Tensor]:
    """Return a copy of all tensors an optimizer keeps from step to step: momenta, means, counters."""
    return [
        value.clone()
        for entry in optimizer.state.values()
        for value in entry.values()
        if isinstance(value, torch.Tensor)
    ]


def watch_memory(optimizer: Optimizer, node: str) -> None:
    """Append (node, optimizer, its memory) to `SEEN`, before and after each step."""

    def look(optimizer, *_):
        SEEN.append((node, optimizer, memory_of(optimizer)))

    optimizer.register_step_pre_hook(look)
    optimizer.register_step_post_hook(look)
