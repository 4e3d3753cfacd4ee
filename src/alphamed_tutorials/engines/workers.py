"""Hand to worker processes what a started script defined, also when its run is resumed by another program.

A process that is started by `spawn` or `forkserver` imports what it gets. Each node has a pickled copy of its task, and
the classes and functions of a script that does not run any more are in no module: they go along by value, both ways.
"""

import sys
from functools import reduce
from multiprocessing.reduction import ForkingPickler
from types import FunctionType
from typing import Any

import cloudpickle

from .. import pickles


def hand_over_by_value() -> None:
    """Let this process send to others, and return to the one that started it, what is in no module."""
    ForkingPickler.reducer_override = _reduce  # type: ignore[method-assign, assignment]


def _reduce(pickler: ForkingPickler, value: Any) -> Any:
    if isinstance(value, type | FunctionType) and value.__module__ == "__main__" and not _is_importable(value):
        return _receive, (pickles.dumps(value),)
    return NotImplemented


def _receive(value: bytes) -> Any:
    hand_over_by_value()
    return cloudpickle.loads(value)


def _is_importable(value: Any) -> bool:
    try:
        return reduce(getattr, value.__qualname__.split("."), sys.modules["__main__"]) is value
    except AttributeError:
        return False
