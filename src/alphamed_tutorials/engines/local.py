"""Run a federated task over several nodes in this process, without any network.

The rounds are the SDK's own: its aggregator distributes, waits for results, averages and tests. Only what carries
messages and parameters is replaced, and each data owner trains at the moment the aggregator asks for its result.
"""

import contextlib
import inspect
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import cloudpickle
import torch
from alphafed.fed_avg import FedAvgScheduler

from ..data.folders import AGGREGATOR, find_nodes
from ..errors import TutorialError, WrongUse
from ..runs.folder import Metric, Run, RunError
from ..runs.machine import machine, versions
from . import changes, checkpoint, sources
from .node import ESSENTIAL, Node, NodeFailed
from .platform import Channel, Contractor, refuse_diverged, serialise
from .settings import Settings, adapt, changed, readable, recorded, since

Listener = Callable[[dict[str, Any]], None]


def run_local(
    scheduler: FedAvgScheduler,
    data: str | Path | Mapping[str, Path],
    out: str | Path | Run | None = None,
    seed: int = 0,
    num_threads: int = 1,
    only: str | None = None,
    target: str | None = None,
    on_event: Listener = lambda event: None,
) -> Run:
    """Run a federated task in this process.

    Each node has its own scheduler instance, random numbers, folders and log. What only separate processes can keep
    apart is shared: globals of modules and attributes of classes. To save memory, gradients do not outlive a node's
    turn in a round (AlphaMed keeps them): code that accumulates them over batches should step before its epoch ends.

    Args:
        scheduler: The task, made as for `submit()`: each node gets a pickled copy of it.
        data: A prepared data folder, or the folder of each node by name, `aggregator` among them.
        out: The new run folder, or one just created; `runs/<name>-<number>` if left out.
        seed: Start of all random numbers that the scheduler does not seed itself.
        num_threads: Torch's threads; one is fastest for small models, and the last digits depend on it.
        only: Name of the one data owner to take part, to see what it reaches alone.
        target: What `find` finds the task by, recorded for `playground export`.
        on_event: Called with each event of the run, for showing progress.

    Returns:
        The finished run.

    Raises:
        NodeFailed: Code on a node raised; the run folder says `failed` and keeps logs and the last checkpoint.
        RunError: `out` exists, or the scheduler cannot be pickled or needs messages that only the playground carries.
        WrongUse: `data` does not hold a folder for each node.
        TutorialError: The run folder cannot be written any more.
    """
    _refuse_unsupported(scheduler)
    folders = dict(data) if isinstance(data, Mapping) else find_nodes(data)
    if only is not None:
        folders = {AGGREGATOR: folders[AGGREGATOR], only: _named(folders, only)}
    entry = _pickled(scheduler)
    run = _new_run(out, target)
    with run.lock():
        (run.path / "entry.pickle").write_bytes(entry)
        run.update(
            state="running",
            engine="local",
            target=target,
            scheduler=type(scheduler).__name__,
            settings=_settings(scheduler),
            seed=seed,
            num_threads=num_threads,
            folder=str(run.path.resolve()),
            nodes={name: str(folder.resolve()) for name, folder in folders.items()},
            rounds=scheduler.max_rounds,
            rounds_done=0,
            started=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            seconds=0.0,
            import_folder=os.path.abspath(sys.path[0]),
            code=sources.keep_code(run, scheduler, target),
            data=changes.fingerprints(folders),
            versions=versions(),
            machine=machine(),
        )
        on_event({"event": "created", "path": str(run.path)})
        return _Task(run, entry, on_event).finish()


