"""A learning-rate schedule that holds across rounds."""

# --8<-- [start:schedule]
from alphamed_tutorials.examples.transfer_learning.scheduler import TransferScheduler


class StepScheduler(TransferScheduler):
    def train_an_epoch(self):
        for group in self.optimizer.param_groups:  # a tenth after every seven rounds
            group["lr"] = self.learning_rate * 0.1 ** ((self.current_round - 1) // 7)
        super().train_an_epoch()


# --8<-- [end:schedule]


scheduler = StepScheduler(max_rounds=10)
print(scheduler.learning_rate)
