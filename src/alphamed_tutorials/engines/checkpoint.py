"""What a local run writes after every round, so that a crash loses at most the round under way.

A checkpoint holds whole Python objects (optimizers, schedules, whatever the scheduler keeps), so reading it runs
code: resume only runs you made yourself.
"""

import os
import sys
from pathlib import Path
from typing import Any, BinaryIO

import cloudpickle
import torch

from ..runs.folder import RunError


class Pickler(cloudpickle.Pickler):
    """Write parameters whose memory was given back by shape only: the next round brings their values."""

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, torch.Generator):  # torch < 2.4 cannot pickle it
            return _generator, (obj.device, obj.get_state())
        if isinstance(obj, torch.Tensor) and _is_released(obj):
            return _undefined, (type(obj), obj.shape, obj.stride(), obj.dtype, obj.device, obj.requires_grad, vars(obj))
        return super().reducer_override(obj)


def _is_released(tensor: torch.Tensor) -> bool:
    return tensor.layout == torch.strided and tensor.numel() > 0 and tensor.untyped_storage().nbytes() == 0


def _undefined(kind, shape, stride, dtype, device, requires_grad, attributes) -> torch.Tensor:
    tensor = torch.empty_strided(shape, stride, dtype=dtype, device=device)
    if issubclass(kind, torch.nn.Parameter):
        tensor = kind(tensor, requires_grad)
    vars(tensor).update(attributes)
    return tensor


def _generator(device: torch.device, state: torch.Tensor) -> torch.Generator:
    return torch.Generator(device).set_state(state)


def save(content: Any, path: Path) -> None:
    """Write a checkpoint so that a crash leaves either the old or the new one."""
    temporary = path.with_name(f".{path.name}.tmp")
    with open(temporary, "wb") as file:
        _write(content, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def can_save(value: Any) -> bool:
    """Return whether a value can be part of a checkpoint."""
    with open(os.devnull, "wb") as file:
        try:
            _write(value, file)
        except Exception:  # pickling calls the value's own code, which fails as it likes
            return False
    return True


def _write(content: Any, file: BinaryIO) -> None:
    torch.save(content, file, pickle_module=sys.modules[__name__], pickle_protocol=5)


def load(path: Path) -> Any:
    """Read a checkpoint of one's own; see the module's warning.

    Raises:
        RunError: The file is damaged, or the task's code no longer fits it.
    """
    try:
        return torch.load(path, weights_only=False)
    except Exception as error:
        raise RunError(
            f"{path} cannot be read ({type(error).__name__}: {error}). If a class of the task was renamed or moved "
            "since, undo that and resume; otherwise the file is damaged: start the run again"
        ) from error
