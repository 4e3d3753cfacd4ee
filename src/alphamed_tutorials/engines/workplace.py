"""Which node is at work, and what is its own: working and writable folder, log, random numbers.

Nodes take turns in one process. The SDK and the user's code look these things up in places that all nodes share, so
the functions put there, once, ask for the node at work. That is a variable of the process, as its random numbers and
its working folder are, and no `ContextVar`: threads that the user's code starts belong to the same node.
"""

import contextlib
import hashlib
import logging
import os
import random
import sys
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

import alphafed.fed_avg.fed_avg as sdk
import alphafed.fs
import numpy as np
import torch
from torch.utils.tensorboard import SummaryWriter

from ..prints import Lines
from .events import RecordingWriter


class NodeLog(logging.Handler):
    """Append to a file that is open only while its node is at work: a process may have fewer files open than nodes."""

    def __init__(self, file: Path):
        super().__init__()
        self.file = file
        self._opened: FileIO | None = None
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        try:
            if self._opened is None:
                self._opened = FileIO(self.file, "a")  # without a buffer: a line that was written is there
            self._opened.write(f"{self.format(record)}\n".encode(errors="replace"))
        except OSError:
            pass  # a full disk is told where results are lost, not lines of a log
        except Exception:  # what was logged does not fit its own format
            self.handleError(record)
        if _workplace is None or _workplace.log is not self:
            self.rest()

    def rest(self) -> None:
        """Close the file until the next line."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None


class Workplace:
    """What one node has for itself in a process that all nodes share.

    Args:
        root: The node's writable folder, in the place of `/data/alphamed-federated`.
        log_file: Where its log goes.
        seed: The run's seed and the node's name; its random numbers start from both.
    """

    def __init__(self, root: Path, log_file: Path, seed: str):
        self.root, self.name = root, log_file.stem
        self._random_state = _initial_random_state(seed)
        self.log = NodeLog(log_file)
        self._folder = os.getcwd()

    @property
    def random_state(self) -> tuple:
        """That of the process while this is the workplace in use, else that at the end of its last use."""
        *others, (version, numbers, gauss) = _random_state() if _workplace is self else self._random_state
        return *others, (version, np.array(numbers), gauss)  # which is written in a hundredth of the time

    @random_state.setter
    def random_state(self, state: tuple) -> None:
        *others, (version, numbers, gauss) = state
        self._random_state = *others, (version, tuple(numbers.tolist()), gauss)
        if _workplace is self:
            _set_random_state(self._random_state)

    def leave(self) -> None:
        """Let go of the random state, which must be set before the next use."""
        self._random_state = ()

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Make this the workplace in use, and leave everything as it was."""
        outer_state, outer_folder = _random_state(), os.getcwd()
        _set_random_state(self._random_state)
        os.chdir(self._folder)
        try:
            with _at_work(self):
                yield
        finally:
            self.log.rest()
            self._random_state, self._folder = _random_state(), os.getcwd()
            _set_random_state(outer_state)
            os.chdir(outer_folder)


class _NodeLogs(logging.Handler):
    """Pass what is logged, by the SDK or by the user's code, to the log of the node at work."""

    def emit(self, record: logging.LogRecord) -> None:
        if _workplace is not None:
            _workplace.log.handle(record)


class _NodePrints(Lines):
    """Pass what is printed to the log of the node at work and, behind its name, to where it would have gone."""

    def write(self, text: str) -> int:
        return self.outer.write(text) if _workplace is None else super().write(text)

    def take(self, line: str, is_bar: bool) -> None:
        if _workplace is not None:
            text = f"{_workplace.name}: {line}"
            _workplace.log.handle(logging.LogRecord("print", logging.INFO, __file__, 0, text, None, None))
            super().take(text, is_bar)


@contextlib.contextmanager
def level(number: int) -> Iterator[None]:
    """Let all be logged from a level on; around many turns, as changing it in each takes as long as a small turn."""
    root = logging.getLogger()
    outer = root.level
    if outer != number:
        root.setLevel(number)
    try:
        yield
    finally:
        if root.level != outer:
            root.setLevel(outer)


_workplace: Workplace | None = None
_node_logs = _NodeLogs()
_node_prints: dict[str, _NodePrints] = {}  # in the place of sys.stdout and sys.stderr while a node is at work


@contextlib.contextmanager
def _at_work(workplace: Workplace) -> Iterator[None]:
    global _workplace
    root = logging.getLogger()
    outer = _workplace
    _end_lines()
    if outer is None:
        _take_prints()
    _workplace = workplace
    root.addHandler(_node_logs)  # once, however often it is said; the user's code may take it away
    try:
        with level(logging.INFO):
            yield
    finally:
        _end_lines()
        _workplace = outer
        if outer is None:
            _give_prints_back()
            root.removeHandler(_node_logs)
        else:
            root.addHandler(_node_logs)


@contextlib.contextmanager
def outside() -> Iterator[None]:
    """Let what is printed go where it goes when no node is at work: it is not the node's."""
    with contextlib.ExitStack() as stack:
        if _node_prints:
            stack.enter_context(contextlib.redirect_stdout(_node_prints["stdout"].outer))
            stack.enter_context(contextlib.redirect_stderr(_node_prints["stderr"].outer))
        yield


def _take_prints() -> None:
    for name in ("stdout", "stderr"):
        _node_prints[name] = _NodePrints(getattr(sys, name))
        setattr(sys, name, _node_prints[name])


def _give_prints_back() -> None:
    for name, stream in _node_prints.items():
        if getattr(sys, name) is stream:  # a debugger may have taken its place
            setattr(sys, name, stream.outer)
    _node_prints.clear()


def _end_lines() -> None:
    """Hand on what the node at work printed, before another one's turn."""
    for stream in _node_prints.values():
        stream.finish()


def _root_dir(task_id: str | None = None, outside=alphafed.fs.get_root_dir) -> str:
    return outside(task_id) if _workplace is None else str(_workplace.root)


def _writer(log_dir: str) -> SummaryWriter:
    return SummaryWriter(log_dir=log_dir) if _workplace is None else RecordingWriter(log_dir)


alphafed.fs.get_root_dir = _root_dir
sdk.SummaryWriter = _writer


def _initial_random_state(seed: str) -> tuple:
    own_seed = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4])
    outer = _random_state()
    # not torch.manual_seed(), which looks for every kind of device and takes longer than all else that a node is made of
    torch.default_generator.manual_seed(own_seed)
    if torch.cuda.is_available():
        torch.cuda.manual_seed_all(own_seed)
    np.random.seed(own_seed)
    random.seed(own_seed)
    try:
        return _random_state()
    finally:
        _set_random_state(outer)


def _random_state() -> tuple:
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return torch.get_rng_state(), cuda, np.random.get_state(), random.getstate()


def _set_random_state(state: tuple) -> None:
    torch_state, cuda, numpy_state, python_state = state
    torch.set_rng_state(torch_state)
    torch.cuda.set_rng_state_all(cuda)
    np.random.set_state(numpy_state)
    random.setstate(python_state)
