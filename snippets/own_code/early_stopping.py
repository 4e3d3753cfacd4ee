"""Stop when the validation loss no longer falls, and keep the best model."""

from alphamed_tutorials import new

# isort: split

from my_task import DiabetesScheduler, measure, read_samples

new("toy")

# --8<-- [start:stop]
import copy
from pathlib import Path

from torch.utils.data import DataLoader, Subset

from alphamed_tutorials import curves, run


class EarlyStopping(DiabetesScheduler):
    def __init__(self, max_rounds=60, patience=3, **others):
        super().__init__(max_rounds, **others)
        self.patience = patience
        self.best_loss, self.rounds_without_gain = float("inf"), 0

    def build_validation_dataloader(self):  # every second row of the aggregator
        return self.every_second_row(0)

    def build_test_dataloader(self):  # the other rows
        return self.every_second_row(1)

    def every_second_row(self, first):
        samples = read_samples(Path(self.data_dir) / "test.csv")
        half = Subset(samples, range(first, len(samples), 2))
        return DataLoader(half, batch_size=1000)

    def run_test(self):
        loss, _ = measure(self.model, self.validation_loader)
        self.tb_writer.add_scalar("validation/loss", loss, self.current_round)
        if loss < self.best_loss:
            self.best_loss, self.rounds_without_gain = loss, 0
            self.best_state = copy.deepcopy(self.state_dict())
        else:
            self.rounds_without_gain += 1
        if self.is_task_finished():  # what is tested now is what is saved
            self.load_state_dict(self.best_state)
        super().run_test()

    def is_task_finished(self):
        return super().is_task_finished() or self.rounds_without_gain >= self.patience


stopped = run(EarlyStopping, "toy/data", seed=1, out="runs/stopped")
for number, loss in curves(stopped.rows)["validation/loss"]["aggregator"][-5:]:
    print(f"round {number}: validation loss {loss:.4f}")
# --8<-- [end:stop]
