"""What a local run writes after every round, so that a crash loses at most the round under way.

A checkpoint holds whole Python objects (optimizers, schedules, whatever the scheduler keeps), so reading it runs
code: resume only runs you made yourself.
"""

import os
import sys
from pathlib import Path
from typing import Any

import cloudpickle
import torch


class Pickler(cloudpickle.Pickler):
    """Write parameters whose memory was given back by shape only: the next round brings their values."""

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, torch.Tensor) and obj.numel() and obj.untyped_storage().nbytes() == 0:
            return _undefined, (type(obj), obj.shape, obj.dtype, obj.device, obj.requires_grad)
        return super().reducer_override(obj)


def _undefined(kind: type, shape: torch.Size, dtype: torch.dtype, device: torch.device, requires_grad: bool):
    tensor = torch.empty(shape, dtype=dtype, device=device)
    return kind(tensor, requires_grad) if kind is torch.nn.Parameter else tensor.requires_grad_(requires_grad)


def save(content: Any, path: Path) -> None:
    """Write a checkpoint so that a crash leaves either the old or the new one."""
    temporary = path.with_name(f".{path.name}.tmp")
    with open(temporary, "wb") as file:
        torch.save(content, file, pickle_module=sys.modules[__name__], pickle_protocol=5)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def load(path: Path) -> Any:
    """Read a checkpoint of one's own; see the module's warning."""
    return torch.load(path, weights_only=False)
