"""What federation gains: everything in one place, each node alone, and federated, on the same budget."""

import contextlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ..catalogue import Target, find
from ..data.folders import AGGREGATOR, find_nodes, is_embedded, own_data, prepared_facts, refuse_other_data
from ..data.prepare import prepare
from ..engines.failures import NodeFailed
from ..engines.local import run_local
from ..engines.run import build
from ..errors import TutorialError, WrongUse
from ..facts import Facts, MetricFacts
from ..runs.folder import Run
from ..runs.metrics import details, tested
from ..runs.plots import plot
from ..runs.writing import write_json
from .pooled import CannotPool, pooled

CENTRALISED, FEDERATED, ALL = "centralised", "federated", "all"
DATA, WHOLE = "data", "data-in-one-place"
TAKEN = {CENTRALISED, FEDERATED, DATA, WHOLE, "compare.json", "compare.png"}  # names in the folder of a comparison
Listener = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Plan:
    """One run of a comparison.

    Attributes:
        name: What tables call it.
        folders: The folder of each node.
        only: The one data owner to take part; all if None.
        pool: The folders that the one data owner draws from, where there are several.
    """

    name: str
    folders: Mapping[str, Path]
    only: str | None = None
    pool: tuple[Path, ...] = ()


def compare(
    target: Any,
    data: str | Path | None = None,
    nodes: Mapping[str, str | Path] = MappingProxyType({}),
    aggregator: str | Path | None = None,
    num_nodes: int | None = None,
    num_rounds: int | None = None,
    partition: str = "iid",
    source: str | Path | None = None,
    seed: int = 0,
    settings: Mapping[str, Any] = MappingProxyType({}),
    out: str | Path | None = None,
    on_event: Listener = lambda event: None,
) -> dict[str, Any]:
    """Run a task centralised, on each node alone, and federated.

    Centralised is the same task with one data owner that holds everything: one node's mean is the node's own, so
    this is plain training, to the last bit. Where the data were given, its training loader draws from all owners'
    data; where that cannot be done, the run is left out and its row says why.

    Args:
        target: What to run.
        data: A prepared folder, or any folder with one sub-folder for each node; made for the comparison if None.
        nodes: Folders of data owners by name, instead of `data` or beside it.
        aggregator: The folder with the test data, where it is not called `aggregator` in `data`.
        num_nodes: Data owners that the data made are dealt out to; the example's own number if None.
        num_rounds: Rounds of each run; one round is one pass of a node over its data.
        partition: How the data made are split.
        source: The real data set to make them from; embedded data if None.
        seed: Seed of the split and of every run.
        settings: Arguments of the scheduler that differ from its defaults.
        out: A new folder; gets the data made, the runs, `compare.json` and `compare.png`.
        on_event: Called with each event of each run, with its name as `run` added.

    Returns:
        The settings, the samples each node holds, and every run's curves, rounds and seconds; `left_out` in the place
        of these where a run could not be made; `advice` where something is missing in the picture.

    Raises:
        WrongUse: The target, the data, a setting or `out` will not do; nothing was left behind.
        TutorialError: A run failed; the text says where what was done so far lies.
    """
    task = find(target)
    given = data is not None or nodes or aggregator is not None
    if given and (num_nodes or source is not None or partition != "iid"):
        raise WrongUse("the data bring their own nodes: leave out --nodes, --partition and --source, or the data")
    if not given and source is None:
        data = own_data(task)
    folders = find_nodes(data, nodes, aggregator) if data is not None or given else None
    refuse_other_data(data, task.facts.data.name, task.name)
    if taken := TAKEN & set(folders or ()):
        raise WrongUse(f"in a comparison no node can be called {', '.join(sorted(taken))}: give it another name")
    with _new_folder(out, task.name) as folder:
        if folders is None:
            data = folder / DATA
            prepare(task, data, num_nodes, partition, source, seed)
            prepare(task, folder / WHOLE, 1, "iid", source, seed)
            plans = _plans(find_nodes(data), find_nodes(folder / WHOLE))
        else:
            plans = _plans(folders)
        embedded = is_embedded(data)
        runs = []
        for plan in plans:
            scheduler = build(task, embedded, num_rounds, seed, settings)
            with _said(plan.name, folder):
                runs.append(_run(plan, scheduler, task, folder, seed, on_event))
        return _result(task, folder, seed, runs, prepared_facts(data), len(plans) - 2)


