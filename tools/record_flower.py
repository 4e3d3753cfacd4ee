"""Record what a run costs on Flower's deployment engine, beside the local one, and what Flower's own average makes.

python tools/record_flower.py

The runs are of MNIST on embedded data, with a SuperLink and all SuperNodes on this machine; the average is tried on the
states that its data owners hold after the first round.
"""

import contextlib
import datetime
import importlib.metadata
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import psutil
import torch
from flwr.app import Array, ArrayRecord, MetricRecord, RecordDict
from flwr.common.constant import HEARTBEAT_DEFAULT_INTERVAL, HEARTBEAT_PATIENCE
from flwr.proto.control_pb2 import ListRunsRequest
from flwr.serverapp.strategy.strategy_utils import aggregate_arrayrecords

from alphamed_tutorials.catalogue import find
from alphamed_tutorials.data.prepare import prepare
from alphamed_tutorials.engines import share
from alphamed_tutorials.engines.local import run_local
from alphamed_tutorials.engines.platform import serialise
from alphamed_tutorials.engines.run import build, run
from alphamed_tutorials.flower.control import Standing, SuperLink
from alphamed_tutorials.runs.folder import Run
from alphamed_tutorials.runs.machine import machine, versions
from alphamed_tutorials.runs.writing import write_json
from pages import ROOT

FILE = ROOT / "docs" / "results" / "flower.json"
OWNERS, ROUNDS, SEED = 3, 4, 1
WEIGHTS = [1, 2, 3]  # samples that data owners say they have
COUNTER = 7  # batches that each owner's BatchNorm has seen
COMMANDS = ("flower-superlink", "flower-supernode", "flower-superexec", "flwr-serverapp", "flwr-clientapp")
SUPERNODE_LOOKS_EVERY = 3  # seconds; in Flower's start_client_internal.py, and not to be set
TRIES = 3


def seconds_of(code: str) -> float:
    """Return how long a new Python takes for a piece of code: the shortest of some tries."""
    found = []
    for _ in range(TRIES):
        started = time.monotonic()
        subprocess.run([sys.executable, "-c", code], check=True)
        found.append(time.monotonic() - started)
    return min(found)


