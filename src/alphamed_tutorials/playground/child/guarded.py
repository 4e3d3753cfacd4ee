"""The user's scheduler, and what stands around it: checks, snapshots between rounds, a failure that is told.

The SDK's process runs as it is. Each method here calls the one of the user's class, or the SDK's.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from alphafed.data_channel.data_channel import SendingError
from alphafed.fed_avg import FedAvgScheduler
from alphafed.fed_avg.contractor import FinishTaskEvent, ResetRoundEvent, SyncStateEvent
from alphafed.fed_avg.fed_avg import AggregationError, ResetRound
from alphafed.fs import get_result_dir
from alphafed.scheduler import TaskComplete

from ...engines import averaging
from ...engines.contract import refuse_silent_stream
from ...engines.node import Node
from ...engines.peers import read_tensors, refuse_unfit_numbers, refuse_unlike
from ...engines.refusals import refuse_diverged, refuse_overflow, refuse_unready
from ...engines.traps import TestWatch, TrainingWatch
from .line import Line
from .snapshots import Snapshots


class Guard:
    """What the scheduler of this process is guarded with.

    Args:
        node: The node.
        snapshots: Its snapshots.
        line: The line to the agent.

    Attributes:
        error: What the task failed of.
    """

    def __init__(self, node: Node, snapshots: Snapshots, line: Line):
        self.node, self.snapshots, self.line = node, snapshots, line
        self.error: Exception | None = None
        self.is_tested = False

    def resume_command(self, settings: Mapping[str, Any] = {}) -> str:
        """Return what to do after training that diverged."""
        changed = ", ".join(f"{name}={value}" for name, value in settings.items())
        return f"give the task new code{f' with {changed}' if changed else ''}, and start it again"

    def event(self, kind: str, **fields: Any) -> None:
        """Tell the agent."""
        self.line.event(kind, **fields)

    def warn(self, texts: Iterable[str]) -> None:
        """Tell each thing once."""
        for text in self.node.warn(texts):
            self.event("warning", text=text)

    def sent(self, num_bytes: int) -> None:
        """Tell the size of what is sent to others."""
        self.event("distributed", bytes=num_bytes)

    def round_done(self, number: int) -> None:
        """Tell what was logged in a round."""
        self.event("round_done", round=number, rows=self.node.take_scalars())

    def take_snapshot(self, gives_up: bool = False) -> None:
        """Keep what the node is now, to go on from; `gives_up` where a round is given up, see `Snapshots.save`."""
        position = self.line.mark(self.snapshots.position)
        self.warn(self.snapshots.save(position, Path(self.node.scheduler._log_dir), gives_up))

    def interrupt(self, event: Any) -> None:
        """Notice that nobody waits for a data owner's parameters any more; the SDK would read past it."""
        if isinstance(event, FinishTaskEvent):
            raise TaskComplete
        if isinstance(event, ResetRoundEvent):
            raise ResetRound
        if isinstance(event, SyncStateEvent):
            raise SendingError("the aggregator begins a round")

    def check(self, received: Mapping[str, bytes]) -> None:
        """Refuse what peers sent where it will not do."""
        scheduler = self.node.scheduler
        own = scheduler.state_dict() if speaks_fed_avg(type(scheduler)) else {}
        sums = averaging.Sums()
        for peer, data in received.items():
            content = read_tensors(peer, data)
            if own:
                refuse_unlike(peer, content, own)
            refuse_unfit_numbers(peer, content, own)
            if own and len(received) > 1:
                refuse_overflow(scheduler, sums, content)


_guard: Guard | None = None  # of the one scheduler in this process; no attribute of it, which would be kept


def guard() -> Guard:
    """Return what the scheduler of this process is guarded with."""
    assert _guard is not None
    return _guard


def put_guard(new: Guard) -> None:
    """Let a guard stand around its node's scheduler, where that speaks the SDK's protocol of averaging."""
    global _guard
    _guard = new
    scheduler: Any = new.node.scheduler
    if isinstance(scheduler, FedAvgScheduler):
        scheduler.__class__ = guarded(type(scheduler))
    elif hasattr(scheduler, "_launch_process"):
        scheduler.__class__ = outspoken(type(scheduler))


def speaks_fed_avg(kind: type) -> bool:
    """Return whether a scheduler's messages are the SDK's, and what is sent are its parameters."""
    own = [each for each in kind.__mro__ if "is_guarded_by_the_playground" not in vars(each)]
    return issubclass(kind, FedAvgScheduler) and all(
        next(vars(each)[name] for each in own if name in vars(each)) is vars(FedAvgScheduler)[name]
        for name in ("_run_as_aggregator", "_run_as_data_owner")
    )


