"""One node in this process: its own scheduler instance at a workplace of its own."""

import contextlib
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import cloudpickle
from alphafed.fed_avg import FedAvgScheduler

from ..faults import CannotWrite
from ..faults import explained as faults_explained
from . import apart, checkpoint
from .contract import explained
from .failures import NodeFailed, WorkerEnded
from .kept import (
    Kept,
    anchor,
    anchors,
    attributes_and_generators,
    end_workers,
    hand_over,
    losses,
    places_of,
    restore_generators,
)
from .platform import Channel, Contractor, OwnersChannel
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

    Attributes:
        file: Where what it carries on lies since it last rested; None if it lies in memory only.
        lost: What a resumed run would not have as it was, and whether it can then not be resumed at all.
    """

    def __init__(self, name: str, entry: bytes, data_dir: Path, root: Path, log_file: Path, seed: int):
        self.name = name
        self.round = 0
        self._data_dir = data_dir
        self._workplace = Workplace(root, log_file, f"{seed}/{name}")
        self._forgotten: set[str] = set()
        self._warned: set[str] = set()
        self._seen: Any = None
        self._is_awake = True
        self.file: Path | None = None
        self.lost: list[tuple[str, bool]] = []
        with self._blamed():
            self.scheduler: FedAvgScheduler = cloudpickle.loads(entry)
            self.scheduler.data_dir = str(data_dir)

    def set_up(
        self, task_id: str, contractor: Contractor, channel: Channel | OwnersChannel, is_aggregator: bool
    ) -> None:
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
        except (NodeFailed, CannotWrite, WorkerEnded):  # of another node, inside this one's turn; of the machine
            raise
        except (Exception, SystemExit) as error:
            failure = NodeFailed(self.name, self.round, error, self._data_dir)
            self.log(logging.ERROR, str(failure), error)
            raise failure from error

    def log(self, level: int, message: str, error: BaseException | None = None) -> None:
        """Write a line to the node's log, with the error's traceback below it."""
        exc_info = (type(error), error, error.__traceback__) if error else None
        self._workplace.log.handle(logging.LogRecord("playground", level, __file__, 0, message, None, exc_info))

    def warn(self, texts: Iterable[str]) -> list[str]:
        """Write texts to the node's log that are not there yet; return them."""
        new = [text for text in dict.fromkeys(texts) if text not in self._warned]
        self._warned.update(new)
        for text in new:
            self.log(logging.WARNING, text)
        return new

    def take_scalars(self) -> list[tuple[str, float]]:
        """Return what the node logged since the last call."""
        writer = self.scheduler.tb_writer
        scalars, writer.scalars = writer.scalars, []
        writer.flush()
        return scalars

    def rest(self, file: Path) -> list[str]:
        """Write what the node carries on to a file, from which a resumed run goes on too; keep none of it in memory.

        Gradients go, in every node alike: a file holds none, so that a resumed run would otherwise go on from others
        than one that was never stopped. What cannot leave memory and come back as it was stays there as well, see `apart`.

        Returns:
            Attributes that turned out not to be picklable: they stay, and are not in the file.

        Raises:
            CannotWrite: The machine refuses the file.
        """
        end_workers(self.scheduler)
        for parameter in self.scheduler.model.parameters():
            parameter.grad = None
        self._look()
        forgotten = self._write(file)
        self.rest_on(self.file)
        return forgotten

    def rest_on(self, file: Path | None) -> None:
        """Keep in memory none of what a file holds; nothing is in it where there is none."""
        self.file = file
        self._look()
        if file and self._is_apart:
            self._leave()

    def _look(self) -> None:
        """Find what a file cannot hold, and whether the rest can leave; again when there is something new."""
        seen = {name: type(value) for name, value in vars(self.scheduler).items()}, frozenset(self._forgotten)
        if seen != self._seen:
            self._seen = seen
            self.lost = self.losses()
            self._is_apart = apart.can_leave(self.scheduler, self._forgotten)

    @property
    def can_resume(self) -> bool:
        """Whether a file holds all that is trained."""
        return not any(is_fatal for _, is_fatal in self.lost)

    def _write(self, file: Path) -> list[str]:
        """Write the file, without what cannot be pickled; a node that cannot be resumed gets none."""
        forgotten: list[str] = []
        self.file = None
        while self.can_resume and not self.file:
            try:
                with faults_explained(file), self._anchored():
                    checkpoint.write_to(file, self.kept())
                self.file = file
            except Exception as error:  # pickling calls code of every attribute, which fails as it likes
                if isinstance(error, CannotWrite) or not (found := self.forget_unpicklable()):
                    raise
                forgotten += found
                self._look()
        return forgotten

    def _leave(self) -> None:
        """Let go of what the file holds."""
        attributes = self.kept()["attributes"]
        self._places = places_of(self.scheduler, attributes)
        hand_over(self._places, dict.fromkeys(attributes))
        for name in attributes:
            del vars(self.scheduler)[name]
        self._workplace.leave()
        self._is_awake = False

    def wake(self) -> None:
        """Take back into memory what left it."""
        if self._is_awake:
            return
        assert self.file
        with checkpoint.anchored({}, lambda key: anchor(self.scheduler, key[1])):
            kept: Kept = checkpoint.load(self.file)
        vars(self.scheduler).update(kept["attributes"])
        hand_over(self._places, kept["attributes"])
        self._workplace.random_state = kept["random_state"]
        self._is_awake = True

    def write(self, content: Any, file: BinaryIO) -> None:
        """Write a checkpoint with what this node carries on."""
        with self._anchored():
            checkpoint.write(content, file)

    def size(self, content: Any) -> int:
        """Return how many bytes `write` writes."""
        with self._anchored():
            return checkpoint.size(content)

    def load(self, file: Path) -> Any:
        """Return what `write` or `rest` wrote in another process."""
        with self._anchored():
            return checkpoint.load(file)

    def _anchored(self) -> contextlib.AbstractContextManager[None]:
        """Let a file name what the node makes anew, instead of holding it."""
        return checkpoint.anchored(self.anchors(), lambda key: self.anchor(key[1]))

    def kept(self) -> Kept:
        """Return what the node carries from round to round."""
        attributes, generators = attributes_and_generators(self.scheduler, self._forgotten)
        return {"attributes": attributes, "generators": generators, "random_state": self._workplace.random_state}

    def restore(self, kept: Kept) -> None:
        """Continue from what `kept` returned, after `set_up`."""
        with self.active() as scheduler:
            restore_generators(scheduler, kept["generators"])
            hand_over(places_of(scheduler, kept["attributes"]), kept["attributes"])
        vars(self.scheduler).update(kept["attributes"])
        self._workplace.random_state = kept["random_state"]
        self.take_scalars()  # those of the set-up are in the metrics already

    def forget_unpicklable(self) -> list[str]:
        """Leave what cannot be pickled out of what is kept from now on; return the attributes' names."""
        kept = self.kept()
        with self._anchored():
            if checkpoint.can_save(kept):
                return []
            found = [name for name, value in kept["attributes"].items() if not checkpoint.can_save(value)]
        self._forgotten.update(found)
        return found

    def losses(self) -> list[tuple[str, bool]]:
        """Return what a resumed run would not have as it was, and whether it can then not be resumed at all."""
        hooks = (f"self.{name} {apart.HOOKS_LOST}" for name in apart.lost_hooks(self.scheduler, self._forgotten))
        return [*losses(self.scheduler, self._forgotten), *((text, True) for text in hooks)]

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
