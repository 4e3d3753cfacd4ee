"""One node in this process: its own scheduler instance at a workplace of its own."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cloudpickle
from alphafed.fed_avg import FedAvgScheduler

from . import checkpoint, memory
from .contract import explained
from .failures import NodeFailed
from .kept import Kept, anchor, anchors, attributes_and_generators, end_workers, hand_over, losses, restore_generators
from .platform import Channel, Contractor
from .refusals import refuse_unready
from .workplace import Workplace


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
        self.name = name
        self.round = 0
        self._data_dir = data_dir
        self._workplace = Workplace(root, log_file, f"{seed}/{name}")
        self._forgotten: set[str] = set()
        self._sizes: list[int] = []
        with self._blamed():
            self.scheduler: FedAvgScheduler = cloudpickle.loads(entry)
            self.scheduler.data_dir = str(data_dir)

    def set_up(self, task_id: str, contractor: Contractor, channel: Channel, is_aggregator: bool) -> None:
        """Build model, optimizer and the data loader of the node's role, as the SDK does at a task's start."""
        with self.active() as scheduler:
            scheduler._init_contractor = lambda: contractor
            scheduler._setup_context(id=self.name, task_id=task_id, is_initiator=is_aggregator)
            # again: DPFedAvgScheduler puts a contractor of its own there, which would call the network
            scheduler.contractor, scheduler.data_channel = contractor, channel
            Path(scheduler._result_dir).mkdir(parents=True, exist_ok=True)
            refuse_unready(scheduler)

    @contextlib.contextmanager
    def active(self) -> Iterator[FedAvgScheduler]:
        """Make this node the one at work."""
        with self._blamed(), explained(self.scheduler):
            yield self.scheduler

    @contextlib.contextmanager
    def _blamed(self) -> Iterator[None]:
        """Work at this node's workplace, and name the node if that fails."""
        try:
            with self._workplace.entered():
                yield
        except NodeFailed:
            raise
        except (Exception, SystemExit) as error:
            failure = NodeFailed(self.name, self.round, error, self._data_dir)
            self.log(logging.ERROR, str(failure), error)
            raise failure from error

    def log(self, level: int, message: str, error: BaseException | None = None) -> None:
        """Write a line to the node's log, with the error's traceback below it."""
        exc_info = (type(error), error, error.__traceback__) if error else None
        self._workplace.log.handle(logging.LogRecord("playground", level, __file__, 0, message, None, exc_info))

    def take_scalars(self) -> list[tuple[str, float]]:
        """Return what the node logged since the last call."""
        writer = self.scheduler.tb_writer
        scalars, writer.scalars = writer.scalars, []
        if scalars:
            writer.flush()
        return scalars

    def release(self) -> None:
        """Give back the memory of parameters, and worker processes, between the node's turns."""
        end_workers(self.scheduler)
        self._sizes = memory.release(self.scheduler)

    def reclaim(self) -> None:
        """Take that memory again."""
        memory.reclaim(self.scheduler, self._sizes)

    def kept(self) -> Kept:
        """Return what the node carries from round to round."""
        attributes, generators = attributes_and_generators(self.scheduler, self._forgotten)
        return {"attributes": attributes, "generators": generators, "random_state": self._workplace.random_state}

    def restore(self, kept: Kept) -> None:
        """Continue from what `kept` returned, after `set_up`."""
        with self.active() as scheduler:
            restore_generators(scheduler, kept["generators"])
            hand_over(scheduler, kept["attributes"])
        vars(self.scheduler).update(kept["attributes"])
        self._workplace.random_state = kept["random_state"]
        self.take_scalars()  # those of the set-up are in the metrics already

    def forget_unpicklable(self) -> list[str]:
        """Leave what cannot be pickled out of what is kept from now on; return the attributes' names."""
        found = [name for name, value in self.kept()["attributes"].items() if not checkpoint.can_save(value)]
        self._forgotten.update(found)
        return found

    def losses(self) -> list[tuple[str, bool]]:
        """Return what a resumed run would not have as it was, and whether it can then not be resumed at all."""
        return list(losses(self.scheduler, self._forgotten))

    def anchors(self) -> dict[int, checkpoint.Key]:
        """Return by identity how a checkpoint names what this node makes anew."""
        return {id(value): (self.name, name) for name, value in anchors(self.scheduler).items()}

    def anchor(self, name: str) -> Any:
        """Return what a checkpoint has this name for."""
        with self.active() as scheduler:
            return anchor(scheduler, name)

    def close(self) -> None:
        """Close the node's TensorBoard file."""
        if hasattr(self.scheduler, "tb_writer"):
            with contextlib.suppress(OSError):  # on a full disk; what was logged is in metrics.csv too
                self.scheduler.tb_writer.close()
