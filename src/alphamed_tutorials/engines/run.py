"""Run a target on data: what the `playground run` and `playground resume` commands do, and the same from Python."""

import contextlib
import shlex
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

from ..catalogue import Target, find
from ..data.folders import AGGREGATOR, find_folders, find_nodes, is_embedded, own_data, refuse_other_data
from ..data.prepare import prepare
from ..errors import TutorialError, WrongUse
from ..runs.folder import Run, data_options

Listener = Callable[[dict[str, Any]], None]
Settings = Mapping[str, Any]
ENGINES = ("local", "playground", "flower")
NOTHING: Mapping[str, Any] = MappingProxyType({})


def run(
    target: Any,
    data: str | Path | None = None,
    nodes: Mapping[str, str | Path] = NOTHING,
    aggregator: str | Path | None = None,
    num_nodes: int | None = None,
    num_rounds: int | None = None,
    seed: int = 0,
    settings: Settings = NOTHING,
    out: str | Path | None = None,
    on_event: Listener = lambda event: None,
    engine: str = "local",
    num_workers: int | None = 1,
    sample: float = 1.0,
    superlink: str | None = None,
) -> Run:
    """Run a federated task on this machine, or on Flower's SuperNodes elsewhere.

    Args:
        target: An example's name, a folder, a file, a subclass of `FedAvgScheduler` or an object of one.
        data: A prepared folder, or any folder with one sub-folder for each node; embedded data if nothing is given.
        nodes: Folders of data owners by name, instead of `data` or beside it.
        aggregator: The folder with the test data, where it is not called `aggregator` in `data`.
        num_nodes: Data owners that embedded data are dealt out to; the example's own number if None.
        num_rounds: Rounds to run; the target's own number if None.
        seed: Start of all random numbers.
        settings: Arguments of the scheduler that differ from their defaults.
        out: The new run folder; `runs/<name>-<number>` if None.
        on_event: Called with each event of the run, for showing progress.
        engine: `local` runs all nodes in this process, `playground` each in one of its own with the unmodified SDK, by
            way of a hub, `flower` each behind a SuperNode. The parameters are the same.
        num_workers: Processes of the local engine that train data owners at the same time; as many as help on this
            machine if None, see `run_local`. The parameters are the same.
        sample: Share of the data owners that train in each round; not on the playground.
        superlink: For `flower`: what Flower's own configuration calls the SuperLink of this machine, whose SuperNodes
            know their data themselves; one is started for the run, with a SuperNode for each data owner, if None.

    Returns:
        The finished run.

    Raises:
        NodeFailed: Code on a node raised; the run folder says `failed` and keeps logs and the last checkpoint.
        WrongUse: The target, the data or a setting will not do; nothing was left behind.
        TutorialError: The run folder cannot be written any more.
    """
    if engine not in ENGINES:
        raise WrongUse(f"there is no engine {engine}: take one of {', '.join(ENGINES)}")
    _refuse_others(engine, num_workers, sample, superlink, nodes, num_nodes)
    task = find(target)
    given = data is not None or nodes or aggregator is not None
    if given and num_nodes:
        raise WrongUse("the data bring their own nodes: leave out --nodes, or prepare another folder")
    if data is None and not given:
        data = own_data(task)
    if superlink is not None:
        folders: dict[str, Path] | None = _test_data(data, aggregator)
    else:
        folders = find_nodes(data, nodes, aggregator) if data is not None or given else None
    refuse_other_data(data, task.facts.data.name, task.name)
    with _new_folder(out, task.name) as folder:
        # Torch takes seconds to import, and what is above is cheap to refuse.
        from .local import run_local

        if folders is None:
            data = folder.path / "data"
            prepare(task, data, num_nodes, seed=seed)
            folders = find_nodes(data)
        scheduler = build(task, is_embedded(data), num_rounds, seed, settings)
        rounds, given_settings = num_rounds or task.facts.run.rounds, all_settings(task, is_embedded(data), settings)
        with _data_errors_explained(task, folder):
            if engine == "playground":
                from ..playground.engine import run_playground

                return run_playground(
                    scheduler, task, folders, folder, seed, task.facts.run.num_threads, rounds, given_settings, on_event
                )
            if engine == "flower":
                return _flower().run_flower(
                    scheduler, task, folders, folder, seed, rounds, given_settings, on_event, sample, superlink
                )
            return run_local(
                scheduler, folders, folder, seed, task.facts.run.num_threads, target=task.key, on_event=on_event,
                num_workers=num_workers, sample=sample,
            )  # fmt: skip


