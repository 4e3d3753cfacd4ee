"""What federation gains: everything in one place, each node alone, and federated, on the same budget."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from .engines.local import run_local
from .examples import Example
from .metrics import details, plot, tested
from .partition import Partition
from .preparation import prepare
from .runs import Run, write_json


def compare(
    example: Example,
    out: Path,
    num_nodes: int,
    num_rounds: int,
    partition: Partition,
    seed: int,
    source: Path | None,
    on_event: Callable[[dict[str, Any]], None] = lambda event: None,
    settings: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """Run an example centralised, on each node alone, and federated.

    Centralised is the same task with one data owner that holds everything: one node's mean is the node's own, so
    this is plain training, to the last bit (tests/test_equivalence.py).

    Args:
        example: The example.
        out: A new folder; gets the data, the runs, `compare.json` and `compare.png`.
        num_nodes: Data owners.
        num_rounds: Rounds of each run; one round is one pass of a node over its data.
        partition: How the data is split.
        seed: Seed of the split and of every run.
        source: The real data set; embedded data if None.
        on_event: Called with each event of each run, with its name as `run` and its `rounds` added.
        settings: Arguments of the scheduler that differ from its defaults.

    Returns:
        The settings, the samples each node holds, and every run's curves and seconds.
    """
    prepared = prepare(example, out / "data", num_nodes, source, partition, seed)
    prepare(example, out / "data-in-one-place", 1, source, Partition(), seed)
    settings = {**(example.embedded_settings if source is None else {}), **settings}
    owners = [f"node{number + 1}" for number in range(num_nodes)]
    plans = [("centralised", "data-in-one-place", None), *((name, "data", name) for name in owners)]
    num_threads = example.facts["run"]["num_threads"]
    runs = []
    for name, data, only in [*plans, ("federated", "data", None)]:
        scheduler = example.build_scheduler(num_rounds, seed, **settings)
        run = run_local(
            scheduler, out / data, out / name, seed, num_threads, only, example.key,
            lambda event, name=name: on_event({**event, "run": name, "rounds": num_rounds}),
        )  # fmt: skip
        runs.append(_summary(name, run))
    result = {
        "partition": str(partition),
        "nodes": num_nodes,
        "rounds": num_rounds,
        "seed": seed,
        "settings": Run.open(out / "federated").record["settings"],
        "counts": prepared["counts"],
        "runs": runs,
    }
    write_json(out / "compare.json", result)
    names = example.facts["metrics"]
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
