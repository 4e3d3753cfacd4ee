"""One node in this process: its own scheduler instance, random numbers, folders and log."""

import contextlib
import ctypes
import hashlib
import logging
import os
import random
import sysconfig
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import alphafed.fed_avg.fed_avg as sdk
import alphafed.fs
import cloudpickle
import numpy as np
import torch
from alphafed.fed_avg import FedAvgScheduler
from torch import nn
from torch.utils.tensorboard import SummaryWriter

from ..errors import TutorialError
from . import checkpoint

# Data loaders are made anew by every set-up: data stays on the node and out of checkpoints.
LOADERS = ("train_loader", "test_loader", "validation_loader")
REBUILT = {
    "id", "task_id", "data_dir", "tb_writer", "contractor", "data_channel", "_init_contractor",
    "_runtime_dir", "_context_file", "_checkpoint_dir", "_ckpt_file", "_result_dir", "_log_dir",
    *(f"_{name}" for name in LOADERS),
}  # fmt: skip
ESSENTIAL = {"_model", "_optimizer"}
GENERATORS = (torch.Generator, np.random.Generator, np.random.RandomState, random.Random)


class NodeFailed(TutorialError):
    """Code that ran on a node raised.

    Attributes:
        node: The node.
        round: The round, 0 while the node was being set up.
        error: What was raised.
        file, line: The innermost line of the user's own code; None where only a library's code was running.
    """

    def __init__(self, node: str, round: int, error: BaseException):
        self.node, self.round, self.error = node, round, error
        frame = _user_frame(error)
        self.file, self.line = (frame.filename, frame.lineno) if frame else (None, None)
        when = f"in round {round}" if round else "while it was being set up"
        where = f": {frame.filename}, line {frame.lineno}, in {frame.name}\n    {frame.line}" if frame else ""
        super().__init__(f"{node} failed {when}{where}\n{type(error).__name__}: {error}")


class NodeLog(logging.FileHandler):
    """A node's log file; a type of its own tells it from the handlers the user's program set up."""


class RecordingWriter(SummaryWriter):
    """A TensorBoard writer that also remembers its scalars."""

    def __init__(self, log_dir: str):
        super().__init__(log_dir=log_dir)
        self.scalars: list[tuple[str, float]] = []

    def add_scalar(self, tag, scalar_value, *args, **kwargs):
        super().add_scalar(tag, scalar_value, *args, **kwargs)
        self.scalars.append((tag, float(scalar_value)))


