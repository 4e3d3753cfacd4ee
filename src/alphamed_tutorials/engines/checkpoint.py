"""What a local run writes after every round, so that a crash loses at most the round under way.

A checkpoint holds whole Python objects (optimizers, schedules, whatever the scheduler keeps), so reading it runs
code: resume only runs you made yourself.
"""

import contextlib
import io
import sys
import weakref
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch.optim import Optimizer

from .. import pickles
from ..runs.folder import RunError

# What torch puts back; `step` is put there by schedules, which do that anew.
OF_EVERY_OPTIMIZER = {*vars(torch.optim.SGD([torch.zeros(1)])), "step", "_zero_grad_profile_name", "_opt_called"}

Key = tuple[str, str]  # a node, and the name of one of its objects

_keys: Mapping[int, Key] = {}
_find: Callable[[Key], Any]


@contextlib.contextmanager
def anchored(keys: Mapping[int, Key], find: Callable[[Key], Any]) -> Iterator[None]:
    """Write some objects by name only, and read them as what has this name then.

    Whatever a checkpoint holds may refer to them, and refers to the living ones after it was read.

    Args:
        keys: By identity, the name of each object.
        find: Returns the object of a name.
    """
    global _keys, _find
    _keys, _find = keys, find
    try:
        yield
    finally:
        _keys = {}
        del _find


def _anchor(key: Key) -> Any:
    return _find(key)


class Pickler(pickles.Pickler):
    """Write what `anchored` names by name, and what others would not write as it was."""

    def reducer_override(self, obj: Any) -> Any:
        if id(obj) in _keys:
            return _anchor, (_keys[id(obj)],)
        if type(obj) in weakref.ProxyTypes:  # which would be written as a copy of what it stands for
            return weakref.proxy, (obj.__init__.__self__,)
        if type(obj) is weakref.ref and obj() is not None:
            return weakref.ref, (obj(),)
        if isinstance(obj, torch.Generator):  # torch < 2.4 cannot pickle it
            return _generator, (obj.device, obj.get_state())
        if isinstance(obj, Optimizer):
            return object.__new__, (type(obj),), {**_own(obj), **obj.__getstate__()}
        return super().reducer_override(obj)


def _own(optimizer: Optimizer) -> dict[str, Any]:
    """Return the attributes of an optimizer's own, which torch leaves out, as those of LBFGS."""
    return {name: value for name, value in vars(optimizer).items() if name not in OF_EVERY_OPTIMIZER}


def _generator(device: torch.device, state: torch.Tensor) -> torch.Generator:
    return torch.Generator(device).set_state(state)


def can_save(value: Any) -> bool:
    """Return whether a value can be part of a checkpoint."""
    try:
        size(value)
    except Exception:  # pickling calls the value's own code, which fails as it likes
        return False
    return True


def size(content: Any) -> int:
    """Return how many bytes a checkpoint takes."""
    counted = _Counted()
    write(content, counted)
    return counted.size


class _Counted(io.BytesIO):
    """A file that only counts what is written to it."""

    size = 0

    def write(self, data: Any) -> int:
        self.size += len(data)
        return len(data)


def write(content: Any, file: BinaryIO) -> None:
    """Write a checkpoint."""
    torch.save(content, file, pickle_module=sys.modules[__name__], pickle_protocol=5)


def write_to(path: Path, content: Any) -> None:
    """Write a checkpoint to a file that nothing refers to yet; leave none where that fails."""
    try:
        with open(path, "wb") as file:
            write(content, file)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


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