def outspoken(kind: type) -> type:
    """Return a class that an object of a class can become, to tell what `_run` only writes into the log."""

    class Outspoken(kind):  # type: ignore[valid-type, misc]
        """Does the same."""

        is_guarded_by_the_playground = True

        def _launch_process(self) -> None:
            try:
                super()._launch_process()
            except Exception as error:
                guard().error = error
                raise

    Outspoken.__name__, Outspoken.__qualname__, Outspoken.__module__ = kind.__name__, kind.__qualname__, kind.__module__
    return Outspoken


def guarded(kind: type[FedAvgScheduler]) -> type[FedAvgScheduler]:
    """Return a class that an object of the user's class can become."""

    class Guarded(outspoken(kind)):  # type: ignore[valid-type, misc]
        """Keeps the user's attributes and methods, and does more."""

        is_guarded_by_the_playground = True
        current_round: int

        def _setup_context(self, id: str, task_id: str, is_initiator: bool = False) -> None:
            guard().snapshots.before_set_up(Path(get_result_dir(task_id)))
            super()._setup_context(id=id, task_id=task_id, is_initiator=is_initiator)
            self._make_folders()
            if speaks_fed_avg(kind):
                refuse_unready(self)

        def _clean_progress(self) -> None:
            """Leave the folders: the agent gave fresh ones, and TensorBoard's file is open already."""
            self._make_folders()

        def _make_folders(self) -> None:
            for folder in (self._checkpoint_dir, self._log_dir):
                Path(folder).mkdir(parents=True, exist_ok=True)

        def _check_in(self) -> None:
            if guard().snapshots.exist:
                guard().line.rewind(guard().snapshots.go_on())
                if guard().snapshots.gives_up:
                    self.contractor.reset_round()
            else:
                guard().line.rewind(0)
                super()._check_in()
                if self.is_aggregator:
                    self._in_members_order()
            guard().event("started", round=self.current_round, rounds=self.max_rounds)

        def _in_members_order(self) -> None:
            """Forget who checked in first: sums are taken in this order, and their last digits depend on it."""
            self.gethered.sort(key=self.participants.index)
            for name, value in vars(self).items():
                if isinstance(value, dict) and value and set(value) <= set(self.participants):
                    setattr(self, name, {member: value[member] for member in self.participants if member in value})

        def _sync_state(self) -> None:
            guard().take_snapshot()
            super()._sync_state()
            number = self.current_round
            if guard().snapshots.begin(number):
                self.current_round = number  # the snapshot is from before the message that said so

        def _run_a_round(self) -> None:
            guard().node.round = self.current_round
            guard().event("round_started", round=self.current_round)
            super()._run_a_round()
            if not self.is_aggregator:
                guard().round_done(self.current_round)

        def _persistent_running_context(self) -> None:
            super()._persistent_running_context()
            if self.is_aggregator:
                guard().round_done(self.current_round)

        def _run_as_aggregator(self) -> None:
            try:
                super()._run_as_aggregator()
            except AggregationError:
                # The others are about to hear of it: were this process to die now and try the round once more, an answer
                # that has come meanwhile would let it go on, and wait for parameters that nobody sends any more.
                guard().take_snapshot(gives_up=True)
                raise

        def _run_as_data_owner(self) -> None:
            try:
                super()._run_as_data_owner()
            except SendingError as error:
                # What the aggregator said was read past; it says again in which round it is to whoever checks in.
                self.push_log(f"{error}. Checking in again ...")
                while not self._check_in_task():
                    continue
                raise ResetRound(error) from error

        def _execute_training(self) -> None:
            guard().event("training", round=self.current_round)
            with TrainingWatch(self) as watch:
                super()._execute_training()
            if watch.optimizer is None:
                refuse_silent_stream(self)
            refuse_diverged(self, guard())
            guard().warn(watch.traps())
            guard().event("trained", round=self.current_round)

        def _check_and_run_test(self) -> None:
            if guard().is_tested:
                super()._check_and_run_test()
                return
            with TestWatch(self) as watch:
                super()._check_and_run_test()
            guard().is_tested = True
            guard().warn(watch.traps())

    Guarded.__name__, Guarded.__qualname__, Guarded.__module__ = kind.__name__, kind.__qualname__, kind.__module__
    return Guarded


def refuse_again(scheduler: Any, folder: Path) -> None:
    """Refuse to go on with a scheduler whose messages are its own: they hold secrets of a process that is gone.

    Args:
        scheduler: The task's.
        folder: The child's; a file in it says that it began.
    """
    mark = folder / "began"
    if mark.exists() and not speaks_fed_avg(type(scheduler)):
        raise RuntimeError(
            f"this node's process ended before the task did, and {type(scheduler).__name__}, which has a message protocol "
            "of its own, cannot go on from there: start the task anew"
        )
    mark.touch()