class Node:
    """Run one node's share of a task in this process.

    Args:
        name: The node's name.
        entry: The pickled scheduler, as submitted.
        data_dir: The node's data folder; becomes the instance's `data_dir`.
        root: The node's writable folder, in the place of `/data/alphamed-federated`.
        log_file: Where the node's log goes.
        seed: The run's seed; each node draws its own random numbers from it and its name.
    """

    def __init__(self, name: str, entry: bytes, data_dir: Path, root: Path, log_file: Path, seed: int):
        self.name, self.root = name, root
        self.round = 0
        self._random_state = _initial_random_state(seed, name)
        self._working_folder = os.getcwd()
        self._forgotten: set[str] = set()
        self._sizes: list[int] = []
        self._log = NodeLog(log_file, encoding="utf-8")
        self._log.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        with self.active():
            self.scheduler: FedAvgScheduler = cloudpickle.loads(entry)
            self.scheduler.data_dir = str(data_dir)

    def set_up(self, task_id: str, contractor: Any, channel: Any, is_aggregator: bool) -> None:
        """Build model, optimizer and the data loader of the node's role, as the SDK does at a task's start."""
        scheduler = self.scheduler
        scheduler._init_contractor = lambda: contractor
        with self.active(), patch.object(sdk, "SummaryWriter", RecordingWriter):
            scheduler._setup_context(id=self.name, task_id=task_id, is_initiator=is_aggregator)
            # again: DPFedAvgScheduler puts a contractor of its own there, which would call the network
            scheduler.contractor, scheduler.data_channel = contractor, channel
            Path(scheduler._result_dir).mkdir(parents=True, exist_ok=True)
            # The SDK builds these on first use; building them now meets bad data before the first round.
            if is_aggregator:
                scheduler.test_loader
                _refuse_indivisible(scheduler)
            if not is_aggregator or scheduler.involve_aggregator:
                scheduler.train_loader

    @contextlib.contextmanager
    def active(self) -> Iterator[FedAvgScheduler]:
        """Make this node the one whose random numbers, working and writable folder, and log are in use."""
        outer_state, outer_folder = _random_state(), os.getcwd()
        _set_random_state(self._random_state)
        os.chdir(self._working_folder)
        try:
            with self._logging(), patch.object(alphafed.fs, "get_root_dir", lambda task_id=None: str(self.root)):
                yield getattr(self, "scheduler", None)
        except NodeFailed:
            raise
        except (Exception, SystemExit) as error:
            failure = NodeFailed(self.name, self.round, error)
            self.log(logging.ERROR, str(failure), error)
            raise failure from error
        finally:
            self._random_state, self._working_folder = _random_state(), os.getcwd()
            _set_random_state(outer_state)
            os.chdir(outer_folder)

    @contextlib.contextmanager
    def _logging(self) -> Iterator[None]:
        """Send what is logged, by the SDK or by the user's code, to this node's log and to no other node's."""
        root = logging.getLogger()
        outer_handlers, outer_level = root.handlers, root.level
        root.handlers = [handler for handler in outer_handlers if not isinstance(handler, NodeLog)] + [self._log]
        root.setLevel(logging.INFO)
        try:
            yield
        finally:
            root.handlers = outer_handlers
            root.setLevel(outer_level)

    def log(self, level: int, message: str, error: BaseException | None = None) -> None:
        """Write a line to the node's log, with the error's traceback below it."""
        exc_info = error and (type(error), error, error.__traceback__)
        self._log.handle(logging.LogRecord("playground", level, __file__, 0, message, None, exc_info))

    def take_scalars(self) -> list[tuple[str, float]]:
        """Return what the node logged since the last call."""
        writer = self.scheduler.tb_writer
        scalars, writer.scalars = writer.scalars, []
        if scalars:
            writer.flush()
        return scalars

    def release(self) -> None:
        """Give back the memory of parameters that the next round overwrites anyway.

        Only where `load_state_dict` is the SDK's and torch's own, which replace every entry: one that loads in its
        own way may keep some. Gradients left over at the end of a node's turn go too.
        """
        loads = type(self.scheduler).load_state_dict, type(self.scheduler.model).load_state_dict
        if loads == (FedAvgScheduler.load_state_dict, nn.Module.load_state_dict):
            for parameter in self.scheduler.model.parameters():
                parameter.grad = None
            storages = [storage for storage in self._storages() if storage.resizable()]
            self._sizes = [storage.nbytes() for storage in storages]
            for storage in storages:
                storage.resize_(0)
            if sum(self._sizes) > 2**20:
                _trim_heap()

    def reclaim(self) -> None:
        """Take memory for the parameters again; what they hold is undefined until the round's are loaded."""
        storages = [storage for storage in self._storages() if storage.resizable()]
        for storage, size in zip(storages, self._sizes):
            if storage.nbytes() < size:
                storage.resize_(size)

    def shares_memory_with(self, other: "Node") -> bool:
        """Return whether the models of two nodes lie, in part, in the same memory."""
        return bool({s.data_ptr() for s in self._storages()} & {s.data_ptr() for s in other._storages()} - {0})

    def _storages(self) -> list[torch.UntypedStorage]:
        values = self.scheduler.model.state_dict().values()
        return [value.untyped_storage() for value in values if isinstance(value, torch.Tensor)]

    def kept(self) -> dict[str, Any]:
        """Return what the node carries from round to round."""
        loaders = {name: vars(self.scheduler).get(f"_{name}") for name in LOADERS}
        parts = {name: _parts(loader) for name, loader in loaders.items() if loader is not None}
        left_out = {id(part) for loader_parts in parts.values() for part in loader_parts}
        return {
            "attributes": {
                name: value
                for name, value in vars(self.scheduler).items()
                if name not in REBUILT | self._forgotten and id(value) not in left_out
            },
            "generators": {name: [_generators(part) for part in loader_parts] for name, loader_parts in parts.items()},
            "random_state": self._random_state,
        }

    def restore(self, kept: dict[str, Any]) -> None:
        """Continue from what `kept` returned, after `set_up`."""
        with self.active() as scheduler:
            for loader, generators in kept["generators"].items():
                for part, found in zip(_parts(getattr(scheduler, loader)), generators):
                    for name, generator in found.items():
                        vars(part)[name] = generator
        vars(self.scheduler).update(kept["attributes"])
        self._random_state = kept["random_state"]
        self.take_scalars()  # those of the set-up are in the metrics already

    def forget_unpicklable(self) -> list[str]:
        """Leave what cannot be pickled out of what is kept from now on; return the attributes' names."""
        found = [name for name, value in self.kept()["attributes"].items() if not checkpoint.can_save(value)]
        self._forgotten.update(found)
        for name in found:
            effect = "this run cannot be resumed" if name in ESSENTIAL else "if this run is resumed, it starts afresh"
            self.log(logging.WARNING, f"self.{name} cannot be pickled: {effect}")
        return found

    def close(self) -> None:
        """Close the node's log and TensorBoard file."""
        if hasattr(self.scheduler, "tb_writer"):
            self.scheduler.tb_writer.close()
        self._log.close()


