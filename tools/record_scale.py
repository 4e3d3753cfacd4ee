"""Record what a round costs when owners become many: messages, links, stragglers, averaging in groups, compression.

python tools/record_scale.py

Sizes of messages and training times are those of the examples' recorded results. Seconds of a round come of them by the
formulas that the page shows (`snippets/scale/estimate.py`).
"""

import inspect
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch

from alphamed_tutorials.catalogue import Target, find, find_all
from alphamed_tutorials.data.prepare import prepare
from alphamed_tutorials.engines import share as engine
from alphamed_tutorials.engines.local import run_local
from alphamed_tutorials.engines.platform import serialise
from alphamed_tutorials.engines.run import build
from alphamed_tutorials.experiments.compare import FEDERATED, metrics_of
from alphamed_tutorials.runs.folder import Run
from alphamed_tutorials.runs.machine import machine, versions
from alphamed_tutorials.runs.metrics import tested
from alphamed_tutorials.runs.writing import write_json
from pages import ROOT

sys.path.insert(0, str(ROOT / "snippets" / "scale"))  # the page's code is what is recorded
from compress import HalfPrecision, LargestChanges
from estimate import PUSH, round_in_groups, round_seconds

RESULTS = ROOT / "docs" / "results"
FILE = RESULTS / "scale.json"
OWNERS = [10, 100, 1000, 10_000]
MEGABITS = [10, 100, 1000]
SPREAD = 0.5  # of the logarithm of training times: one owner in twenty takes 2.3 times as long as the median
DRAWS = 200  # rounds simulated for each figure
REACHABLE = [0.99, 0.999]  # the chance of each owner to last a round
SEED = 1
TRAINED = 10  # owners whose states the averages are tried on

COMPRESSED = {"mnist": (15, [1, 2, 3]), "language_modeling": (3, [1])}  # rounds and seeds; on embedded data
WAYS: dict[str, tuple[tuple[type, ...], dict[str, Any]]] = {
    "full": ((), {}),
    "float16": ((HalfPrecision,), {"kind": torch.float16}),
    "bfloat16": ((HalfPrecision,), {"kind": torch.bfloat16}),
    "largest-10": ((LargestChanges,), {"share": 0.1}),
    "largest-1": ((LargestChanges,), {"share": 0.01}),
    "largest-1-only": ((LargestChanges,), {"share": 0.01, "keeps_rest": False}),
}


def messages() -> Iterator[dict[str, Any]]:
    """Yield a row for each size of message that the examples' recorded experiments have."""
    for task in find_all():
        record, sizes = json.loads((RESULTS / f"{task.name}.json").read_text("utf-8")), set()
        for experiment in record["experiments"]:
            run = next(run for run in experiment["runs"] if run["name"] == FEDERATED)
            if run["bytes_per_message"] in sizes:
                continue
            sizes.add(run["bytes_per_message"])
            turns = run["rounds"] * experiment["nodes"]
            row = {
                "name": f"{task.name}-{experiment['name']}",
                "example": task.name,
                "title": task.facts.title.model_dump(),
                "experiment": experiment["name"],
                "bytes": run["bytes_per_message"],
                "training_seconds": round(run["seconds"] / turns, 3),  # owners take turns, and tests are in it
            }
            yield {**row, "rounds": rounds(row["bytes"], row["training_seconds"])}


def draw_factors(owners: int) -> np.ndarray:
    """Return how much longer than the median each owner trains in each simulated round; the same whenever asked."""
    return np.random.default_rng(SEED).lognormal(0, SPREAD, size=(DRAWS, owners))


def num_groups(owners: int) -> int:
    """Return the largest divisor up to the square root: no aggregator then has many more messages than another."""
    return max(number for number in range(1, int(owners**0.5) + 1) if owners % number == 0)


def rounds(size: int, training_seconds: float) -> list[dict[str, Any]]:
    """Return bytes and median seconds of a round, for each number of owners and each link.

    Args:
        size: Bytes of a message.
        training_seconds: An owner's median.
    """
    found = []
    for owners in OWNERS:
        training, groups = training_seconds * draw_factors(owners), num_groups(owners)
        flat = {rate: np.median(round_seconds(size, rate, training)) for rate in MEGABITS}
        grouped = {rate: np.median(round_in_groups(size, rate, training, groups)) for rate in MEGABITS}
        found.append(
            {
                "owners": owners,
                "bytes_in": (owners + 1) * size,
                "bytes_out": 2 * owners * size,
                "seconds": {str(rate): round(float(value), 2) for rate, value in flat.items()},
                "grouped_seconds": {str(rate): round(float(value), 2) for rate, value in grouped.items()},
            }
        )
    return found


def stragglers() -> list[dict[str, Any]]:
    """Return how many times the median training time a round waits for, and how often everybody lasts a round."""
    found = []
    for owners in OWNERS:
        factors = draw_factors(owners)
        slowest = factors.max(1)
        found.append(
            {
                "owners": owners,
                "slowest": round(float(np.median(slowest)), 2),
                "slowest_95": round(float(np.quantile(slowest, 0.95)), 2),
                "theory": round(float(slowest_in_theory(owners)), 2),
                "nine_tenths": round(float(np.median(np.quantile(factors, 0.9, axis=1))), 2),
                "all_last": {str(chance): chance**owners for chance in REACHABLE},
            }
        )
    return found


def slowest_in_theory(owners: int) -> float:
    """Return the median of the longest of so many log-normal training times, in medians."""
    return float(np.exp(SPREAD * statistics.NormalDist().inv_cdf(0.5 ** (1 / owners))))


