"""What a local run tells while it goes on, and what it writes after each round."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..runs.folder import Metric, Run
from . import checkpoint
from .kept import Kept
from .node import Node
from .traps import missing_metrics
from .workplace import outside

Listener = Callable[[dict[str, Any]], None]


class Journal:
    """Keep the record of a run: events, warnings, metrics, checkpoints, its state.

    Args:
        run: The run folder.
        on_event: Called with each event.
    """

    def __init__(self, run: Run, on_event: Listener):
        self.run, self.on_event = run, on_event
        self.started = time.monotonic() - run.record["seconds"]
        self.checkpoint_file = run.path.resolve() / "checkpoint.pt"  # the task's code may change the working folder
        self.can_resume = True
        self.warned: set[tuple[str, str]] = set()

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
        """Write what the nodes logged in a round."""
        for name, node in nodes.items():
            self.run.rows += [Metric(number, name, tag, value) for tag, value in node.take_scalars()]
        self.run.write_metrics()

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
        """Write the checkpoint of a whole round, and how far the run came.

        What cannot be pickled is left out and told about; without a model or an optimizer there is no checkpoint.
        """
        rows = [tuple(row) for row in self.run.rows]
        content = {"round": number, "is_finished": is_finished, "rows": rows, "nodes": _kept(nodes)}
        try:
            self._write(content)
        except OSError:
            raise
        except Exception:  # pickling calls code of every attribute, which fails as it likes
            if not self._forget_unpicklable(nodes):
                raise
            self._write(content | {"nodes": _kept(nodes)})
        self.run.update(rounds_done=number, seconds=self._seconds())

    def close(self, state: str, **fields: Any) -> None:
        """Write how the run ended."""
        self.run.update(state=state, seconds=self._seconds(), metrics=self.run.metrics, **fields)
        self.event(state)

    def _write(self, content: dict[str, Any]) -> None:
        if self.can_resume:
            checkpoint.save(content, self.checkpoint_file)

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