def _trim_heap() -> None:
    """Hand freed memory back to the system; glibc by itself keeps what lies between small pieces still in use."""
    with contextlib.suppress(AttributeError):  # only glibc has this
        ctypes.CDLL(None).malloc_trim(0)


def _parts(loader: Any) -> list[Any]:
    """Return a data loader and the datasets and samplers it is made of."""
    parts = [loader]
    for part in parts:  # which grows meanwhile
        found = [_attributes(part).get(name) for name in ("dataset", "sampler", "batch_sampler")]
        parts += [new for new in found if new is not None and not any(new is known for known in parts)]
    return parts


def _generators(part: Any) -> dict[str, Any]:
    """Return the attributes that are random number generators of one's own."""
    return {name: value for name, value in _attributes(part).items() if isinstance(value, GENERATORS)}


def _attributes(part: Any) -> dict[str, Any]:
    return getattr(part, "__dict__", {})


def _refuse_indivisible(scheduler: FedAvgScheduler) -> None:
    """Meet before the first round what the SDK's average would fail on at its end."""
    if type(scheduler)._process_aggregation is FedAvgScheduler._process_aggregation:
        for name, value in scheduler.state_dict().items():
            if not isinstance(value, torch.Tensor) or value.dtype == torch.bool:
                kind = "a bool tensor" if isinstance(value, torch.Tensor) else "no tensor"
                raise TypeError(
                    f"{name} in the state dict is {kind}, which the SDK cannot average: leave it out, by "
                    "register_buffer(..., persistent=False) or by the scheduler's state_dict() and load_state_dict()"
                )


def _user_frame(error: BaseException) -> traceback.FrameSummary | None:
    """Return the innermost frame that belongs to the user, not to Python, a library or the engine."""
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_users(frame.filename)]
    return own[-1] if own else None


def _is_users(filename: str) -> bool:
    package = Path(__file__).parents[1]
    if Path(filename).is_relative_to(package):
        return Path(filename).is_relative_to(package / "examples")
    libraries = (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), "<")
    return not filename.startswith(libraries) and not {"site-packages", "dist-packages"} & set(Path(filename).parts)


def _initial_random_state(seed: int, name: str) -> tuple:
    own_seed = int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:4])
    outer = _random_state()
    torch.manual_seed(own_seed)
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
