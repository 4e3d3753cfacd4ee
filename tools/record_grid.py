"""Record MNIST over a grid: how uneven the labels are, how long nodes train between two averages, how many owners.

The page's slider figure is drawn from it. Every run passes 15 times over its data, however often it averages meanwhile.

python tools/record_grid.py --source FOLDER_OF_MNIST
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from alphamed_tutorials.catalogue import find
from alphamed_tutorials.data.folders import AGGREGATOR, find_nodes
from alphamed_tutorials.data.prepare import prepare
from alphamed_tutorials.engines.local import run_local
from alphamed_tutorials.engines.run import build
from alphamed_tutorials.experiments.compare import CENTRALISED, FEDERATED, metrics_of
from alphamed_tutorials.runs.machine import machine, versions
from alphamed_tutorials.runs.metrics import tested
from alphamed_tutorials.runs.writing import write_json
from pages import ROOT

FILE = ROOT / "docs" / "results" / "mnist" / "grid.json"
TASK = find("mnist")
METRIC = TASK.facts.metrics[0]
PASSES = 15  # over the data, in every run
PARTITIONS = ["iid", "dirichlet:1", "dirichlet:0.3", "dirichlet:0.1"]
MERGE_EPOCHS = [1, 3, 5, 15]
OWNERS = [3, 5, 10]
SEED = 1


def experiments(source: Path, work: Path) -> Iterator[dict[str, Any]]:
    """Yield centralised training, then each split: its owners alone, and federated for each number of local epochs."""
    whole = prepare_split(source, work, 1, "iid")
    yield _experiment(CENTRALISED, whole, "iid", 1, 1, [(CENTRALISED, None)])
    for partition in PARTITIONS:
        for owners in OWNERS:
            data, split = prepare_split(source, work, owners, partition), f"{partition}-{owners}"
            alone = [(name, name) for name in find_nodes(data) if name != AGGREGATOR]
            yield _experiment(f"{split}-alone", data, partition, owners, 1, alone)
            for epochs in MERGE_EPOCHS:
                yield _experiment(f"{split}-{epochs}", data, partition, owners, epochs, [(FEDERATED, None)])


def prepare_split(source: Path, work: Path, owners: int, partition: str) -> Path:
    """Make the data of one split below a folder, and return where they are."""
    data = work / f"data-{partition}-{owners}"
    prepare(TASK, data, owners, partition, source, SEED)
    return data


def _experiment(
    name: str, data: Path, partition: str, owners: int, epochs: int, runs: list[tuple[str, str | None]]
) -> dict[str, Any]:
    rounds = PASSES // epochs
    settings = {"merge_epochs": epochs}
    rows = [run_once(run, data, rounds, settings, only) for run, only in runs]
    print(name, *(row["metrics"][METRIC][-1][1] for row in rows), flush=True)
    return {
        "name": name,
        "partition": partition,
        "nodes": owners,
        "rounds": rounds,
        "seed": SEED,
        "settings": settings,
        "runs": rows,
    }


def run_once(name: str, data: Path, rounds: int, settings: dict[str, Any], only: str | None) -> dict[str, Any]:
    """Make one run, of all owners or of `only` one, and return its row."""
    scheduler = build(TASK, False, rounds, SEED, settings)
    with tempfile.TemporaryDirectory() as folder:
        run = run_local(scheduler, data, Path(folder) / "run", SEED, TASK.facts.run.num_threads, only, TASK.key)
        return {
            "name": name,
            "bytes_per_message": run.record["bytes_per_message"],
            "metrics": {METRIC: tested(run.rows)[METRIC]},
        }


def main() -> None:
    """Record the whole grid."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, required=True)
    source, started = parser.parse_args().source, time.process_time()
    with tempfile.TemporaryDirectory() as work:
        found = list(experiments(source, Path(work)))
    runs = [run for experiment in found for run in experiment["runs"]]
    content = {
        "example": TASK.name,
        "metric": METRIC,
        "metrics": metrics_of(TASK.facts, runs),
        "recorded": time.strftime("%Y-%m-%d"),
        "processor_seconds": round(time.process_time() - started),  # whatever else the machine did meanwhile
        "machine": machine(),
        "versions": versions(),
        "data": {"source": source.resolve().name},
        "passes": PASSES,
        "experiments": found,
    }
    write_json(FILE, content)


if __name__ == "__main__":
    main()
