"""What the local engine costs on top of a bare loop that does the same local epochs and the same averaging.

Each round of the engine is followed by a round of the bare loop in the same process, so that both meet the same
machine; the ratio is that of their medians. Peak memory is taken in a process of its own for each number of nodes.

    python benchmarks/local_engine.py --json
"""

import argparse
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch.optim import SGD

from alphamed_tutorials.engines.local import run_local
from alphamed_tutorials.examples.mnist.data import build_dataloader
from alphamed_tutorials.examples.mnist.model import ConvNet
from alphamed_tutorials.examples.mnist.prepare import write
from alphamed_tutorials.examples.mnist.scheduler import MNISTScheduler

NUM_NODES = (3, 10, 50)
SAMPLES = 1200  # MNIST's 60,000 digits over 50 nodes; the same for fewer nodes, so that a node's epoch is the same
NUM_ROUNDS = 7


def write_nodes(data: Path, num_nodes: int, samples: int = SAMPLES) -> None:
    """Write random digits: what they show does not matter for time and memory."""
    generator = np.random.default_rng(0)
    for node, split in [("aggregator", "test"), *((f"node{i + 1}", "train") for i in range(num_nodes))]:
        images = generator.integers(0, 256, (samples, 28, 28), dtype=np.uint8)
        labels = generator.integers(0, 10, samples, dtype=np.uint8)
        folder = data / "nodes" / node
        folder.mkdir(parents=True)
        write(folder, split, list(zip(images, labels)), shutil.copyfile)


class BareLoop:
    """Federated averaging as one would write it by hand."""

    def __init__(self, data: Path, num_nodes: int):
        self.loaders = [build_dataloader(data / "nodes" / f"node{i + 1}", True, 64) for i in range(num_nodes)]
        self.models = [ConvNet() for _ in range(num_nodes)]
        self.optimizers = [SGD(model.parameters(), lr=0.05, momentum=0.5) for model in self.models]
        self.average = ConvNet().state_dict()

    def round(self) -> None:
        total = {name: torch.zeros_like(tensor) for name, tensor in self.average.items()}
        for loader, model, optimizer in zip(self.loaders, self.models, self.optimizers):
            model.load_state_dict(self.average)
            model.train()
            for images, labels in loader:
                optimizer.zero_grad()
                loss = F.nll_loss(model(images), labels)
                loss.backward()
                optimizer.step()
                loss.item()
            for name, tensor in model.state_dict().items():
                total[name] += tensor
        self.average = {name: tensor / len(self.models) for name, tensor in total.items()}


def compare_rounds(data: Path, num_nodes: int, out: Path) -> dict[str, float]:
    """Return the median seconds of a round of each, and their ratio."""
    bare = BareLoop(data, num_nodes)
    engine_seconds, bare_seconds = [], []
    started = time.perf_counter()

    def on_event(event: dict) -> None:
        nonlocal started
        if event["event"] == "round_started":
            started = time.perf_counter()
        elif event["event"] == "round_done":
            engine_seconds.append(time.perf_counter() - started)
            started = time.perf_counter()
            bare.round()
            bare_seconds.append(time.perf_counter() - started)

    # log_rounds=0: the test, which the bare loop has not, runs in the first and the last round only
    run_local(MNISTScheduler(max_rounds=NUM_ROUNDS, log_rounds=0), data, out, on_event=on_event)
    engine, alone = statistics.median(engine_seconds[1:-1]), statistics.median(bare_seconds[1:-1])
    return {"engine_seconds": round(engine, 4), "bare_seconds": round(alone, 4), "ratio": round(engine / alone, 4)}


def peak_memory(data: Path, out: Path) -> None:
    """Print the peak memory in MB of this process after a short run."""
    run_local(MNISTScheduler(max_rounds=2, log_rounds=0), data, out)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def measure(num_nodes: int) -> dict[str, float]:
    """Return times, ratio and peak memory at one number of nodes."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "data")
        write_nodes(data, num_nodes)
        result = compare_rounds(data, num_nodes, Path(folder, "run"))
        command = [sys.executable, __file__, "--peak-memory", str(data), str(Path(folder, "memory"))]
        result["peak_mb"] = round(float(subprocess.run(command, check=True, capture_output=True, text=True).stdout), 1)
    return result


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--peak-memory", nargs=2, type=Path, metavar=("DATA", "RUN"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peak_memory:
        return peak_memory(*arguments.peak_memory)
    torch.set_num_threads(1)
    result = {"samples_per_node": SAMPLES, "rounds": NUM_ROUNDS, "nodes": {}}
    for num_nodes in NUM_NODES:
        found = result["nodes"][str(num_nodes)] = measure(num_nodes)
        if not arguments.json:
            print(f"{num_nodes:3} nodes: " + ", ".join(f"{name} {value}" for name, value in found.items()), flush=True)
    if arguments.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
