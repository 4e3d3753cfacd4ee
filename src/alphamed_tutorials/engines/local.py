"""Run a federated task over several nodes in this process, without any network.

The rounds are the SDK's own: its aggregator distributes, waits for results, averages and tests. Only what carries
messages and parameters is replaced, and each data owner trains at the moment the aggregator asks for its result.
"""

import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import cloudpickle
from alphafed.fed_avg import FedAvgScheduler

from .. import pickles
from ..arguments import arguments
from ..data.folders import AGGREGATOR, find_nodes
from ..errors import WrongUse
from ..importing import program_called
from ..runs.folder import Run, RunError
from ..runs.machine import machine, versions
from . import changes, checkpoint, sources
from .crew import workers_that_help
from .journal import Listener
from .refusals import refuse_unsupported
from .settings import Settings, changed, readable, since
from .share import Owners, Plan
from .task import LocalTask


def run_local(
    scheduler: FedAvgScheduler,
    data: str | Path | Mapping[str, Path],
    out: str | Path | Run | None = None,
    seed: int = 0,
    num_threads: int = 1,
    only: str | None = None,
    target: str | None = None,
    on_event: Listener = lambda event: None,
    num_workers: int | None = 1,
    sample: float = 1.0,
) -> Run:
    """Run a federated task on this machine.

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
        num_workers: Processes that train data owners at the same time; with 1 all is done in this process. If None,
            as many as help on this machine, or 1 where the task's code calls `breakpoint()`. The parameters are the
            same to the last bit.
        sample: Share of the data owners that train in each round, drawn anew for each from `seed`; the others keep what
            they have, as on AlphaMed where a round is started for some of the nodes only.

    Returns:
        The finished run.

    Raises:
        NodeFailed: Code on a node raised; the run folder says `failed` and keeps logs and the last checkpoint.
        RunError: `out` exists, or the scheduler cannot be pickled or needs messages that only the playground carries.
        WrongUse: `data` does not hold a folder for each node, or a number makes no sense.
        TutorialError: The run folder cannot be written any more, or a process that trains was ended.
    """
    refuse_unsupported(scheduler)
    refuse_unfit(num_workers, sample)
    folders = dict(data) if isinstance(data, Mapping) else find_nodes(data)
    if only is not None:
        folders = {AGGREGATOR: folders[AGGREGATOR], only: _named(folders, only)}
    entry = pickled(scheduler)
    run = _new_run(out, target)
    with run.lock():
        begin(run, "local", scheduler, entry, folders, seed, num_threads, target)
        if num_workers is None:
            num_workers = 1 if sources.calls_debugger(run) else workers_that_help(len(folders) - 1, num_threads)
        run.update(workers=min(num_workers, len(folders) - 1), sample=sample)
        on_event({"event": "created", "path": str(run.path)})
        return LocalTask(run, entry, on_event).finish()


