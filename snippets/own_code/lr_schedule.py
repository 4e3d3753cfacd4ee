"""A learning-rate schedule over the rounds."""

from alphamed_tutorials import new

# isort: split

from my_task import DiabetesScheduler

new("toy")

# --8<-- [start:schedule]
import math

from alphamed_tutorials import curves, run


class WithCosine(DiabetesScheduler):
    def train_an_epoch(self):
        share = (self.current_round - 1) / self.max_rounds  # of the task that is done
        rate = self.learning_rate * (1 + math.cos(math.pi * share)) / 2
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.tb_writer.add_scalar("train/learning_rate", rate, self.current_round)
        super().train_an_epoch()


slower = run(WithCosine, "toy/data", num_rounds=4, seed=1)
for number, rate in curves(slower.rows)["train/learning_rate"]["hospital_a"]:
    print(f"round {number}: learning rate {rate:.5f}")
# --8<-- [end:schedule]
