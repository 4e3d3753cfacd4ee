"""One node in this process: its own scheduler instance, random numbers, folders and log."""

import hashlib
import logging
import random
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import alphafed.fed_avg.fed_avg as sdk
import alphafed.fs
import cloudpickle
import numpy as np
import torch
from alphafed.fed_avg import FedAvgScheduler
from torch.utils.tensorboard import SummaryWriter

from ..errors import TutorialError

# Made anew by every set-up, therefore not part of what a node keeps from round to round.
REBUILT = {
    "id", "task_id", "data_dir", "tb_writer", "contractor", "data_channel", "_init_contractor",
    "_runtime_dir", "_context_file", "_checkpoint_dir", "_ckpt_file", "_result_dir", "_log_dir",
    "_train_loader", "_test_loader", "_validation_loader",
}  # fmt: skip


class NodeFailed(TutorialError):
    """Code that ran on a node raised.

    Attributes:
        node: The node.
        round: The round, 0 while the node was being set up.
        error: What was raised.
        file, line: The innermost line of the user's own code; None where only a library's code was running.
    """

    def __init__(self, node: str, round: int, error: Exception):
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
            if not is_aggregator or scheduler.involve_aggregator:
                scheduler.train_loader

    @contextmanager
    def active(self) -> Iterator[FedAvgScheduler]:
        """Make this node the one whose random numbers, writable folder and log are in use."""
        outer_state = _random_state()
        _set_random_state(self._random_state)
        try:
            with self._logging(), patch.object(alphafed.fs, "get_root_dir", lambda task_id=None: str(self.root)):
                yield getattr(self, "scheduler", None)
        except NodeFailed:
            raise
        except Exception as error:
            self._log.stream.write("".join(traceback.format_exception(error)))
            self._log.flush()
            raise NodeFailed(self.name, self.round, error) from error
        finally:
            self._random_state = _random_state()
            _set_random_state(outer_state)

    @contextmanager
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

    def take_scalars(self) -> list[tuple[str, float]]:
        """Return what the node logged since the last call."""
        writer = self.scheduler.tb_writer
        scalars, writer.scalars = writer.scalars, []
        if scalars:
            writer.flush()
        return scalars

    def release(self) -> None:
        """Give back the memory of parameters that the next round overwrites anyway.

        Only where `load_state_dict` is the SDK's own, which replaces every entry: a scheduler that loads in its
        own way may keep some. Gradients left over at the end of a node's turn go too.
        """
        if type(self.scheduler).load_state_dict is FedAvgScheduler.load_state_dict:
            for parameter in self.scheduler.model.parameters():
                parameter.grad = None
            storages = self._storages()
            self._sizes = [storage.nbytes() for storage in storages]
            for storage in storages:
                storage.resize_(0)

    def reclaim(self) -> None:
        """Take memory for the parameters again; what they hold is undefined until the round's are loaded."""
        for storage, size in zip(self._storages(), self._sizes):
            if storage.nbytes() < size:
                storage.resize_(size)

    def _storages(self) -> list[torch.UntypedStorage]:
        return [tensor.untyped_storage() for tensor in self.scheduler.model.state_dict().values()]

    def kept(self) -> dict[str, Any]:
        """Return what the node carries from round to round."""
        return {
            "attributes": {name: value for name, value in vars(self.scheduler).items() if name not in REBUILT},
            "random_state": self._random_state,
            "generator_states": [generator.get_state() for generator in self._generators()],
        }

    def restore(self, kept: dict[str, Any]) -> None:
        """Continue from what `kept` returned, after `set_up`."""
        vars(self.scheduler).update(kept["attributes"])
        self._random_state = kept["random_state"]
        for generator, state in zip(self._generators(), kept["generator_states"]):
            generator.set_state(state)

    def _generators(self) -> list[torch.Generator]:
        """Return the generators of the node's data loaders, where they have their own."""
        loaders = [vars(self.scheduler).get(name) for name in ("_train_loader", "_test_loader", "_validation_loader")]
        holders = [x for loader in loaders if loader is not None for x in (loader, getattr(loader, "sampler", None))]
        found = {id(g): g for g in (getattr(holder, "generator", None) for holder in holders) if g is not None}
        return list(found.values())

    def close(self) -> None:
        """Close the node's log and TensorBoard file."""
        if hasattr(self.scheduler, "tb_writer"):
            self.scheduler.tb_writer.close()
        self._log.close()


def _user_frame(error: BaseException) -> traceback.FrameSummary | None:
    """Return the innermost frame that belongs to the user, not to Python, a library or the engine."""
    frames = traceback.extract_tb(error.__traceback__)
    examples = str(Path(__file__).parents[1] / "examples")
    foreign = (*sysconfig.get_paths().values(), str(Path(__file__).parents[1]), "<")
    own = [f for f in frames if f.filename.startswith(examples) or not f.filename.startswith(foreign)]
    return own[-1] if own else None


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
