"""The local engine, as `playground run --workers` starts it."""

from pathlib import Path

import digits
import torch

from alphamed_tutorials.engines.run import run
from alphamed_tutorials.examples.mnist.scheduler import MNISTScheduler


class Digits(MNISTScheduler):
    """Train as all contenders do, and leave out the test, which the others do not have."""

    def train_an_epoch(self) -> None:
        node = int(Path(self.data_dir).name.removeprefix("node"))
        digits.train(self.model, self.train_loader, self.seed, node, self.current_round)

    def run_test(self) -> None:
        pass


def main() -> None:
    """Run all rounds."""
    asked, ends = digits.arguments(), []

    def on_event(event: dict) -> None:
        if event["event"] == "round_done":
            ends.append(digits.now())

    scheduler = Digits(
        max_rounds=asked.rounds, batch_size=digits.BATCH_SIZE, learning_rate=digits.LEARNING_RATE, momentum=0,
        seed=asked.seed,
    )  # fmt: skip
    done = run(scheduler, asked.data, out=asked.out / "run", on_event=on_event, num_workers=asked.workers)
    digits.report(ends, torch.load(done.path / "model.pt", weights_only=True), asked.out)


if __name__ == "__main__":
    main()
