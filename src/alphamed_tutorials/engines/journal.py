"""What a local run tells while it goes on, and what it writes after each round."""

import contextlib
import functools
import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ..faults import fault_behind
from ..runs.folder import Metric, Run
from ..runs.writing import let_reach_the_disk
from .node import Node
from .share import Losses, Rested
from .traps import missing_metrics
from .workplace import outside

Listener = Callable[[dict[str, Any]], None]
RESERVE = 2**18  # bytes: what is added to run.json, and a little more
SLACK = 2**20  # bytes for logs, events, metrics of a run of few nodes
A_NODE = 2**14  # bytes for those of each node


class Reserve:
    """Room on the disk, and one of the files a process may open, kept for writing how a run ended.

    Args:
        path: The file that takes the room.
        size: How much, in bytes.
    """

    def __init__(self, path: Path, size: int):
        self.path, self.size = path, size
        self._open_files = contextlib.ExitStack()

    def take(self) -> None:
        """Take it."""
        file = self._open_files.enter_context(self.path.open("wb", buffering=0))
        file.write(os.urandom(self.size))  # zeros may take no room

    def give_back(self) -> None:
        """Give it back, if it was taken."""
        self._open_files.close()
        self.path.unlink(missing_ok=True)


class Journal:
    """Keep the record of a run: events, warnings, metrics, checkpoints, its state.

    Args:
        run: The run folder.
        on_event: Called with each event.
    """

    def __init__(self, run: Run, on_event: Listener):
        self.run, self.on_event = run, on_event
        self.started = time.monotonic() - run.record["seconds"]
        folder = run.path.resolve()  # the task's code may change the working folder
        self.checkpoint_file = folder / "checkpoint.pt"
        record_size = (folder / "run.json").stat().st_size  # which is long where nodes are many
        self.reserve = Reserve(folder / ".reserve", RESERVE + record_size)
        self.states_folder = folder / "states"
        self.states: dict[str, Path | None] = {}  # where each data owner rests
        self.checkpoint_size = 0
        self.can_resume = True

    def begin(self) -> None:
        """Take the reserve, and give back what a killed process left half-written."""
        for leftover in self.checkpoint_file.parent.glob(".*.tmp"):
            leftover.unlink()
        self.states_folder.mkdir(exist_ok=True)
        self.reserve.take()

    def event(self, kind: str, **fields: Any) -> None:
        """Write an event and hand it to whoever listens."""
        event = {"event": kind, **fields}
        self.run.add_event(event)
        with outside():
            self.on_event(event)

    def tell(self, found: list[str], warnings: list[str] | None = None) -> None:
        """Tell what changed since the run began."""
        if found or warnings:
            self.event("compared", changes=found, warnings=warnings or [])

    def warn(self, name: str, texts: Iterable[str]) -> None:
        """Hand what is new in a node's log to whoever listens."""
        for text in texts:
            self.event("warning", node=name, text=text)

    def rested(self, owner: Rested) -> None:
        """Take note of where a data owner rests, and tell what is to be told of it."""
        self.states[owner.name] = owner.file
        self._not_kept(owner.name, owner.not_kept)
        self.warn(owner.name, owner.warnings)
        self._not_resumable(owner.lost)

    def _not_kept(self, name: str, attributes: list[str]) -> None:
        for attribute in attributes:
            self.event("not_kept", node=name, attribute=attribute)

    def _not_resumable(self, lost: Losses) -> None:
        """Write no checkpoints where one would lack what is trained."""
        for text, is_fatal in lost:
            if is_fatal and self.can_resume:
                self.can_resume = False
                self.run.update(not_resumable=text.partition(":")[0])

    def collect_metrics(self, logged: Mapping[str, list[tuple[str, float]]], number: int) -> None:
        """Take what nodes logged in a round; it is written with the round's checkpoint."""
        for name in filter(logged.__contains__, self.run.record["nodes"]):
            self.run.rows += [Metric(number, name, tag, value) for tag, value in logged[name]]

    def look_for_metrics(self, aggregator: Node) -> None:
        """Warn of metrics that should have been logged by now."""
        logged = {row.name for row in self.run.rows}
        self.warn(aggregator.name, aggregator.warn(missing_metrics(logged, self.run.record["target"])))

    def foresee(self, aggregator: Node) -> None:
        """Tell before the first round what a checkpoint will not hold, and whether the run can be resumed at all."""
        self._not_kept(aggregator.name, aggregator.forget_unpicklable())
        self._tell_losses(aggregator)

    def _tell_losses(self, aggregator: Node) -> None:
        lost = aggregator.losses()
        self.warn(aggregator.name, aggregator.warn(text for text, _ in lost))
        self._not_resumable(lost)

    def save(self, aggregator: Node, number: int, is_finished: bool) -> None:
        """Write the checkpoint of a whole round, its metrics, and how far the run came: all of them or none.

        What cannot be pickled is left out and told about; without a model or an optimizer there is no checkpoint.
        """
        try:
            self._write(aggregator, number, is_finished)
        except Exception as error:  # pickling calls code of every attribute, which fails as it likes
            if fault_behind(error) or not (found := aggregator.forget_unpicklable()):
                raise
            self._not_kept(aggregator.name, found)
            self._tell_losses(aggregator)
            self._write(aggregator, number, is_finished)
        self._remove_old_states()

    def _write(self, aggregator: Node, number: int, is_finished: bool) -> None:
        files = {name: file.name for name, file in self.states.items() if file}
        rows = [tuple(row) for row in self.run.rows]
        content = {"round": number, "is_finished": is_finished, "rows": rows, "states": files}
        content["aggregator"] = aggregator.kept()
        writes = {self.checkpoint_file: functools.partial(aggregator.write, content)} if self.can_resume else {}
        try:
            if self.can_resume:
                let_reach_the_disk(file for file in self.states.values() if file)
            self.run.write_with(writes, rounds_done=number, seconds=self._seconds())
        except Exception as error:
            if fault_behind(error):
                self.checkpoint_size = aggregator.size(content) + self._size_of_states()
            raise

    def _size_of_states(self) -> int:
        return sum(file.stat().st_size for file in self.states.values() if file)

    def _remove_old_states(self) -> None:
        """Remove what no checkpoint refers to any more."""
        in_use = set(self.states.values())
        for file in self.states_folder.iterdir():
            if file not in in_use:
                file.unlink()

    def room_needed(self) -> int | None:
        """Return about how many bytes the run needs to go on; None before the first message shows the model's size.

        A checkpoint lies beside the old one for an instant, and the model is written twice: by the SDK, and here.
        """
        message, nodes = self.run.record.get("bytes_per_message"), len(self.run.record["nodes"])
        if message is None:
            return None
        saved = self.checkpoint_file.stat().st_size if self.checkpoint_file.exists() else message
        known = saved + (self._size_of_states() or message * nodes)
        return (self.checkpoint_size or known) + 2 * message + SLACK + nodes * A_NODE

    def close(self, state: str, **fields: Any) -> None:
        """Write how the run ended; what a round logged that was not saved does not count."""
        self.reserve.give_back()
        self.run.rows = [row for row in self.run.rows if row.round <= self.run.record["rounds_done"]]
        self.run.update(state=state, seconds=self._seconds(), metrics=self.run.metrics, **fields)
        self.run.write_metrics()
        self.event(state)

    def _seconds(self) -> float:
        return round(time.monotonic() - self.started, 2)
