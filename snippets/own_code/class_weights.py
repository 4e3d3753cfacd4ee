"""Class weights: what each hospital would take, and what all of them should."""

from alphamed_tutorials import new

# isort: split

from my_task import DiabetesScheduler, read_samples

new("toy")

# --8<-- [start:weights]
import torch
import torch.nn.functional as F

from alphamed_tutorials import run


def class_weights(counts):
    return [round(weight, 2) for weight in (counts.sum() / (2 * counts)).tolist()]


total = torch.zeros(2, dtype=torch.long)
for name in ("hospital_a", "hospital_b", "hospital_c"):
    counts = torch.bincount(read_samples(f"toy/data/{name}/train.csv").tensors[1])
    total += counts  # two numbers of each hospital
    print(name, counts.tolist(), class_weights(counts))
print("all", total.tolist(), class_weights(total))


class WithClassWeights(DiabetesScheduler):
    def __init__(self, class_weights=(1.0, 1.0), **others):
        super().__init__(**others)
        self.class_weights = class_weights  # the same on every node

    def train_an_epoch(self):
        self.model.train()
        weight = torch.tensor(self.class_weights)
        for inputs, labels in self.train_loader:
            self.optimizer.zero_grad()
            F.cross_entropy(self.model(inputs), labels, weight=weight).backward()
            self.optimizer.step()


weighted = run(WithClassWeights(class_weights=class_weights(total)), "toy/data", seed=1)
print(weighted.state, f"loss {weighted.metrics['test/loss']:.3f}")
# --8<-- [end:weights]
