"""What all contenders have in common: the training of a node, and how a program is asked and answers.

A node starts each round from the average, with random numbers drawn from seed, node and round and an optimizer that
remembers nothing. Only the average goes from round to round, so it does not matter which process trains which node, and
all contenders have to arrive at the same parameters.
"""

import argparse
import functools
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch.optim import SGD
from torch.utils.data import DataLoader

from alphamed_tutorials.examples.mnist.data import build_dataloader
from alphamed_tutorials.examples.mnist.model import ConvNet

LEARNING_RATE, BATCH_SIZE = 0.05, 64
State = dict[str, torch.Tensor]


def arguments() -> argparse.Namespace:
    """Return what every contender is started with, and the number of its data owners."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, help="the nodes' folders, as `write_nodes` leaves them")
    parser.add_argument("out", type=Path, help="a folder to write to")
    for name in ("rounds", "seed", "workers"):
        parser.add_argument(f"--{name}", type=int, required=True)
    asked = parser.parse_args()
    asked.nodes = len(list(asked.data.glob("nodes/node*")))
    return asked


def build_model(seed: int) -> ConvNet:
    """Return the network that a run begins with."""
    torch.manual_seed(seed)
    return ConvNet()


@functools.cache
def load(data: Path, node: int) -> DataLoader:
    """Return the batches of a node; a process reads them once, whatever its system makes anew in each round."""
    return build_dataloader(data / "nodes" / f"node{node}", True, BATCH_SIZE)


def train(model: ConvNet, loader: DataLoader, seed: int, node: int, round_number: int) -> None:
    """Train a node's epoch of a round; nodes and rounds count from 1."""
    torch.set_num_threads(1)
    torch.manual_seed(1_000_000 * seed + 1000 * node + round_number)
    optimizer = SGD(model.parameters(), lr=LEARNING_RATE)
    model.train()
    for images, labels in loader:
        optimizer.zero_grad()
        F.nll_loss(model(images), labels).backward()
        optimizer.step()


def report(ends: list[float], parameters: State, out: Path) -> None:
    """Write when each round ended, and what the last one arrived at."""
    torch.save({"ends": ends, "parameters": parameters, "torch": str(torch.__version__)}, out / "answer.pt")


def now() -> float:
    """Return the time, the same for all processes of a machine."""
    return time.time()
