"""A loop over Ray's actors: one for each core, and each trains the nodes that it is given.

https://docs.ray.io/en/latest/ray-core/actors/actor-utils.html
"""

from pathlib import Path

import digits
import ray
import torch
from ray.util import ActorPool


@ray.remote(num_cpus=1)
class Trainer:
    """Train one node after the other in a process of its own."""

    def __init__(self, data: Path, seed: int):
        self.data, self.seed = data, seed
        self.model = digits.build_model(seed)

    def train(self, average: digits.State, node: int, round_number: int) -> digits.State:
        self.model.load_state_dict(average)
        digits.train(self.model, digits.load(self.data, node), self.seed, node, round_number)
        return self.model.state_dict()


def main() -> None:
    """Run all rounds."""
    asked, ends = digits.arguments(), []
    ray.init(num_cpus=asked.workers, include_dashboard=False)
    pool = ActorPool([Trainer.remote(asked.data, asked.seed) for _ in range(asked.workers)])
    average = digits.build_model(asked.seed).state_dict()
    for round_number in range(1, asked.rounds + 1):
        total = {name: torch.zeros_like(tensor) for name, tensor in average.items()}
        sent = ray.put(average)
        nodes = [(sent, node, round_number) for node in range(1, asked.nodes + 1)]
        for state in pool.map(lambda trainer, turn: trainer.train.remote(*turn), nodes):
            for name, tensor in state.items():
                total[name] += tensor
        average = {name: tensor / asked.nodes for name, tensor in total.items()}
        ends.append(digits.now())
    digits.report(ends, average, asked.out)


if __name__ == "__main__":
    main()
