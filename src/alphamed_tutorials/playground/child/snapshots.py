"""What a node is between two rounds, on disk: a child started again, and a round repeated, go on from there."""

import contextlib
import functools
import os
from pathlib import Path
from typing import Any

from ...engines import checkpoint
from ...engines.kept import end_workers
from ...engines.node import Node
from ...faults import fault_behind
from ...runs.writing import write_together
from .sdk import Ids

KEPT_ROUNDS = 2


class CannotRepeat(RuntimeError):
    """A round that failed half-way, and whose start is not known."""


class Snapshots:
    """The snapshots of one node.

    Before a round its state is written as a candidate: only the aggregator's next message says which round it is the
    start of. If that round was begun before, its first start is gone back to.

    Args:
        folder: Where they lie.
        node: The node.
        ids: The ids that it drew so far go along.

    Attributes:
        position: Where in the node's messages the last one was taken; None where there is none yet.
        lost: Why there are none; empty where there are.
        gives_up: Whether the one that was gone on from was taken where the aggregator gave a round up.
    """

    def __init__(self, folder: Path, node: Node, ids: Ids):
        self._folder, self._node, self._ids = folder, node, ids
        self._candidate = folder / "candidate.pt"
        self._begun: set[int] = set()
        self._old_files: list[Path] = []
        self.position: int | None = None
        self.lost = ""
        self.gives_up = False

    @property
    def exist(self) -> bool:
        """Whether there is one to go on from."""
        return self._candidate.exists()

    def before_set_up(self, result_dir: Path) -> None:
        """Take note of the files that TensorBoard wrote before, as long as there are no others."""
        self._old_files = [file for file in result_dir.rglob("events.out.*") if file.is_file()]

    def save(self, position: int, log_dir: Path, gives_up: bool = False) -> list[str]:
        """Write the state between two rounds.

        Args:
            position: How far the node's messages were read and sent.
            log_dir: Where the TensorBoard files are.
            gives_up: Whether the round before did not come to its end, which the others are still to be told.

        Returns:
            What there is to know of what could not be kept.
        """
        if self.lost:
            return []
        end_workers(self._node.scheduler)
        try:
            self._write(position, log_dir, gives_up)
            return []
        except Exception as error:  # pickling calls code of every attribute, which fails as it likes
            if fault_behind(error) or not self._node.forget_unpicklable():
                raise
        losses = self._node.losses()
        self.lost = "; ".join(text for text, is_fatal in losses if is_fatal)
        if not self.lost:
            self._write(position, log_dir, gives_up)
        return [text for text, _ in losses]

    def _write(self, position: int, log_dir: Path, gives_up: bool) -> None:
        content = {
            "kept": self._node.kept(),
            "pending": list(self._node.scheduler.tb_writer.scalars),
            "files": {str(file): file.stat().st_size for file in log_dir.rglob("*") if file.is_file()},
            "position": position,
            "gives_up": gives_up,
            "count": self._ids.count,
        }
        with self._anchored():
            write_together({self._candidate: functools.partial(checkpoint.write, content)})
        self.position = position

    def begin(self, number: int) -> bool:
        """Take the candidate for the start of a round, or go back to the round's first start; return whether it was that.

        Raises:
            CannotRepeat: It was begun before, and its start could not be kept.
        """
        start = self._folder / f"round-{number}.pt"
        if start.exists():
            self._restore(self._load(start))
            return True
        if number in self._begun:
            raise CannotRepeat(f"round {number} failed on another node and cannot be repeated: {self.lost}")
        self._begun.add(number)
        if self.exist and not self.lost:
            os.link(self._candidate, start)
            for old in sorted(self._folder.glob("round-*.pt"), key=os.path.getmtime)[:-KEPT_ROUNDS]:
                old.unlink()
        return False

    def go_on(self) -> int:
        """Bring a node that was set up anew where the last snapshot was taken; return the position in its messages."""
        found = self._load(self._candidate)
        for file in self._old_files:
            with contextlib.suppress(FileNotFoundError):
                os.truncate(file, found["files"].get(str(file), 0))
        self._ids.count = found["count"]
        self._restore(found)
        self.position, self.gives_up = found["position"], found["gives_up"]
        return found["position"]

    def _restore(self, found: dict[str, Any]) -> None:
        self._node.restore(found["kept"])
        self._node.scheduler.tb_writer.scalars = found["pending"]

    def _load(self, file: Path) -> dict[str, Any]:
        with self._anchored():
            return checkpoint.load(file)

    def _anchored(self) -> contextlib.AbstractContextManager[None]:
        return checkpoint.anchored(self._node.anchors(), lambda key: self._node.anchor(key[1]))
