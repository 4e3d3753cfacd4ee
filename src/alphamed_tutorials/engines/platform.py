"""Stand in for what AlphaMed's platform does between the nodes of a task, on one machine.

Parameters change hands in memory, check-ins are answered at once, and announcements reach nobody.
"""

import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any, Protocol

import torch
from alphafed.fed_avg.contractor import CheckinResponseEvent

from ..data.folders import AGGREGATOR
from ..target import OWN_MESSAGES


class Task(Protocol):
    """What the aggregator's stand-ins ask of the run under way."""

    def distributed(self, parameters: bytes) -> None:
        """Take the parameters that the aggregator sent."""

    def collecting(self) -> None:
        """Take note that the aggregator now waits for results."""

    def updates(self, names: list[str]) -> Iterable[bytes]:
        """Give data owners their turns; yield the parameters of each."""

    def collected(self) -> None:
        """Take note that all have had their turn: what follows in this round is the test."""

    def tested(self) -> None:
        """Take note that the aggregator closes the round."""


class Channel:
    """Stand in for the aggregator's data channel: parameters change hands in memory.

    Args:
        task: The run under way.
    """

    def __init__(self, task: Task):
        self.task = task

    def batch_send_stream(self, source: str, target: list[str], data_stream: bytes, **_: Any) -> list[str]:
        self.task.distributed(data_stream)
        return target

    def batch_receive_stream(self, receiver: str, source_list: list[str], **_: Any) -> "Turns":
        self.task.collecting()
        return Turns(self.task, source_list)


class Turns:
    """The results of the data owners, each when the aggregator comes to it, so that one is in memory at a time."""

    def __init__(self, task: Task, names: list[str]):
        self.task, self.names = task, names

    def items(self) -> Iterator[tuple[str, bytes]]:
        """Let data owners train; yield the name of each, and its parameters."""
        yield from zip(self.names, self.task.updates(self.names))
        self.task.collected()


class OwnersChannel:
    """Stand in for the data channel of data owners, which lie in one process.

    Attributes:
        parameters: What the aggregator sent last.
    """

    parameters = b""

    def receive_stream(self, receiver: str, source: str, **_: Any) -> tuple[str, bytes]:
        return source, self.parameters


class Contractor:
    """Stand in for the SDK's contractor: announcements have nobody to reach, check-ins are answered at once.

    Args:
        names: All nodes of the task.
        closed: Called when the aggregator closes a round.

    Attributes:
        check_in: What a data owner checked in with last.
    """

    check_in: SimpleNamespace

    def __init__(self, names: Iterable[str], closed: Callable[[], None] = lambda: None):
        self.names, self.closed = list(names), closed
        self.answers: list[CheckinResponseEvent] = []

    def query_nodes(self) -> list[str]:
        return list(self.names)

    def checkin(self, **fields: Any) -> str:
        self.check_in = SimpleNamespace(nonce=fields["peer_id"], **fields)
        self.answers.append(CheckinResponseEvent(round=1, aggregator=AGGREGATOR, nonce=self.check_in.nonce))
        return self.check_in.nonce

    def contract_events(self, timeout: int = 0) -> Iterator[CheckinResponseEvent]:
        while self.answers:
            yield self.answers.pop()

    def respond_check_in(self, **_: Any) -> None: ...
    def start_round(self, **_: Any) -> None: ...
    def notify_ready_for_aggregation(self, **_: Any) -> None: ...

    def close_round(self, **_: Any) -> None:
        self.closed()

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"contractor.{name} is no message of FedAvg: {OWN_MESSAGES}")


def serialise(state_dict: Mapping[str, torch.Tensor]) -> bytes:
    """Return a state dict as the bytes the SDK sends."""
    buffer = io.BytesIO()
    torch.save(state_dict, buffer)
    return buffer.getvalue()