class Memory(threading.Thread):
    """Look at the memory of Flower's processes until told to end.

    Attributes:
        most: Bytes that a process of each kind had at most.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.most, self.is_over = dict.fromkeys(COMMANDS, 0), threading.Event()

    def run(self) -> None:
        while not self.is_over.wait(0.2):
            for process in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    for word in process.cmdline()[:2]:
                        name = Path(word).name
                        if name in self.most:
                            self.most[name] = max(self.most[name], process.memory_info().rss)


def measure(work: Path) -> dict[str, Any]:
    """Run MNIST on both engines, and return what was measured."""
    data = work / "data"
    prepare("mnist", data, num_nodes=OWNERS, seed=SEED)
    alone = run("mnist", data, num_rounds=ROUNDS, seed=SEED, out=work / "alone")
    counted: dict[str, int] = {}
    watched = SuperLink.standing

    def watch(superlink: SuperLink, number: int) -> Standing:
        found = superlink._client.ListRuns(ListRunsRequest(run_id=number)).run_dict[number]
        counted.update(bytes=found.bytes_sent + found.bytes_recv, milliseconds=int(1000 * found.clientapp_runtime))
        return watched(superlink, number)

    SuperLink.standing = watch  # type: ignore[method-assign]
    load = os.getloadavg()[0]
    memory = Memory()
    memory.start()
    started = time.time()
    flower = run("mnist", data, num_rounds=ROUNDS, seed=SEED, out=work / "flower", engine="flower")
    ended = time.time()
    memory.is_over.set()
    for name in ("model.pt", "metrics.csv"):
        assert (alone.path / name).read_bytes() == (flower.path / name).read_bytes(), f"{name} differs"
    events = [json.loads(line) for line in (flower.path / "events.jsonl").read_text("utf-8").splitlines()]
    times = {
        kind: [each["time"] for each in events if each["event"] == kind] for kind in ("started", "round_done", "done")
    }
    ends = [times["started"][0], *times["round_done"]]
    return {
        "name": "mnist",
        "seed": SEED,
        "load": round(load, 1),
        "owners": OWNERS,
        "rounds": ROUNDS,
        "start_seconds": round(times["started"][0] - started, 1),
        "round_seconds": round(statistics.median(after - before for before, after in itertools.pairwise(ends)), 1),
        "stop_seconds": round(ended - times["done"][0], 1),
        "seconds": round(ended - started, 1),
        "local_seconds": alone.record["seconds"],
        "turn_seconds": round(counted["milliseconds"] / 1000 / (OWNERS * (ROUNDS + 1)), 1),
        "message_bytes": flower.record["bytes_per_message"],
        "traffic_kb": round(counted["bytes"] / 1000),
        "state_bytes": _size_of_state(flower),
        "looks_every_seconds": SUPERNODE_LOOKS_EVERY,
        "gone_seconds": HEARTBEAT_DEFAULT_INTERVAL * HEARTBEAT_PATIENCE,
        **{f"{name.partition('-')[2]}_mb": round(size / 1e6) for name, size in memory.most.items()},
        "import_seconds": round(seconds_of("import alphamed_tutorials.flower.client"), 1),
    }


def _size_of_state(run: Run) -> int:
    return max(file.stat().st_size for file in (run.path / "flower").glob("*/*/states/*.pt"))


State = dict[str, torch.Tensor]


def states_after_a_round(work: Path) -> list[State]:
    """Return what the data owners hold after their first round of MNIST."""
    task, kept = find("mnist"), []

    def keep(state: Mapping[str, torch.Tensor]) -> bytes:
        kept.append({name: value.clone() for name, value in state.items()})
        return serialise(state)

    with mock.patch.object(share, "serialise", keep):
        run_local(build(task, True, 1, SEED, {}), work / "data", work / "one", SEED)
    return kept


def sdks(states: list[State]) -> State:
    """Average as the SDK does: sum in the order of the nodes, then divide, integers without their remainder."""
    found = {}
    for name, first in states[0].items():
        total = torch.zeros_like(first)
        for state in states:
            total.add_(state[name])
        found[name] = total.div_(len(states), rounding_mode=None if first.is_floating_point() else "trunc")
    return found


def flowers(states: list[State], sizes: list[int]) -> State:
    """Average as Flower's FedAvg does, and load that as a model does, which has integers where they were.

    Args:
        states: In the order in which their answers came.
        sizes: How many samples each says it has.
    """
    answers = [
        RecordDict(
            {
                "arrays": ArrayRecord({name: Array(value.numpy()) for name, value in state.items()}),
                "metrics": MetricRecord({"num-examples": size}),
            }
        )
        for state, size in zip(states, sizes, strict=True)
    ]
    mean = aggregate_arrayrecords(answers, "num-examples")
    return {
        name: torch.empty_like(value).copy_(torch.from_numpy(np.asarray(mean[name].numpy())))
        for name, value in states[0].items()
    }


def difference(one: State, other: State) -> float:
    """Return how far two states are from each other, at most."""
    return float(f"{max((one[name].double() - other[name].double()).abs().max().item() for name in one):.1e}")


def average(work: Path) -> dict[str, Any]:
    """Average the data owners' states after a round as the SDK does, and as Flower's FedAvg does."""
    states = states_after_a_round(work)
    equal, counters = [1] * len(states), [{"batches": torch.tensor(COUNTER)}] * len(states)
    return {
        "name": "fedavg",
        "seed": SEED,
        "owners": len(states),
        "weights": WEIGHTS,
        "weighted_error": difference(flowers(states, WEIGHTS), sdks(states)),
        "equal_error": difference(flowers(states, equal), sdks(states)),
        "order_error": difference(flowers(states[::-1], equal), flowers(states, equal)),
        "counter": COUNTER,
        "sdk_counter": int(sdks(counters)["batches"]),
        "flower_counter": int(flowers(counters, equal)["batches"]),
    }


def main() -> None:
    """Write `docs/results/flower.json`."""
    with tempfile.TemporaryDirectory() as folder:
        experiments = [measure(Path(folder)), average(Path(folder))]
    record = {
        "recorded": datetime.date.today().isoformat(),
        "machine": machine(),
        "versions": {**versions(), "flwr": importlib.metadata.version("flwr")},
        "experiments": experiments,
    }
    write_json(FILE, record)


if __name__ == "__main__":
    main()
