"""Stand in for what AlphaMed's platform does between the nodes of a task, within one process.

Parameters change hands in memory, check-ins are answered at once, and announcements reach nobody.
"""

import io
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any, Protocol

import torch
from alphafed.fed_avg.contractor import CheckinEvent, CheckinResponseEvent

from ..target import OWN_MESSAGES


class Task(Protocol):
    """What the stand-in asks of the run under way."""

    @property
    def nodes(self) -> Mapping[str, Any]:
        """All nodes, the aggregator among them."""

    def distributed(self, num_bytes: int) -> None:
        """Take note that the aggregator sent its parameters."""

    def collecting(self) -> None:
        """Take note that the aggregator now waits for results."""

    def train(self, name: str) -> bytes:
        """Give a data owner its turn and return its parameters."""

    def collected(self) -> None:
        """Take note that all have had their turn: what follows in this round is the test."""

    def tested(self) -> None:
        """Take note that the aggregator closes the round."""

    def welcome(self, event: CheckinEvent) -> None:
        """Hand a data owner's check-in to the aggregator."""


class Channel:
    """Stand in for the SDK's data channel: parameters change hands in memory."""

    def __init__(self, task: Task):
        self.task = task
        self.sent = b""

    def batch_send_stream(self, source: str, target: list[str], data_stream: bytes, **_: Any) -> list[str]:
        self.sent = data_stream
        self.task.distributed(len(data_stream))
        return target

    def receive_stream(self, receiver: str, source: str, **_: Any) -> tuple[str, bytes]:
        return source, self.sent

    def batch_receive_stream(self, receiver: str, source_list: list[str], **_: Any) -> "Turns":
        self.task.collecting()
        return Turns(self.task, source_list)


class Turns:
    """The results of the data owners: each trains when the aggregator comes to it, so that one is in memory at a time."""

    def __init__(self, task: Task, names: list[str]):
        self.task, self.names = task, names

    def items(self) -> Iterator[tuple[str, bytes]]:
        """Let one data owner after another train; yield its name and its parameters."""
        for name in self.names:
            yield name, self.task.train(name)
        self.task.collected()


class Contractor:
    """Stand in for the SDK's contractor: announcements have nobody to reach, check-ins are answered at once."""

    def __init__(self, task: Task):
        self.task = task
        self.answers: list[CheckinResponseEvent] = []

    def query_nodes(self) -> list[str]:
        return list(self.task.nodes)

    def checkin(self, **fields: Any) -> str:
        event = SimpleNamespace(nonce=fields["peer_id"], **fields)
        self.task.welcome(event)
        return event.nonce

    def respond_check_in(self, round: int, aggregator: str, nonce: str, requester_id: str) -> None:
        self.answers.append(CheckinResponseEvent(round=round, aggregator=aggregator, nonce=nonce))

    def contract_events(self, timeout: int = 0) -> Iterator[CheckinResponseEvent]:
        while self.answers:
            yield self.answers.pop()

    def start_round(self, **_: Any) -> None: ...
    def notify_ready_for_aggregation(self, **_: Any) -> None: ...

    def close_round(self, **_: Any) -> None:
        self.task.tested()

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"contractor.{name} is no message of FedAvg: {OWN_MESSAGES}")


def serialise(state_dict: Mapping[str, torch.Tensor]) -> bytes:
    """Return a state dict as the bytes the SDK sends."""
    buffer = io.BytesIO()
    torch.save(state_dict, buffer)
    return buffer.getvalue()
