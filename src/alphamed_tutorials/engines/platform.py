"""Stand in for what AlphaMed's platform does between the nodes of a task, within one process.

Parameters change hands in memory, check-ins are answered at once, and announcements reach nobody. `task` is the local
engine's: it knows the nodes and gives a data owner its turn.
"""

import io
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import torch
from alphafed.fed_avg import FedAvgScheduler
from alphafed.fed_avg.contractor import CheckinResponseEvent

from ..runs.folder import Run
from .settings import lower_learning_rate


class Channel:
    """Stand in for the SDK's data channel: parameters change hands in memory."""

    def __init__(self, task: Any):
        self.task = task
        self.sent = b""

    def batch_send_stream(self, source: str, target: list[str], data_stream: bytes, **_: Any) -> list[str]:
        self.sent = data_stream
        self.task.run.record["bytes_per_message"] = len(data_stream)
        return target

    def receive_stream(self, receiver: str, source: str, **_: Any) -> tuple[str, bytes]:
        return source, self.sent

    def batch_receive_stream(self, receiver: str, source_list: list[str], **_: Any) -> Mapping[str, bytes]:
        aggregator = self.task.aggregator.scheduler
        if aggregator.involve_aggregator:
            refuse_diverged(aggregator, self.task.run)  # it has just trained
        return _Results(self.task, source_list)


class _Results(Mapping):
    """Each data owner's parameters, trained when the aggregator comes to them, so that only one set is in memory."""

    def __init__(self, task: Any, names: list[str]):
        self.task, self.names = task, names

    def __getitem__(self, name: str) -> bytes:
        return self.task.train(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


class Contractor:
    """Stand in for the SDK's contractor: announcements have nobody to reach, check-ins are answered at once."""

    def __init__(self, task: Any):
        self.task = task
        self.answers: list[CheckinResponseEvent] = []

    def query_nodes(self) -> list[str]:
        return list(self.task.nodes)

    def checkin(self, **fields: Any) -> str:
        event = SimpleNamespace(nonce=fields["peer_id"], **fields)
        with self.task.aggregator.active() as scheduler:
            scheduler._handle_check_in(event)
        return event.nonce

    def respond_check_in(self, round: int, aggregator: str, nonce: str, requester_id: str) -> None:
        self.answers.append(CheckinResponseEvent(round=round, aggregator=aggregator, nonce=nonce))

    def contract_events(self, timeout: int = 0) -> Iterator[CheckinResponseEvent]:
        while self.answers:
            yield self.answers.pop()

    def start_round(self, **_: Any) -> None: ...
    def notify_ready_for_aggregation(self, **_: Any) -> None: ...
    def close_round(self, **_: Any) -> None: ...


def serialise(state_dict: Mapping[str, torch.Tensor]) -> bytes:
    """Return a state dict as the bytes the SDK sends."""
    buffer = io.BytesIO()
    torch.save(state_dict, buffer)
    return buffer.getvalue()


class Diverged(ArithmeticError):
    """Training that led to numbers that are none.

    Attributes:
        settings: What to resume with, where the scheduler has an argument that makes the learning rate.
    """

    def __init__(self, what: str, run: Run, settings: dict[str, float]):
        self.settings = settings
        again = run.resume_command(settings)
        way = (
            f"lower the learning rate: {again}"
            if settings
            else f"clip gradients in train_an_epoch(), then {again}; a lower learning rate in build_optimizer() needs "
            "a new run, or an argument learning_rate"
        )
        super().__init__(f"{what}, and the average would carry it to every node: {way}")


def refuse_diverged(scheduler: FedAvgScheduler, run: Run) -> None:
    """Stop a node whose parameters are not numbers before the average spreads them to everybody.

    Args:
        scheduler: The node's scheduler, after training.
        run: The run, for the advice.
    """
    parameters = {name for name, _ in scheduler.model.named_parameters()}  # a buffer may hold infinity, as masks do
    for name, tensor in scheduler.state_dict().items():
        if torch.isnan(tensor).any() or (name in parameters and torch.isinf(tensor).any()):
            what = f"after local training {name} holds NaN or infinity"
            raise Diverged(what, run, lower_learning_rate(scheduler))