def resume_local(
    path: str | Path,
    settings: Settings = MappingProxyType({}),
    on_event: Listener = lambda event: None,
) -> Run:
    """Continue a local run after its last whole round and finish it as if it had never stopped.

    The task's modules are imported anew, so that a mistake mended in their files is gone. A class that was defined
    in the started script itself, or in a notebook, is stored in the run and stays as it was. Data loaders are built
    anew: their random number generators go on, whatever else a data set or sampler changed in itself starts afresh.
    Events `compared` say what changed since the run began, and whether it takes effect.

    Args:
        path: The run folder. It holds pickled objects, so resume only runs you made yourself.
        settings: Arguments of the scheduler to change from the next round on; texts are converted. `max_rounds` lets
            a run that is done go on.
        on_event: Called with each event of the run.

    Returns:
        The finished run; a run that was done already, and is to be changed in nothing, is returned as it is.

    Raises:
        NodeFailed: Code on a node raised.
        RunError: `path` is not a run folder of the local engine, its files are damaged, or another process works on it.
        WrongUse: A setting cannot be changed; the run is left as it was.
        TutorialError: The run folder cannot be written any more.
    """
    with Run.open(path).lock():
        run = Run.open(path)
        if run.record.get("engine") != "local":
            raise RunError(f"{path} is not a run of the local engine: only those can be resumed")
        if run.state == "done" and not settings:
            return run
        sources.import_anew(run)
        entry, scheduler = _read_entry(run)
        values = readable(scheduler, settings)
        since_start = {**since(run.record.get("changes", [])), **values}
        task = _Task(run, changed(entry, since_start), on_event, values)
        task.tell(
            changes.compare_code(run, scheduler, since_start, task.checkpoint_file.exists()),
            changes.compare_surroundings(run),
        )
        return task.finish()


def _new_run(out: str | Path | Run | None, target: str | None) -> Run:
    if isinstance(out, Run):
        return out
    return Run.create(out) if out else Run.create_numbered(Path(target).stem if target else "run")


def _settings(scheduler: FedAvgScheduler) -> dict[str, Any]:
    """Return the values of the scheduler's arguments, as far as it keeps them under their own names."""
    names = inspect.signature(type(scheduler).__init__).parameters
    values = {name: getattr(scheduler, name, None) for name in names}
    return {name: value for name, value in values.items() if isinstance(value, bool | int | float | str)}


def _named(folders: Mapping[str, Path], only: str) -> Path:
    owners = [name for name in folders if name != AGGREGATOR]
    if only not in owners:
        raise RunError(f"there is no data owner {only}: choose one of {', '.join(owners)}")
    return folders[only]


def _pickled(scheduler: FedAvgScheduler) -> bytes:
    try:
        return cloudpickle.dumps(scheduler)
    except Exception as error:  # pickling calls code of every attribute, which fails as it likes
        culprits = [f"self.{name}" for name, value in vars(scheduler).items() if not checkpoint.can_save(value)]
        raise RunError(
            f"{type(scheduler).__name__} cannot be pickled, which submit() does too, because of "
            f"{', '.join(culprits) or 'its code'} ({error}): make this in build_model() or build_train_dataloader(), "
            "which run on each node"
        ) from error


def _read_entry(run: Run) -> tuple[bytes, FedAvgScheduler]:
    """Return the pickled task of a run, and the task."""
    try:
        entry = (run.path / "entry.pickle").read_bytes()
    except FileNotFoundError:
        raise RunError(f"{run.path} holds no entry.pickle, the task to run: start the run again") from None
    try:
        scheduler = cloudpickle.loads(entry)
    except Exception as error:
        raise sources.cannot_be_read(run, error) from error
    _refuse_unsupported(scheduler)
    return entry, scheduler


def _refuse_unsupported(scheduler: FedAvgScheduler) -> None:
    if not isinstance(scheduler, FedAvgScheduler):
        raise RunError(f"{scheduler!r} is no scheduler: pass an object of a subclass of FedAvgScheduler")
    for method in ("_run_as_aggregator", "_run_as_data_owner"):
        if getattr(type(scheduler), method) is not getattr(FedAvgScheduler, method):
            raise RunError(
                f"{type(scheduler).__name__} has a message protocol of its own, which the local engine does not "
                "carry: run it on the playground or on AlphaMed"
            )


