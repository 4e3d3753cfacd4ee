"""The course of one local run: set up or restore, then round after round."""

import contextlib
import functools
import logging
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from alphafed.fed_avg import FedAvgScheduler

from ..data.folders import AGGREGATOR
from ..errors import WrongUse
from ..faults import CannotWrite, cure, fault_behind, quiet_threads
from ..runs.folder import Metric, Run, RunError
from ..runs.writing import write_together
from . import changes
from .averaging import Sums
from .crew import Crew
from .failures import BrokenContract, NodeFailed, failure_record
from .interruption import kept_interrupt
from .journal import Journal, Listener
from .kept import end_workers
from .platform import Channel, Contractor
from .refusals import refuse_diverged, refuse_overflow
from .settings import Settings, carry, recorded, refuse_other_network, since
from .share import Owners, Plan, Share, Turn
from .traps import TestWatch, TrainingWatch, Watch
from .workers import hand_over_by_value
from .workplace import level


class LocalTask:
    """Run the nodes of one task: the aggregator in this process, the data owners here, in others, or elsewhere.

    Args:
        run: The run folder; its record says which nodes there are, and how far the run came.
        entry: The pickled scheduler.
        on_event: Called with each event of the run.
        settings: Those that change from the next round on.
        elsewhere: Returns the data owners where they run on other machines.
    """

    def __init__(
        self,
        run: Run,
        entry: bytes,
        on_event: Listener,
        settings: Settings = MappingProxyType({}),
        elsewhere: Callable[[Plan, list[str]], Owners] | None = None,
    ):
        self.run, self.settings, self.elsewhere = run, settings, elsewhere
        self.folder = run.path.resolve()  # the task's code may change the working folder
        self.plan = Plan(run, self.folder, entry)
        self.owner_names = [name for name in run.record["nodes"] if name != AGGREGATOR]
        self.journal = Journal(run, on_event)
        self.open_parts = contextlib.ExitStack()
        self.is_tested = False

    @quiet_threads()
    @level(logging.INFO)
    def finish(self) -> Run:
        """Run the task to its end.

        Raises:
            NodeFailed: Code on a node raised.
            WrongUse: A setting cannot be changed; the run is left as it was.
            TutorialError: The run folder cannot be written any more.
        """
        outer_threads = torch.get_num_threads()
        torch.set_num_threads(self.run.record["num_threads"])
        hand_over_by_value()
        try:
            with kept_interrupt() as self.heed_interrupt:
                self._run_to_the_end()
        except WrongUse:
            raise  # nothing was done that is not as before
        except BaseException as error:
            state = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
            with contextlib.suppress(OSError, CannotWrite):  # a full disk must not hide what went wrong
                self.journal.close(state, failure=failure_record(error))
            self._explain(error)
            raise
        finally:
            torch.set_num_threads(outer_threads)
            self.journal.reserve.give_back()
            self.open_parts.close()
        return self.run

    def _run_to_the_end(self) -> None:
        self.journal.begin()
        is_finished = self._set_up()
        record = self.run.record
        self.journal.event("started", nodes=self.owner_names, round=record["rounds_done"], rounds=record["rounds"])
        while not is_finished:
            is_finished = self._round()
        self._write_output()
        self.journal.close("done", finished_early=record["rounds_done"] < record["rounds"])

    def _explain(self, error: BaseException) -> None:
        """Say what to do about it, where an error comes of what the machine refused.

        Raises:
            CannotWrite: It does, and no line of the user's has part in it.
        """
        fault = fault_behind(error)
        if fault is None:
            return
        advice = cure(fault, self.folder, self.journal.room_needed())
        if isinstance(error, NodeFailed) and error.file:
            error.advise(f"{advice[0].upper()}{advice[1:]}")
        else:
            then = f"{advice}, then: {self.run.resume_command()}"
            raise CannotWrite(f"{self.run.path} cannot be written ({fault.strerror}): {then}") from error

    def _set_up(self) -> bool:
        """Make all nodes, and bring them to the last whole round, if there is one; return whether it was the last."""
        (self.folder / "logs").mkdir(exist_ok=True)
        num_workers = min(self.run.record.get("workers", 1), len(self.owner_names))
        self.owners: Owners
        if num_workers > 1:  # before torch has threads, which cannot be copied
            self.owners = Crew(self.plan, self.owner_names, num_workers)
            self.open_parts.callback(self.owners.close)
        self.aggregator = self.plan.node(AGGREGATOR)
        self.open_parts.callback(self.aggregator.close)
        if num_workers == 1:
            self.owners = (self.elsewhere or Share)(self.plan, self.owner_names)
            self.open_parts.callback(self.owners.close)
        self.aggregator.set_up(self.folder.name, Contractor(self.run.record["nodes"], self.tested), Channel(self), True)
        if isinstance(self.owners, Share):
            self.owners.other_model = self.aggregator.scheduler.model
        if not self.journal.checkpoint_file.exists():
            return self._begin()
        return self._restore(self.aggregator.load(self.journal.checkpoint_file))

    def _begin(self) -> bool:
        if self.run.record["rounds_done"]:
            reason = self.run.record.get("not_resumable")
            why = f" ({reason})" if reason else ""
            raise RunError(f"{self.journal.checkpoint_file} is missing{why}: start the run again")
        self.run.rows = []  # of a first round that was not finished
        self._set_up_owners(dict.fromkeys(self.owner_names), 0, {})
        self._go_on(0)
        return False

    def _set_up_owners(self, files: dict[str, Path | None], number: int, settings: Settings) -> list[str]:
        """Let all data owners make their parts and check in; return what changed with the settings."""
        lines = []
        for ready in self.owners.set_up(files, number, settings):
            self.journal.rested(ready)
            lines += ready.adapted
            with self.aggregator.active() as scheduler:
                scheduler._handle_check_in(ready.check_in)
        self.journal.foresee(self.aggregator)
        return lines

    def _restore(self, saved: dict[str, Any]) -> bool:
        """Go back to the last whole round; return whether it was the last."""
        if "states" not in saved:
            raise RunError(f"{self.run.path} was begun by an older version of this program: start the run again")
        number, kept, pending = saved["round"], saved["aggregator"], self._pending(saved["round"])
        lines = []
        if pending:
            lines += refuse_other_network(self.aggregator, kept["attributes"], pending)
            lines += carry(self.aggregator, kept["attributes"], pending)
        files = {name: self.plan.states / saved["states"][name] for name in self.owner_names}
        lines += self._set_up_owners(files, number, pending)
        lines += changes.compare_built(self.run, self.aggregator.scheduler, kept["attributes"])
        self.aggregator.restore(kept)
        is_finished = saved["is_finished"]
        if pending and (is_finished or "max_rounds" in pending):
            is_finished = self._is_finished()
        if is_finished and self.run.state == "done":
            longer = self.run.resume_command({"max_rounds": "N"})
            raise WrongUse(
                f"{self.run.path} is done, with these settings too: to go on, {longer} with N above {number}"
            )
        self.run.rows = [Metric(*row) for row in saved["rows"]]
        self.run.write_metrics()  # the checkpoint knows best, where a crash came between the two
        self.journal.tell(list(dict.fromkeys(lines)))
        self._go_on(number)
        return is_finished

    def _pending(self, number: int) -> dict[str, Any]:
        """Return the settings that are new since a round."""
        return {**since(self.run.record.get("changes", []), number), **self.settings}

    def _is_finished(self) -> bool:
        """Ask the task again whether its last whole round was the last."""
        with self.aggregator.active() as scheduler:
            scheduler.current_round -= 1
            try:
                return scheduler.is_task_finished()
            finally:
                scheduler.current_round += 1

    def _go_on(self, number: int) -> None:
        """Write into `run.json` after which round the run goes on, and with what."""
        pending = self._pending(number)
        self.journal.tell([f"{name}={value} from round {number + 1} on" for name, value in pending.items()])
        self.run.update(
            state="running",
            failure=None,
            rounds_done=number,
            rounds=self.aggregator.scheduler.max_rounds,
            changes=recorded(self.run.record.get("changes", []), number, pending),
        )

    def _round(self) -> bool:
        """Run one round; return whether the task is finished."""
        self.heed_interrupt()
        self.logged: dict[str, list[tuple[str, float]]] = {}
        with contextlib.ExitStack() as self.watching, self.aggregator.active() as scheduler:
            number = self.aggregator.round = scheduler.current_round
            self.journal.event("round_started", round=number)
            with self._sampled(scheduler, number):
                scheduler._run_as_aggregator()
            is_finished = scheduler.is_task_finished()
            scheduler.current_round += 1
            end_workers(scheduler)
        self.journal.collect_metrics({**self.logged, AGGREGATOR: self.aggregator.take_scalars()}, number)
        if number == 1:
            self.journal.look_for_metrics(self.aggregator)
        self.journal.save(self.aggregator, number, is_finished)
        self.journal.event("round_done", round=number, metrics=self.run.metrics)
        return is_finished

    @contextlib.contextmanager
    def _sampled(self, scheduler: FedAvgScheduler, number: int) -> Iterator[None]:
        """Let a share of the data owners be all that checked in, as long as a round goes on: the SDK takes these."""
        everyone, record = scheduler.gethered, self.run.record
        size = max(1, round(record.get("sample", 1) * len(everyone)))
        chosen = set(random.Random(f"{record['seed']}/{number}").sample(everyone, size))
        scheduler.gethered = [name for name in everyone if name in chosen]
        try:
            yield
        finally:
            scheduler.gethered = everyone

    def distributed(self, parameters: bytes) -> None:
        """Take what the aggregator sent; it may train next."""
        self.parameters = parameters
        self.run.record["bytes_per_message"] = len(parameters)
        if self.aggregator.scheduler.involve_aggregator:
            self._watch(TrainingWatch(self.aggregator.scheduler))

    def collecting(self) -> None:
        """Look at the aggregator's own parameters, where it has just trained."""
        self.sums = Sums()
        if self.aggregator.scheduler.involve_aggregator:
            self._end_watch()
            refuse_diverged(self.aggregator.scheduler, self.run)
            refuse_overflow(self.aggregator.scheduler, self.sums)

    def collected(self) -> None:
        """Watch the first test."""
        if not self.is_tested:
            self._watch(TestWatch(self.aggregator.scheduler))

    def tested(self) -> None:
        """Tell what the first test showed."""
        if not self.is_tested:
            self._end_watch()
            self.is_tested = True

    def _watch(self, watch: Watch) -> None:
        self.watch = self.watching.enter_context(watch)

    def _end_watch(self) -> None:
        self.watching.close()
        self.journal.warn(AGGREGATOR, self.aggregator.warn(self.watch.traps()))

    def updates(self, names: list[str]) -> Iterator[bytes]:
        """Give data owners their turns in this round; yield the parameters of each, serialised as the SDK does."""
        number = self.aggregator.round
        turns = self.owners.turns(number, self.parameters, names)
        for name in names:
            self.heed_interrupt()
            self.journal.event("training", round=number, node=name)
            turn = next(turns)
            self.logged[name] = turn.scalars
            self._refuse_overflow(turn)
            self.journal.rested(turn)
            self.journal.event("trained", round=number, node=name)
            yield turn.update

    def _refuse_overflow(self, turn: Turn) -> None:
        """Blame a data owner whose numbers make the sum too large for their type."""
        try:
            refuse_overflow(self.aggregator.scheduler, self.sums, turn.narrow)
        except BrokenContract as error:
            folder = Path(self.run.record["nodes"][turn.name])
            raise NodeFailed(turn.name, self.aggregator.round, error, folder) from error

    def _write_output(self) -> None:
        with self.aggregator.active() as scheduler:
            files = [Path(file).resolve() for file in scheduler._prepare_task_output()]
        for file in files:
            with file.open("rb") as source:
                write_together({self.folder / file.name: functools.partial(shutil.copyfileobj, source)})