def trained_states(work: Path) -> np.ndarray:
    """Return what owners hold after a first round of MNIST: one row an owner, all its parameters in a line."""
    task = find("mnist")
    prepare(task, work / "data", TRAINED, seed=SEED)
    kept: list[np.ndarray] = []

    def keep(state: Mapping[str, torch.Tensor]) -> bytes:
        kept.append(torch.cat([value.flatten() for value in state.values()]).numpy().copy())
        return serialise(state)

    with mock.patch.object(engine, "serialise", keep):
        run_local(build(task, True, 1, SEED, {}), work / "data", work / "run", SEED)
    return np.stack(kept)


def averages(states: np.ndarray, owners: int) -> dict[str, Any]:
    """Average many owners at once and in groups, in float32; return how far each is from the exact mean.

    Args:
        states: Of the few that were trained. Others hold one of these, with normal noise as large as the trained ones
            differ.
        owners: How many take part. Their groups differ in size, as drawn at random.
    """
    random, (_, length) = np.random.default_rng(SEED), states.shape
    groups = num_groups(owners)
    members = random.choice(groups, size=owners, p=random.dirichlet(np.ones(groups)))  # as hospitals in provinces
    sizes, spread = np.bincount(members, minlength=groups), states.std(0)
    flat, exact, sums = np.zeros(length, "f4"), np.zeros(length), np.zeros((groups, length), "f4")
    for owner, group in enumerate(members):
        state = states[owner % len(states)] + spread * random.standard_normal(length, "f4")
        flat += state
        exact += state
        sums[group] += state
    exact /= owners
    sums, sizes = sums[sizes > 0], sizes[sizes > 0]
    weights = sizes.astype("f4")
    means = sums / weights[:, None]
    by_size = (weights[:, None] * means).sum(0, dtype="f4") / weights.sum()
    return {
        "owners": owners,
        "groups": len(sizes),
        "smallest": int(sizes.min()),
        "largest": int(sizes.max()),
        "flat_error": float(np.abs(flat / np.float32(owners) - exact).max()),
        "by_size_error": float(np.abs(by_size - exact).max()),
        "unweighted_error": float(np.abs(means.mean(0) - exact).max()),
    }


def compress(name: str, work: Path) -> dict[str, Any]:
    """Train an example federated, each way of returning parameters with each seed."""
    (num_rounds, seeds), task = COMPRESSED[name], find(name)
    runs = []
    for way in WAYS:
        results, sizes = [], []
        for seed in seeds:
            data = work / f"{name}-{seed}"
            if not data.exists():
                prepare(task, data, seed=seed)
            run, size = train(task, way, data, num_rounds, seed)
            results.append(tested(run.rows)[task.facts.metrics[0]][-1][1])
            sizes.append(size)
        runs.append({"name": way, "bytes_returned": max(sizes), "values": results})
        print(name, runs[-1], flush=True)
    return {
        "name": name,
        "example": name,
        "title": task.facts.title.model_dump(),
        "metric": metrics_of(task.facts, [{"metrics": {task.facts.metrics[0]: []}}])[0],
        "nodes": task.facts.run.nodes,
        "rounds": num_rounds,
        "seed": seeds[0],
        "seeds": seeds,
        "runs": runs,
    }


def train(task: Target, way: str, data: Path, num_rounds: int, seed: int) -> tuple[Run, int]:
    """Return a run in which owners return their parameters in one of the ways, and the bytes of the last message."""
    plain, sizes = build(task, True, num_rounds, seed, {}), []
    (bases, attributes), kind = WAYS[way], type(plain)
    own = type(kind.__name__, (*bases, kind), {**attributes, "__module__": __name__})
    scheduler = own.__new__(own)
    vars(scheduler).update(vars(plain))

    def measured(state: Mapping[str, torch.Tensor]) -> bytes:
        data = serialise(state)
        sizes.append(len(data))
        return data

    with tempfile.TemporaryDirectory() as folder, mock.patch.object(engine, "serialise", measured):
        return run_local(scheduler, data, Path(folder) / "run", seed, task.facts.run.num_threads), sizes[-1]


def limits() -> dict[str, Any]:
    """Return what the SDK's own waiting and time limits come to."""
    from alphafed.data_channel import SharedFileDataChannel
    from alphafed.fed_avg import FedAvgScheduler  # after our package, for the SDK's logs

    calculation = inspect.signature(FedAvgScheduler).parameters["calculation_timeout"].default
    connection = inspect.signature(SharedFileDataChannel.batch_send_stream).parameters["connection_timeout"].default
    return {
        "name": "limits",
        "seed": SEED,
        "push_seconds": PUSH,
        "calculation_timeout": calculation,
        "connection_timeout": connection,
        "owners_in_time": round(calculation / PUSH),
        "seconds_of_500": round((5 + 500) * PUSH),
        "last_of_500": round(100 * 0.999**500, 1),
        "draws": DRAWS,
    }


def main() -> None:
    """Record all of it."""
    started = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        states = trained_states(work / "states")
        experiments = [limits(), *(compress(name, work) for name in COMPRESSED)]
    content = {
        "recorded": time.strftime("%Y-%m-%d"),
        "processor_seconds": round(time.process_time() - started),  # whatever else the machine did meanwhile
        "machine": machine(),
        "versions": versions(),
        "messages": list(messages()),
        "stragglers": stragglers(),
        "averages": [averages(states, owners) for owners in OWNERS],
        "experiments": experiments,
    }
    write_json(FILE, content)


if __name__ == "__main__":
    main()