class _Task:
    """The course of one run: set up or restore, then round after round."""

    def __init__(self, run: Run, entry: bytes, on_event: Listener, settings: Settings = MappingProxyType({})):
        self.run, self.entry, self.on_event = run, entry, on_event
        self.nodes: dict[str, Node] = {}
        self.started = time.monotonic() - run.record["seconds"]
        self.folder = run.path.resolve()  # the task's code may change the working folder
        self.checkpoint_file = self.folder / "checkpoint.pt"
        self.can_resume = True
        self.settings = settings  # that change from the next round on

    def finish(self) -> Run:
        outer_threads = torch.get_num_threads()
        torch.set_num_threads(self.run.record["num_threads"])
        try:
            self._set_up()
            is_finished = self._restore()
            self._event(
                "started",
                nodes=list(self.owners),
                round=self.run.record["rounds_done"],
                rounds=self.run.record["rounds"],
            )
            while not is_finished:
                is_finished = self._round()
            self._write_output()
            self._close("done")
        except WrongUse:
            raise  # nothing was done that is not as before
        except BaseException as error:
            state = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
            with contextlib.suppress(OSError):  # a full disk must not hide what went wrong
                self._close(state, failure=_failure(error))
            if isinstance(error, OSError):
                advice = f"make room or mend its permissions, then: {self.run.resume_command()}"
                raise TutorialError(f"{self.run.path} cannot be written ({error}): {advice}") from error
            raise
        finally:
            torch.set_num_threads(outer_threads)
            for node in self.nodes.values():
                node.close()
        return self.run

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
                _refuse_shared_model(node, self.aggregator)
                scheduler._check_in_task()
            node.release()

    def _restore(self) -> bool:
        """Go back to the last whole round, if there is one; return whether it was the task's last."""
        if not self.checkpoint_file.exists():
            if self.run.record["rounds_done"]:
                raise RunError(f"{self.checkpoint_file} is missing: start the run again")
            self.run.rows = []  # of a first round that was not finished
            self._go_on(0)
            return False
        saved = checkpoint.load(self.checkpoint_file)
        number, pending = saved["round"], self._pending(saved["round"])
        kept = {name: each["attributes"] for name, each in saved["nodes"].items()}
        lines = adapt(self.nodes, kept, pending) if pending else []
        self.tell(lines + changes.compare_built(self.run, self.aggregator.scheduler, kept[AGGREGATOR]))
        for name, each in saved["nodes"].items():
            self.nodes[name].restore(each)
        asked_anew = pending and (saved["is_finished"] or "max_rounds" in pending)
        is_finished = self._is_finished() if asked_anew else saved["is_finished"]
        if is_finished and self.run.state == "done":
            longer = self.run.resume_command({"max_rounds": "N"})
            raise WrongUse(
                f"{self.run.path} is done, with these settings too: to go on, {longer} with N above {number}"
            )
        for node in self.owners.values():
            node.release()
        self.run.rows = [Metric(*row) for row in saved["rows"]]
        self._go_on(number)
        return is_finished

    def _pending(self, number: int) -> dict[str, Any]:
        """Return the settings that are new since a round."""
        return {**since(self.run.record.get("changes", []), number), **self.settings}

    def _is_finished(self) -> bool:
        """Ask the task again whether its last whole round was its last."""
        with self.aggregator.active() as scheduler:
            scheduler.current_round -= 1
            is_finished = scheduler.is_task_finished()
            scheduler.current_round += 1
        return is_finished

    def _go_on(self, number: int) -> None:
        """Write into `run.json` after which round the run goes on, and with what."""
        pending = self._pending(number)
        self.tell([f"{name}={value} from round {number + 1} on" for name, value in pending.items()])
        self.run.update(
            state="running",
            failure=None,
            rounds_done=number,
            rounds=self.aggregator.scheduler.max_rounds,
            changes=recorded(self.run.record.get("changes", []), number, pending),
        )

    def tell(self, found: list[str], warnings: list[str] | None = None) -> None:
        """Tell what changed since the run began."""
        if found or warnings:
            self._event("compared", changes=found, warnings=warnings or [])

    def _round(self) -> bool:
        """Run one round; return whether the task is finished."""
        with self.aggregator.active() as scheduler:
            number = self.aggregator.round = scheduler.current_round
            self._event("round_started", round=number)
            scheduler._run_as_aggregator()
            is_finished = scheduler.is_task_finished()
            scheduler.current_round += 1
        self._collect_metrics(number)
        self._save(number, is_finished)
        self._event("round_done", round=number, metrics=self.run.metrics)
        return is_finished

    def _save(self, number: int, is_finished: bool) -> None:
        rows = [tuple(row) for row in self.run.rows]
        content = {"round": number, "is_finished": is_finished, "rows": rows, "nodes": self._kept()}
        try:
            self._write_checkpoint(content)
        except OSError:
            raise
        except Exception:  # pickling calls code of every attribute, which fails as it likes
            if not self._forget_unpicklable():
                raise
            self._write_checkpoint(content | {"nodes": self._kept()})
        self.run.update(rounds_done=number, seconds=round(time.monotonic() - self.started, 2))

    def _kept(self) -> dict[str, Any]:
        return {name: node.kept() for name, node in self.nodes.items()}

    def _write_checkpoint(self, content: dict[str, Any]) -> None:
        if self.can_resume:
            checkpoint.save(content, self.checkpoint_file)

    def _forget_unpicklable(self) -> bool:
        """Leave out of checkpoints what cannot be pickled, and tell; return whether there was any."""
        forgotten = [(name, attribute) for name, node in self.nodes.items() for attribute in node.forget_unpicklable()]
        for name, attribute in forgotten:
            self._event("not_kept", node=name, attribute=attribute)
            self.can_resume &= attribute not in ESSENTIAL
        return bool(forgotten)

    def train(self, name: str) -> bytes:
        """Give a data owner its turn in this round and return its parameters, serialised as the SDK does."""
        node, number = self.owners[name], self.aggregator.round
        self._event("training", round=number, node=name)
        node.round = number
        node.reclaim()
        with node.active() as scheduler:
            scheduler.current_round = number
            scheduler._aggregator = AGGREGATOR
            scheduler._wait_for_updating_model()
            scheduler._execute_training()
            refuse_diverged(scheduler, self.run)
            update = serialise(scheduler.state_dict())
        node.release()
        self._event("trained", round=number, node=name)
        return update

    def _collect_metrics(self, number: int) -> None:
        for name, node in self.nodes.items():
            self.run.rows += [Metric(number, name, tag, value) for tag, value in node.take_scalars()]
        self.run.write_metrics()

    def _write_output(self) -> None:
        with self.aggregator.active() as scheduler:
            for file in scheduler._prepare_task_output():
                shutil.copy(file, self.folder)

    def _close(self, state: str, **fields: Any) -> None:
        seconds = round(time.monotonic() - self.started, 2)
        self.run.update(state=state, seconds=seconds, metrics=self.run.metrics, **fields)
        self._event(state)

    def _event(self, kind: str, **fields: Any) -> None:
        event = {"event": kind, **fields}
        self.run.add_event(event)
        self.on_event(event)


def _refuse_shared_model(node: Node, aggregator: Node) -> None:
    if node.shares_memory_with(aggregator):
        raise ValueError(
            "its model lies in the same memory as the aggregator's, so that training one would change the other: build "
            "the model anew in build_model(), and clone() tensors that come from a global of a module"
        )


def _failure(error: BaseException) -> dict[str, Any] | None:
    """Return what `run.json` says of an error."""
    if isinstance(error, KeyboardInterrupt):
        return None
    if isinstance(error, NodeFailed):
        where = {"node": error.node, "round": error.round, "file": error.file, "line": error.line}
        return {**where, "error": f"{type(error.error).__name__}: {error.error}"}
    return {"error": f"{type(error).__name__}: {error}"}
