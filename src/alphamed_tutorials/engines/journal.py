"""What a local run tells while it goes on, and what it writes after each round."""

import contextlib
import functools
import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ..faults import fault_behind
from ..runs.folder import Metric, Run
from . import checkpoint
from .kept import Kept
from .node import Node
from .traps import missing_metrics
from .workplace import outside

Listener = Callable[[dict[str, Any]], None]
RESERVE = 2**18  # bytes: the longest run.json, and a little more
SLACK = 2**20  # bytes for logs, events, metrics of a run of few nodes
A_NODE = 2**14  # bytes for those of each node


class Reserve:
    """Room on the disk, and one of the files a process may open, kept for writing how a run ended.

    Args:
        path: The file that takes the room.
    """

    def __init__(self, path: Path):
        self.path = path
        self._open_files = contextlib.ExitStack()

    def take(self) -> None:
        """Take it."""
        file = self._open_files.enter_context(self.path.open("wb", buffering=0))
        file.write(os.urandom(RESERVE))  # zeros may take no room

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
        self.checkpoint_file, self.reserve = folder / "checkpoint.pt", Reserve(folder / ".reserve")
        self.checkpoint_size = 0
        self.can_resume = True
        self.warned: set[tuple[str, str]] = set()

    def begin(self) -> None:
        """Take the reserve, and give back what a killed process left half-written."""
        for leftover in self.checkpoint_file.parent.glob(".*.tmp"):
            leftover.unlink()
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

    def warn(self, node: Node, texts: Iterable[str]) -> None:
        """Tell each thing once of each node: to whoever listens, and in the node's log."""
        for text in texts:
            if (node.name, text) not in self.warned:
                self.warned.add((node.name, text))
                node.log(logging.WARNING, text)
                self.event("warning", node=node.name, text=text)

    def collect_metrics(self, nodes: Mapping[str, Node], number: int) -> None:
        """Take what the nodes logged in a round; it is written with the round's checkpoint."""
        for name, node in nodes.items():
            self.run.rows += [Metric(number, name, tag, value) for tag, value in node.take_scalars()]

    def look_for_metrics(self, aggregator: Node) -> None:
        """Warn of metrics that should have been logged by now."""
        logged = {row.name for row in self.run.rows}
        self.warn(aggregator, missing_metrics(logged, self.run.record["target"]))

    def foresee(self, nodes: Mapping[str, Node]) -> None:
        """Tell before the first round what a checkpoint will not hold, and whether the run can be resumed at all."""
        if checkpoint.can_save(_kept(nodes)):
            self._tell_losses(nodes)
        else:
            self._forget_unpicklable(nodes)

    def save(self, nodes: Mapping[str, Node], number: int, is_finished: bool) -> None:
        """Write the checkpoint of a whole round, its metrics, and how far the run came: all of them or none.

        What cannot be pickled is left out and told about; without a model or an optimizer there is no checkpoint.
        """
        try:
            self._write(nodes, number, is_finished)
        except Exception as error:  # pickling calls code of every attribute, which fails as it likes
            if fault_behind(error) or not self._forget_unpicklable(nodes):
                raise
            self._write(nodes, number, is_finished)

    def _write(self, nodes: Mapping[str, Node], number: int, is_finished: bool) -> None:
        rows = [tuple(row) for row in self.run.rows]
        content = {"round": number, "is_finished": is_finished, "rows": rows, "nodes": _kept(nodes)}
        files = {self.checkpoint_file: functools.partial(checkpoint.write, content)} if self.can_resume else {}
        try:
            self.run.write_with(files, rounds_done=number, seconds=self._seconds())
        except Exception as error:
            if fault_behind(error):
                self.checkpoint_size = checkpoint.size(content)
            raise

    def room_needed(self) -> int | None:
        """Return about how many bytes the run needs to go on; None before the first message shows the model's size.

        A checkpoint lies beside the old one for an instant, and the model is written twice: by the SDK, and here.
        """
        message, nodes = self.run.record.get("bytes_per_message"), len(self.run.record["nodes"])
        if message is None:
            return None
        known = self.checkpoint_file.stat().st_size if self.checkpoint_file.exists() else message * nodes
        return (self.checkpoint_size or known) + 2 * message + SLACK + nodes * A_NODE

    def close(self, state: str, **fields: Any) -> None:
        """Write how the run ended; what a round logged that was not saved does not count."""
        self.reserve.give_back()
        self.run.rows = [row for row in self.run.rows if row.round <= self.run.record["rounds_done"]]
        self.run.update(state=state, seconds=self._seconds(), metrics=self.run.metrics, **fields)
        self.run.write_metrics()
        self.event(state)

    def _forget_unpicklable(self, nodes: Mapping[str, Node]) -> bool:
        """Leave out of checkpoints what cannot be pickled, and tell; return whether there was any."""
        forgotten = [(name, attribute) for name, node in nodes.items() for attribute in node.forget_unpicklable()]
        for name, attribute in forgotten:
            self.event("not_kept", node=name, attribute=attribute)
        self._tell_losses(nodes)
        return bool(forgotten)

    def _tell_losses(self, nodes: Mapping[str, Node]) -> None:
        """Tell what a resumed run would not have as it was; where that is the training, write no checkpoints."""
        for node in nodes.values():
            losses = node.losses()
            self.warn(node, (text for text, _ in losses))
            for text in (text for text, is_fatal in losses if is_fatal):
                self.can_resume = False
                self.run.update(not_resumable=text.partition(":")[0])

    def _seconds(self) -> float:
        return round(time.monotonic() - self.started, 2)


def _kept(nodes: Mapping[str, Node]) -> dict[str, Kept]:
    return {name: node.kept() for name, node in nodes.items()}
