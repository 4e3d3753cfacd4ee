"""The course of one local run: set up or restore, then round after round."""

import contextlib
import functools
import shutil
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from alphafed.fed_avg.contractor import CheckinEvent

from ..data.folders import AGGREGATOR
from ..errors import WrongUse
from ..faults import CannotWrite, cure, fault_behind, quiet_threads
from ..runs.folder import Metric, Run, RunError
from ..runs.writing import write_together
from . import changes, checkpoint
from .averaging import Sums
from .contract import refuse_silent_stream
from .failures import NodeFailed, failure_record
from .journal import Journal, Listener
from .kept import end_workers
from .node import Node
from .platform import Channel, Contractor, serialise
from .refusals import refuse_diverged, refuse_overflow, refuse_shared_model
from .settings import Settings, adapt, recorded, since
from .traps import TestWatch, TrainingWatch, Watch
from .workers import hand_over_by_value


class LocalTask:
    """Run the nodes of one task, one after the other.

    Args:
        run: The run folder; its record says which nodes there are, and how far the run came.
        entry: The pickled scheduler.
        on_event: Called with each event of the run.
        settings: Those that change from the next round on.
    """

    def __init__(self, run: Run, entry: bytes, on_event: Listener, settings: Settings = MappingProxyType({})):
        self.run, self.entry, self.settings = run, entry, settings
        self.nodes: dict[str, Node] = {}
        self.folder = run.path.resolve()  # the task's code may change the working folder
        self.journal = Journal(run, on_event)
        self.is_tested = False

    @quiet_threads()
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
            self.journal.begin()
            self._set_up()
            is_finished = self._restore()
            with self._anchored():
                self.journal.foresee(self.nodes)
            record = self.run.record
            self.journal.event("started", nodes=list(self.owners), round=record["rounds_done"], rounds=record["rounds"])
            while not is_finished:
                is_finished = self._round()
            self._write_output()
            self.journal.close("done", finished_early=self.run.record["rounds_done"] < self.run.record["rounds"])
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
            for node in self.nodes.values():
                node.close()
        return self.run

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

    def _set_up(self) -> None:
        record = self.run.record
        (self.folder / "logs").mkdir(exist_ok=True)
        for name, folder in record["nodes"].items():
            root, log_file = self.folder / "nodes" / name, self.folder / "logs" / f"{name}.log"
            self.nodes[name] = Node(name, self.entry, Path(folder), root, log_file, record["seed"])
        self.aggregator = self.nodes[AGGREGATOR]
        self.owners = {name: node for name, node in self.nodes.items() if name != AGGREGATOR}
        channel, contractor = Channel(self), Contractor(self)
        self.aggregator.set_up(self.folder.name, contractor, channel, is_aggregator=True)
        for node in self.owners.values():
            node.set_up(self.folder.name, contractor, channel, is_aggregator=False)
            with node.active() as scheduler:
                refuse_shared_model(scheduler, self.aggregator.scheduler)
                scheduler._check_in_task()
            node.release()

    def _restore(self) -> bool:
        """Go back to the last whole round, if there is one; return whether it was the last."""
        if not self.journal.checkpoint_file.exists():
            if self.run.record["rounds_done"]:
                reason = self.run.record.get("not_resumable")
                why = f" ({reason})" if reason else ""
                raise RunError(f"{self.journal.checkpoint_file} is missing{why}: start the run again")
            self.run.rows = []  # of a first round that was not finished
            self._go_on(0)
            return False
        with self._anchored():
            saved = checkpoint.load(self.journal.checkpoint_file)
        number, pending = saved["round"], self._pending(saved["round"])
        kept = {name: each["attributes"] for name, each in saved["nodes"].items()}
        lines = adapt(self.nodes, kept, pending) if pending else []
        lines += changes.compare_built(self.run, self.aggregator.scheduler, kept[AGGREGATOR])
        for name, each in saved["nodes"].items():
            self.nodes[name].restore(each)
        is_finished = saved["is_finished"]
        if pending and (is_finished or "max_rounds" in pending):
            is_finished = self._is_finished()
        if is_finished and self.run.state == "done":
            longer = self.run.resume_command({"max_rounds": "N"})
            raise WrongUse(
                f"{self.run.path} is done, with these settings too: to go on, {longer} with N above {number}"
            )
        for node in self.owners.values():
            node.release()
        self.run.rows = [Metric(*row) for row in saved["rows"]]
        self.run.write_metrics()  # the checkpoint knows best, where a crash came between the two
        self.journal.tell(lines)
        self._go_on(number)
        return is_finished

    def _anchored(self) -> contextlib.AbstractContextManager[None]:
        """Let a checkpoint name what each node makes anew, instead of holding it."""
        keys = {identity: key for node in self.nodes.values() for identity, key in node.anchors().items()}
        return checkpoint.anchored(keys, lambda key: self.nodes[key[0]].anchor(key[1]))

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
        with contextlib.ExitStack() as self.watching, self.aggregator.active() as scheduler:
            number = self.aggregator.round = scheduler.current_round
            self.journal.event("round_started", round=number)
            scheduler._run_as_aggregator()
            is_finished = scheduler.is_task_finished()
            scheduler.current_round += 1
            end_workers(scheduler)
        self.journal.collect_metrics(self.nodes, number)
        if number == 1:
            self.journal.look_for_metrics(self.aggregator)
        with self._anchored():
            self.journal.save(self.nodes, number, is_finished)
        self.journal.event("round_done", round=number, metrics=self.run.metrics)
        return is_finished

    def welcome(self, event: CheckinEvent) -> None:
        """Hand a data owner's check-in to the aggregator."""
        with self.aggregator.active() as scheduler:
            scheduler._handle_check_in(event)

    def distributed(self, num_bytes: int) -> None:
        """Record the size of the parameters that the aggregator sent; it may train next."""
        self.run.record["bytes_per_message"] = num_bytes
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
        self.journal.warn(self.aggregator, self.watch.traps())

    def train(self, name: str) -> bytes:
        """Give a data owner its turn in this round and return its parameters, serialised as the SDK does."""
        node, number = self.owners[name], self.aggregator.round
        self.journal.event("training", round=number, node=name)
        node.round = number
        node.reclaim()
        with node.active() as scheduler:
            scheduler.current_round = number
            scheduler._aggregator = AGGREGATOR
            scheduler._wait_for_updating_model()
            with TrainingWatch(scheduler) as watch:
                scheduler._execute_training()
            if watch.optimizer is None:
                refuse_silent_stream(scheduler)
            refuse_diverged(scheduler, self.run)
            refuse_overflow(scheduler, self.sums)
            update = serialise(scheduler.state_dict())
        node.release()
        self.journal.warn(node, watch.traps())
        self.journal.event("trained", round=number, node=name)
        return update

    def _write_output(self) -> None:
        with self.aggregator.active() as scheduler:
            files = [Path(file).resolve() for file in scheduler._prepare_task_output()]
        for file in files:
            with file.open("rb") as source:
                write_together({self.folder / file.name: functools.partial(shutil.copyfileobj, source)})