def _plans(split: Mapping[str, Path], whole: Mapping[str, Path] | None = None) -> list[Plan]:
    """Return the runs to make: on the split data, and on the whole, or what stands for it."""
    owners = [name for name in split if name != AGGREGATOR]
    if whole is None:
        one = {AGGREGATOR: split[AGGREGATOR], ALL: split[owners[0]]}
        central = Plan(CENTRALISED, one, pool=tuple(split[name] for name in owners))
    else:
        central = Plan(CENTRALISED, whole)
    return [central, *(Plan(name, split, only=name) for name in owners), Plan(FEDERATED, split)]


def _run(plan: Plan, scheduler: Any, task: Target, folder: Path, seed: int, on_event: Listener) -> dict[str, Any]:
    """Make one run and return its row."""
    if plan.pool:
        tester = (plan.folders[AGGREGATOR],) if scheduler.involve_aggregator else ()
        scheduler = pooled(scheduler, [*plan.pool, *tester])
    path = folder / plan.name
    try:
        run = run_local(
            scheduler, plan.folders, path, seed, task.facts.run.num_threads, plan.only, task.key,
            lambda event: on_event({**event, "run": plan.name}),
        )  # fmt: skip
    except NodeFailed as failure:
        if not plan.pool:
            raise
        if isinstance(failure.error, CannotPool):
            shutil.rmtree(path)
            return {"name": plan.name, "left_out": str(failure.error)}
        return {"name": plan.name, "left_out": f"on the joined data, {failure}\nLogs: {path / 'logs'}"}
    return {
        "name": plan.name,
        "seconds": run.record["seconds"],
        "rounds": run.record["rounds_done"],
        "finished_early": run.record["rounds_done"] < run.record["rounds"],
        "bytes_per_message": run.record.get("bytes_per_message"),
        "metrics": tested(run.rows),
        "details": details(run.rows),
    }


def _result(
    task: Target, folder: Path, seed: int, runs: list[dict[str, Any]], prepared: Mapping[str, Any], num_nodes: int
) -> dict[str, Any]:
    """Write what came of all runs, as a table and a picture, and return it."""
    record = Run.open(folder / FEDERATED).record
    metrics = metrics_of(task.facts, runs)
    result = {
        "partition": prepared.get("partition"),
        "nodes": num_nodes,
        "rounds": record["rounds"],
        "seed": seed,
        "settings": record["settings"],
        "counts": prepared.get("counts", {}),
        "metrics": metrics,
        "runs": runs,
    }
    write_json(folder / "compare.json", result)
    named = task.facts.metrics or [metric["name"] for metric in metrics]
    panels = {
        name: {run["name"]: run["metrics"][name] for run in runs if name in run.get("metrics", {})} for name in named
    }
    drawn = {name: lines for name, lines in panels.items() if lines}
    advice = plot(drawn, folder / "compare.png") if drawn else ""
    return {"folder": str(folder), **result} | ({"advice": advice} if advice else {})


def metrics_of(facts: Facts, runs: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Return name, names in both languages and format of every metric that occurs in rows of a comparison."""
    found = list(dict.fromkeys(name for run in runs for name in run.get("metrics", {})))
    known = {metric.name: metric for metric in facts.metric if metric.name in found}
    known |= {name: MetricFacts(name=name, zh=name, en=name) for name in found if name not in known}
    return [metric.model_dump() for metric in known.values()]


@contextlib.contextmanager
def _new_folder(out: str | Path | None, name: str) -> Iterator[Path]:
    """Make the folder of a comparison, and remove it again if no run came of it."""
    folder = (Run.create(out) if out else Run.create_numbered(f"{name}-compare")).path
    try:
        yield folder
    except BaseException:
        if not _holds_runs(folder):
            shutil.rmtree(folder)
        raise


def _holds_runs(folder: Path) -> bool:
    return any(folder.glob("*/run.json"))


@contextlib.contextmanager
def _said(name: str, folder: Path) -> Iterator[None]:
    """Add to what went wrong in which run it did, and where what was done so far lies."""
    try:
        yield
    except WrongUse:
        raise
    except TutorialError as error:
        places = f"\nLogs: {folder / name / 'logs'}. The runs so far lie in {folder}" if _holds_runs(folder) else ""
        raise TutorialError(f"{name}: {error}{places}") from error
