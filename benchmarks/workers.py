"""What several processes gain, and what many nodes cost.

Runs with one process and with several take turns, each in a Python of its own; a ratio is that of the medians of their
rounds. The results are compared too: they have to be the same to the last bit.

    python benchmarks/workers.py --record      (writes what the page about many owners shows)
"""

import argparse
import hashlib
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from local_engine import write_nodes

from alphamed_tutorials.runs.machine import machine, versions
from alphamed_tutorials.runs.writing import write_json

RECORDING = Path(__file__).parents[1] / "docs" / "results" / "scale" / "workers.json"
REPEATS = 3
SEED = 0
TASKS = [("mnist", 10), ("mnist", 50), ("language_modeling", 4), ("object_detection", 4)]
FEW, MANY = 3, 1000
SAMPLES_OF_MANY = 60  # digits of each of the many nodes
TRIVIAL = Path(__file__).with_name("trivial.py")
VERY_MANY, SAMPLE = 10_000, 0.01


def run_once(task: str, data: str, num_nodes: int, num_workers: int, num_rounds: int, sample: float) -> dict[str, Any]:
    """Run a task in this process; return seconds to the first round, those of each later round, memory, and a digest."""
    from alphamed_tutorials.engines.run import run

    marks: list[float] = []

    def on_event(event: dict) -> None:
        if event["event"] in ("started", "round_done"):
            marks.append(time.perf_counter())

    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        given = {"data": data} if data else {"num_nodes": num_nodes}
        done = run(
            task, **given, num_rounds=num_rounds, seed=SEED, out=Path(folder, "run"), on_event=on_event,
            num_workers=num_workers, sample=sample,
        )  # fmt: skip
        digest = hashlib.sha256((done.path / "model.pt").read_bytes()).hexdigest()[:12]
    rounds = [after - before for before, after in itertools.pairwise(marks)]
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
    peak = int(status["VmHWM"].split()[0]) / 1024
    return {"set_up": marks[0] - began, "rounds": rounds, "peak_mb": peak, "digest": digest}


def apart(*arguments: Any) -> dict[str, Any]:
    """Run a task in a process of its own."""
    command = [sys.executable, __file__, "--one", json.dumps(arguments)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def compare(name: str, num_nodes: int, num_workers: int) -> dict[str, Any]:
    """Return what several processes gain on a task."""
    with tempfile.TemporaryDirectory() as folder:
        data = ""
        if name == "mnist":
            data = folder
            write_nodes(Path(folder), num_nodes)
        runs: dict[int, list[dict[str, Any]]] = {1: [], num_workers: []}
        for _ in range(REPEATS):
            for number, found in runs.items():
                found.append(apart(name, data, num_nodes, number, 4, 1.0))
    one, several = ([each for run in runs[number] for each in run["rounds"][1:]] for number in runs)
    set_up = [statistics.median(run["set_up"] for run in runs[number]) for number in runs]
    return {
        "example": name,
        "nodes": num_nodes,
        "one_seconds_a_round": round(statistics.median(one), 3),
        "several_seconds_a_round": round(statistics.median(several), 3),
        "gain": round(statistics.median(one) / statistics.median(several), 2),
        "set_up_seconds_more": round(set_up[1] - set_up[0], 2),
        "is_equal": len({run["digest"] for found in runs.values() for run in found}) == 1,
    }


def many_nodes(num_nodes: int) -> dict[str, Any]:
    """Return memory and seconds of a number of nodes with a few digits each."""
    with tempfile.TemporaryDirectory() as folder:
        write_nodes(Path(folder), num_nodes, SAMPLES_OF_MANY)
        size = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
        done = apart("mnist", folder, num_nodes, 1, 3, 1.0)
    per_sample = statistics.median(done["rounds"][1:]) / num_nodes / SAMPLES_OF_MANY
    return {
        "nodes": num_nodes,
        "samples": SAMPLES_OF_MANY,
        "peak_mb": round(done["peak_mb"]),
        "data_mb": round(size / 2**20, 1),
        "set_up_seconds": round(done["set_up"], 2),
        "seconds_a_round": round(statistics.median(done["rounds"][1:]), 2),
        "milliseconds_a_sample": round(1000 * per_sample, 3),
    }


def very_many_nodes(num_workers: int) -> dict[str, Any]:
    """Return what a very large number of nodes takes that train next to nothing, a sample of them in each round."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("aggregator", *(f"node{number + 1}" for number in range(VERY_MANY))):
            Path(folder, name).mkdir()
            Path(folder, name, "nothing.txt").touch()
        done = apart(str(TRIVIAL), folder, VERY_MANY, num_workers, 5, SAMPLE)
    return {
        "nodes": VERY_MANY,
        "sample": SAMPLE,
        "peak_mb": round(done["peak_mb"]),
        "set_up_seconds": round(done["set_up"], 1),
        "seconds_a_round": round(statistics.median(done["rounds"][1:]), 2),
        "seconds": round(done["set_up"] + sum(done["rounds"]), 1),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true", help=f"write {RECORDING.name} beside the results")
    parser.add_argument("--workers", type=int, default=2, help="how many processes (default: 2)")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(run_once(*json.loads(arguments.one))))
        return
    started = time.monotonic()
    experiments: list[dict[str, Any]] = [
        {"name": "workers", "rows": [told(compare(*task, arguments.workers)) for task in TASKS]},
        {"name": "few", **told(many_nodes(FEW))},
        {"name": "many", **told(many_nodes(MANY))},
        {"name": "very-many", **told(very_many_nodes(arguments.workers))},
    ]
    recording = {
        "recorded": time.strftime("%Y-%m-%d"),
        "seconds": round(time.monotonic() - started),
        "workers": arguments.workers,
        "machine": machine(),
        "versions": versions(),
        "experiments": [{"seed": SEED, **each} for each in experiments],
    }
    if arguments.record:
        RECORDING.parent.mkdir(exist_ok=True)
        write_json(RECORDING, recording)


def told(found: dict[str, Any]) -> dict[str, Any]:
    """Print what was found, and return it."""
    print(", ".join(f"{key} {value}" for key, value in found.items()), flush=True)
    return found


if __name__ == "__main__":
    main()