def resume(
    path: str | Path,
    settings: Settings = NOTHING,
    on_event: Listener | None = None,
    num_workers: int | None = None,
) -> Run:
    """Continue a run after its last whole round and finish it as if it had never stopped.

    Args:
        path: The run folder. It holds pickled objects, so resume only runs you made yourself.
        settings: Arguments of the scheduler to change from the next round on; texts are converted. `max_rounds` lets
            a run that is done go on.
        on_event: Called with each event of the run; if left out, what changed since the run began becomes a warning.
        num_workers: Processes of the local engine that train at the same time; as many as before if None.

    Returns:
        The finished run; a run that was done already, and is to be changed in nothing, is returned as it is.

    Raises:
        NodeFailed: Code on a node raised; what was reached is kept.
        WrongUse: `path` holds no run that can be resumed, or a setting cannot be changed; the run is left as it was.
    """
    from .local import resume_local

    found = Run.open(path)
    if found.record.get("engine") == "flower":
        return _flower().resume_flower(found, settings, on_event or _warn)
    return resume_local(path, settings, on_event or _warn, num_workers)


def _warn(event: dict[str, Any]) -> None:
    for line in [*event.get("changes", []), *event.get("warnings", [])]:
        warnings.warn(line, stacklevel=2)


def build(task: Target, embedded: bool, num_rounds: int | None, seed: int, settings: Settings) -> Any:
    """Return the scheduler that a run of a target gets.

    Args:
        embedded: Whether the data are the target's embedded ones, for which it may name settings.
    """
    rounds = num_rounds or (task.facts.run.rounds if task.scheduler is None else None)
    return task.build_scheduler(rounds, seed, all_settings(task, embedded, settings))


def all_settings(task: Target, embedded: bool, settings: Settings) -> Settings:
    """Return the settings of a run, with those that a target names for its embedded data."""
    own = task.facts.run.embedded_settings if embedded and task.scheduler is None else {}
    return {**own, **settings}


def _refuse_others(
    engine: str, num_workers: int | None, sample: float, superlink: str | None, nodes: Any, num_nodes: int | None
) -> None:
    """Refuse what an engine does not do."""
    if engine != "local" and num_workers not in (1, None):
        raise WrongUse("several processes at a time are for the engine local: the others have one for each node")
    if engine == "playground" and sample != 1:
        raise WrongUse("a sample of the data owners is for the engines local and flower")
    if superlink is not None and engine != "flower":
        raise WrongUse("a SuperLink is Flower's: add --engine flower")
    if superlink is not None and (nodes or num_nodes):
        raise WrongUse(
            "each SuperNode finds its data by its own --node-config: give the test data only, as --aggregator DIR"
        )
    if engine == "flower":
        _flower()


def _flower() -> ModuleType:
    """Return the module that runs tasks on Flower."""
    if find_spec("flwr") is None:
        raise WrongUse("--engine flower needs Flower: pip install 'alphamed-tutorials[flower]'")
    from ..flower import engine

    return engine


def _test_data(data: str | Path | None, aggregator: str | Path | None) -> dict[str, Path]:
    """Return the folder with the test data, all that is needed of the data on the SuperLink's machine."""
    found = find_folders(data, aggregator=aggregator)
    if AGGREGATOR not in found:
        raise WrongUse("the aggregator needs its test data on this machine: give its folder as --aggregator DIR")
    return {AGGREGATOR: found[AGGREGATOR]}


@contextlib.contextmanager
def _new_folder(out: str | Path | None, name: str) -> Iterator[Run]:
    """Make a run folder, and remove it again if no run came of it."""
    folder = Run.create(out) if out else Run.create_numbered(name)
    try:
        yield folder
    except BaseException:
        if not (folder.path / "run.json").exists():
            shutil.rmtree(folder.path)
        raise


@contextlib.contextmanager
def _data_errors_explained(task: Target, run: Run) -> Iterator[None]:
    """Add to an error that came of reading data how to find out more, where the target can verify data."""
    from .failures import NodeFailed

    try:
        yield
    except NodeFailed as failure:
        is_here = bool(run.record["nodes"].get(failure.node))
        if failure.is_about_data and is_here and _can_verify(task):
            command = shlex.join(["playground", "verify", task.key or task.name, *data_options(run.record["nodes"])])
            failure.advise(f"To see what is wrong with the data: {command}")
        raise


def _can_verify(task: Target) -> bool:
    try:
        return task.verify_class is not None
    except TutorialError:
        return False