def begin(
    run: Run,
    engine: str,
    scheduler: FedAvgScheduler,
    entry: bytes,
    folders: Mapping[str, Path],
    seed: int,
    num_threads: int,
    target: str | None,
) -> None:
    """Write into a new run folder what is known before anything ran.

    Args:
        run: The run folder.
        engine: What runs the task.
        scheduler: The task.
        entry: The task, pickled.
        folders: Each node's data.
        seed: Start of all random numbers.
        num_threads: Torch's.
        target: What `find` finds the task by.
    """
    (run.path / "entry.pickle").write_bytes(entry)
    run.update(
        state="running",
        engine=engine,
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


def resume_local(
    path: str | Path,
    settings: Settings = MappingProxyType({}),
    on_event: Listener = lambda event: None,
    num_workers: int | None = None,
) -> Run:
    """Continue a local run after its last whole round and finish it as if it had never stopped.

    The task's modules are imported anew, so that a mistake mended in their files is gone. A class that was defined
    in the started script itself, or in a notebook, is stored in the run and stays as it was. Attributes come back whole,
    with what they refer to. Data loaders are built anew: their random number generators go on, whatever else a data set
    or sampler changed in itself starts afresh.
    Events `compared` say what changed since the run began, and whether it takes effect.

    Args:
        path: The run folder. It holds pickled objects, so resume only runs you made yourself.
        settings: Arguments of the scheduler to change from the next round on; texts are converted. `max_rounds` lets
            a run that is done go on.
        on_event: Called with each event of the run.
        num_workers: Processes that train at the same time; if None, as many as before, or 1 where the task's code calls
            `breakpoint()`.

    Returns:
        The finished run; a run that was done already, and is to be changed in nothing, is returned as it is.

    Raises:
        NodeFailed: Code on a node raised.
        RunError: `path` is not a run folder of the local engine, its files are damaged, or another process works on it.
        WrongUse: A setting cannot be changed; the run is left as it was.
        TutorialError: The run folder cannot be written any more.
    """
    refuse_unfit(num_workers)
    with Run.open(path).lock():
        run = Run.open(path)
        if run.record.get("engine") != "local":
            raise RunError(f"{path} is not a run of the local engine: only those can be resumed")
        if run.state == "done" and not settings:
            return run
        if num_workers is None:
            num_workers = 1 if sources.calls_debugger(run) else run.record.get("workers", 1)
        run.record["workers"] = num_workers
        return reopened(run, settings, on_event).finish()


def reopened(
    run: Run, settings: Settings, on_event: Listener, elsewhere: Callable[[Plan, list[str]], Owners] | None = None
) -> LocalTask:
    """Return the task of a run folder, to begin it or to go on with it, and tell what changed since it began.

    Args:
        run: The run, which this process holds.
        settings: Arguments of the scheduler to change from the next round on.
        on_event: Called with each event of the run.
        elsewhere: See `LocalTask`.

    Raises:
        WrongUse: A setting cannot be changed.
        RunError: The task cannot be read any more.
    """
    sources.import_anew(run)
    entry, scheduler = read_entry(run)
    values = readable(scheduler, settings)
    since_start = {**since(run.record.get("changes", [])), **values}
    task = LocalTask(run, changed(entry, since_start), on_event, values, elsewhere)
    task.journal.tell(
        changes.compare_code(run, scheduler, since_start, task.journal.checkpoint_file.exists()),
        changes.compare_surroundings(run),
    )
    return task


def refuse_unfit(num_workers: int | None, sample: float = 1.0) -> None:
    """Refuse numbers of processes and shares of nodes that make no sense."""
    if num_workers is not None and num_workers < 1:
        raise WrongUse(f"{num_workers} processes cannot train anything: give 1 or more")
    if not 0 < sample <= 1:
        raise WrongUse(f"a share of {sample} of the data owners makes no sense: give more than 0, and 1 at most")


def _new_run(out: str | Path | Run | None, target: str | None) -> Run:
    if isinstance(out, Run):
        return out
    return Run.create(out) if out else Run.create_numbered(Path(target).stem if target else "run")


def _settings(scheduler: FedAvgScheduler) -> dict[str, Any]:
    """Return the values of the scheduler's arguments, as far as it keeps them under their own names."""
    values = {name: getattr(scheduler, name, None) for name in arguments(type(scheduler))}
    return {name: value for name, value in values.items() if isinstance(value, bool | int | float | str)}


def _named(folders: Mapping[str, Path], only: str) -> Path:
    owners = [name for name in folders if name != AGGREGATOR]
    if only not in owners:
        raise RunError(f"there is no data owner {only}: choose one of {', '.join(owners)}")
    return folders[only]


def pickled(scheduler: FedAvgScheduler) -> bytes:
    """Return a task as each node gets it.

    Raises:
        RunError: It cannot be pickled.
    """
    try:
        return pickles.dumps(scheduler)
    except Exception as error:  # pickling calls code of every attribute, which fails as it likes
        culprits = [f"self.{name}" for name, value in vars(scheduler).items() if not checkpoint.can_save(value)]
        raise RunError(
            f"{type(scheduler).__name__} cannot be pickled, which submit() does too, because of "
            f"{', '.join(culprits) or 'its code'} ({error}): make this in build_model() or build_train_dataloader(), "
            "which run on each node"
        ) from error


def read_entry(run: Run) -> tuple[bytes, FedAvgScheduler]:
    """Return the pickled task of a run, and the task."""
    try:
        entry = (run.path / "entry.pickle").read_bytes()
    except FileNotFoundError:
        raise RunError(f"{run.path} holds no entry.pickle, the task to run: start the run again") from None
    try:
        with program_called(run.record.get("target") or "the task"):
            scheduler = cloudpickle.loads(entry)
    except (Exception, SystemExit) as error:
        raise sources.cannot_be_read(run, error) from error
    refuse_unsupported(scheduler)
    return entry, scheduler
