"""Two optimizers, one of which the SDK does not know."""

from alphamed_tutorials import new

# isort: split

from my_task import DiabetesScheduler

new("toy")

# --8<-- [start:two]
import torch.nn.functional as F
from torch.optim import Adam

from alphamed_tutorials import curves, run


class TwoOptimizers(DiabetesScheduler):
    def build_optimizer(self, model):
        self.head_optimizer = Adam(model[2].parameters(), lr=0.1 * self.learning_rate)
        return Adam(model[0].parameters(), lr=self.learning_rate)

    def train_an_epoch(self):
        self.model.train()
        for inputs, labels in self.train_loader:
            self.optimizer.zero_grad()
            self.head_optimizer.zero_grad()
            F.cross_entropy(self.model(inputs), labels).backward()
            self.optimizer.step()
            self.head_optimizer.step()
        steps = self.head_optimizer.state[self.model[2].weight]["step"]
        self.tb_writer.add_scalar("train/head_steps", steps, self.current_round)


both = run(TwoOptimizers, "toy/data", num_rounds=3, seed=1)
print(curves(both.rows)["train/head_steps"]["hospital_a"])  # goes on counting
# --8<-- [end:two]
