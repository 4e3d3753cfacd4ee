"""SuperNodes in this process: messages go through Flower's own types, and each to a ClientApp as Flower calls it."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cloudpickle
from flwr.app import Context, Error, Message, RecordDict
from flwr.supercore.task_identity import TaskIdentity

from alphamed_tutorials.data.folders import AGGREGATOR, find_nodes
from alphamed_tutorials.engines.local import begin, pickled, reopened
from alphamed_tutorials.flower import client
from alphamed_tutorials.flower.supernodes import SuperNodes
from alphamed_tutorials.playground.source import _zipped
from alphamed_tutorials.runs.folder import Run

Spoil = Callable[[str, Message], Message | None]


class Nodes:
    """A grid of SuperNodes.

    Args:
        settings: Each one's `--node-config`, by the name under which it is registered.
        spoil: Called with each answer; what it returns takes its place, and None is no answer at all.
    """

    def __init__(self, settings: Mapping[str, Mapping[str, Any]], spoil: Spoil = lambda name, answer: answer):
        self.settings, self.spoil = settings, spoil
        self.nodes = [
            SimpleNamespace(name=name, node_id=100 + number, last_activated_at="at first")
            for number, name in enumerate(settings)
        ]
        self.contexts = {
            node.node_id: Context(1, node.node_id, dict(settings[node.name]), RecordDict(), {}) for node in self.nodes
        }
        TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 1, 1, 1
        self.asked: list[tuple[str, Message]] = []
        self.waiting: dict[str, Message] = {}

    def get_nodes(self) -> list[SimpleNamespace]:
        return self.nodes

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        sent = []
        for message in messages:
            name = next(node.name for node in self.nodes if node.node_id == message.metadata.dst_node_id)
            message.metadata.__dict__["_message_id"] = f"message-{len(self.asked)}"
            self.asked.append((name, message))
            sent.append(message.metadata.message_id)
            self.waiting[sent[-1]] = message
        return sent

    def pull_messages(self, identities: Iterable[str]) -> list[Message]:
        (identity,) = identities
        message = self.waiting.pop(identity, None)
        if message is None:
            return []
        context = self.contexts[message.metadata.dst_node_id]
        name = next(node.name for node in self.nodes if node.node_id == context.node_id)
        answer = self.spoil(name, self._answer(message, context))
        return [answer] if answer is not None else []

    def _answer(self, message: Message, context: Context) -> Message:
        try:
            return client.app(message, context)
        except Exception as error:
            return Message(Error(1, repr(error)), reply_to=message)


def node_settings(data: Path, kept: Path) -> dict[str, dict[str, Any]]:
    """Return what SuperNodes of a prepared folder are started with."""
    return {
        name: {"name": name, "data": str(folder), "folder": str(kept / name)}
        for name, folder in find_nodes(data).items()
        if name != AGGREGATOR
    }


def begin_run(scheduler: Any, data: Path, out: Path, seed: int = 0) -> Run:
    """Return a run folder as `run_flower` makes it, of a task that is an object."""
    run = Run.create(out)
    folders = find_nodes(data)
    begin(run, "flower", scheduler, pickled(scheduler), folders, seed, 1, None)
    run.update(flower={"id": "0123456789abcdef", "superlink": None}, sample=1.0, workers=1)
    return run


def go_on(path: Path, grid: Any, settings: Mapping[str, Any] = {}) -> Run:
    """Run what a run folder holds to its end, as the ServerApp does."""
    run = Run.open(path)
    entry = (path / "entry.pickle").read_bytes()
    code = _zipped(entry, cloudpickle.loads(entry))
    return reopened(run, settings, lambda event: None, lambda plan, names: SuperNodes(plan, names, grid, code)).finish()
