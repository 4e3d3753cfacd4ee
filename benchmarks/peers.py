"""The same run in other systems: a bare loop, our local engine, Flower, NVIDIA FLARE, and actors of Ray.

Each runs in processes of its own. They take turns, so that all meet the same machine; figures are medians. The programs
are those in `peers/`, and `make peers` makes the environments that the other systems need.

    python benchmarks/peers.py --json docs/results/scale/peers.json
"""

import argparse
import importlib.metadata
import json
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import torch
from local_engine import write_nodes
from watched_process import run_watched

from alphamed_tutorials.runs.machine import machine, versions
from alphamed_tutorials.runs.writing import write_json

ROOT = Path(__file__).parents[1]
PROGRAMS, ENVIRONMENTS = ROOT / "benchmarks" / "peers", ROOT / ".peers"
NUM_NODES, REPEATS = [3, 10, 50], 3
SAMPLES, ROUNDS, SEED = 300, 5, 1  # digits of a node
LONGEST = 900  # seconds that a run may take
FIGURES = {"wall_seconds": 2, "round_seconds": 3, "cpu_seconds": 2, "peak_mb": 0}  # with how many decimals
Measured = dict[str, Any]


class Contender(NamedTuple):
    """A program of `peers/`, the processes that train in it, and the environment and package it needs beside ours.

    `most_nodes` keeps a run from taking more memory, or more time, than a small machine has.
    """

    program: str
    workers: int
    environment: str = ""
    package: str = ""
    most_nodes: int = 1000

    @property
    def python(self) -> Path:
        """The Python that runs it."""
        return ENVIRONMENTS / self.environment / "bin" / "python" if self.environment else Path(sys.executable)

    def version(self) -> str:
        """Return the version of its package."""
        packages = map(str, self.python.parents[1].glob("lib/python*/site-packages"))
        return next(iter(importlib.metadata.distributions(name=self.package, path=list(packages)))).version


CONTENDERS = {
    "bare": Contender("bare.py", 1),
    "ours-1": Contender("ours.py", 1),
    "ours-2": Contender("ours.py", 2),
    "flower": Contender("flower.py", 2, "flower", "flwr"),
    "flare": Contender("nvidia_flare.py", 2, "nvflare", "nvflare", most_nodes=20),  # each has a process with torch
    "ray": Contender("ray_actors.py", 2, "ray", "ray"),
}


def surroundings(folder: Path) -> dict[str, str]:
    """Return the variables of a contender: one thread for each process that trains, nothing told to anybody."""
    return {
        "PYTHONPATH": os.pathsep.join(map(str, (PROGRAMS, ROOT / "src"))),
        "OMP_NUM_THREADS": "1",
        "HOME": str(folder),  # where Flower and Ray keep files
        "FLWR_TELEMETRY_ENABLED": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_TMPDIR": str(folder),
    }


def run_once(contender: Contender, data: Path) -> Measured:
    """Run a contender on all nodes of a folder; return its figures and its parameters."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        options = {"rounds": ROUNDS, "seed": SEED, "workers": contender.workers}
        command = [str(contender.python), str(PROGRAMS / contender.program), str(data), str(folder)]
        command += [f"--{name}={value}" for name, value in options.items()]
        used = run_watched(command, surroundings(folder), folder, LONGEST)
        answer = torch.load(folder / "answer.pt", weights_only=True)
    if answer["torch"] != torch.__version__:
        raise SystemExit(f"{contender.program} ran with torch {answer['torch']}, not {torch.__version__}: make peers")
    seconds = statistics.median(later - earlier for earlier, later in pairwise(answer["ends"]))
    return {**used._asdict(), "round_seconds": seconds, "parameters": answer["parameters"]}


def greatest_difference(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    """Return how far the two most different numbers of two state dicts are apart."""
    return max((one[name] - other[name]).abs().max().item() for name in one)


def summary(name: str, runs: list[Measured], bare: list[Measured]) -> Measured:
    """Return a contender's medians, and how far its parameters are from those of the bare loop."""
    medians = {figure: statistics.median(run[figure] for run in runs) for figure in FIGURES}
    differences = [greatest_difference(run["parameters"], other["parameters"]) for run, other in zip(runs, bare)]
    rounded = {figure: round(medians[figure], decimals or None) for figure, decimals in FIGURES.items()}
    return {"name": name, **rounded, "difference": max(differences)}


def compare(num_nodes: int, repeats: int) -> Measured:
    """Let all contenders run in turn, several times."""
    runs: dict[str, list[Measured]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        write_nodes(Path(folder), num_nodes, SAMPLES)
        for _ in range(repeats):
            for name, contender in CONTENDERS.items():
                if num_nodes > contender.most_nodes:
                    continue
                runs[name].append(run_once(contender, Path(folder)))
                last = ", ".join(f"{figure} {runs[name][-1][figure]:.2f}" for figure in FIGURES)
                print(f"{num_nodes:3} nodes, {name}: {last}", flush=True)
    rows = [summary(name, found, runs["bare"]) for name, found in runs.items()]
    facts = {"nodes": num_nodes, "samples": SAMPLES, "rounds": ROUNDS, "repeats": repeats, "seed": SEED}
    return {"name": str(num_nodes), **facts, "runs": rows}


def main() -> None:
    """Measure, and write down what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, nargs="+", default=NUM_NODES, help="data owners (default: 3 10 50)")
    parser.add_argument("--repeats", type=int, default=REPEATS, help="runs of each contender (default: 3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the medians there")
    arguments = parser.parse_args()
    if missing := sorted({each.environment for each in CONTENDERS.values() if not each.python.exists()}):
        parser.error(f"there is no environment for {', '.join(missing)}: make peers")
    began = time.perf_counter()
    experiments = [compare(num_nodes, arguments.repeats) for num_nodes in arguments.nodes]
    others = {each.package: each.version() for each in CONTENDERS.values() if each.package}
    found = {
        "recorded": time.strftime("%Y-%m-%d"),
        "seconds": round(time.perf_counter() - began),
        "machine": machine(),
        "versions": {**versions(), **others},
        "experiments": experiments,
    }
    if arguments.json:
        write_json(arguments.json, found)
    else:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
