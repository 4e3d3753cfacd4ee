"""What federation gains: everything in one place, each node alone, and federated, on the same budget."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ..catalogue import find
from ..data.folders import AGGREGATOR, find_nodes
from ..data.prepare import prepare
from ..engines.local import run_local
from ..engines.run import build
from ..runs.folder import Run, write_json
from ..runs.metrics import details, tested
from ..runs.plots import plot


def compare(
    target: Any,
    num_nodes: int | None = None,
    num_rounds: int | None = None,
    partition: str = "iid",
    source: str | Path | None = None,
    seed: int = 0,
    settings: Mapping[str, Any] = MappingProxyType({}),
    out: str | Path | None = None,
    on_event: Callable[[dict[str, Any]], None] = lambda event: None,
) -> dict[str, Any]:
    """Run a task centralised, on each node alone, and federated.

    Centralised is the same task with one data owner that holds everything: one node's mean is the node's own, so
    this is plain training, to the last bit.

    Args:
        target: What to run.
        num_nodes: Data owners; the example's own number if None.
        num_rounds: Rounds of each run; one round is one pass of a node over its data.
        partition: How the data is split.
        source: The real data set; embedded data if None.
        seed: Seed of the split and of every run.
        settings: Arguments of the scheduler that differ from its defaults.
        out: A new folder; gets the data, the runs, `compare.json` and `compare.png`.
        on_event: Called with each event of each run, with its name as `run` added.

    Returns:
        The settings, the samples each node holds, and every run's curves and seconds.
    """
    task = find(target)
    out = Run.create_numbered(f"{task.name}-compare").path if out is None else Path(out)
    prepared = prepare(task, out / "data", num_nodes, partition, source, seed)
    prepare(task, out / "data-in-one-place", 1, "iid", source, seed)
    split, whole = find_nodes(out / "data"), find_nodes(out / "data-in-one-place")
    owners = [name for name in split if name != AGGREGATOR]
    plans = [("centralised", whole, None), *((name, split, name) for name in owners), ("federated", split, None)]
    runs = []
    for name, folders, only in plans:
        scheduler = build(task, source is None, num_rounds, seed, settings)
        run = run_local(
            scheduler, folders, out / name, seed, task.facts.run.num_threads, only, task.key,
            lambda event, name=name: on_event({**event, "run": name}),
        )  # fmt: skip
        runs.append(_summary(name, run))
    result = {
        "folder": str(out),
        "partition": prepared["partition"],
        "nodes": prepared["nodes"],
        "rounds": run.record["rounds"],
        "seed": seed,
        "settings": Run.open(out / "federated").record["settings"],
        "counts": prepared["counts"],
        "runs": runs,
    }
    write_json(out / "compare.json", {name: value for name, value in result.items() if name != "folder"})
    names = task.facts.metrics or list(runs[0]["metrics"])
    plot({name: {run["name"]: run["metrics"][name] for run in runs} for name in names}, out / "compare.png")
    return result


def _summary(name: str, run: Run) -> dict[str, Any]:
    return {
        "name": name,
        "seconds": run.record["seconds"],
        "bytes_per_message": run.record["bytes_per_message"],
        "metrics": tested(run.rows),
        "details": details(run.rows),
    }
