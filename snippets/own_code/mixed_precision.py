"""Compute in 16 bits, exchange 32."""

from alphamed_tutorials import new

# isort: split

from my_task import DiabetesScheduler

new("toy")

# --8<-- [start:autocast]
import torch
import torch.nn.functional as F

from alphamed_tutorials import run


class MixedPrecision(DiabetesScheduler):
    def train_an_epoch(self):
        self.model.train()
        device = next(self.model.parameters()).device.type
        for inputs, labels in self.train_loader:
            self.optimizer.zero_grad()
            with torch.autocast(device, dtype=torch.bfloat16):
                loss = F.cross_entropy(self.model(inputs), labels)
            loss.backward()
            self.optimizer.step()


mixed = run(MixedPrecision, "toy/data", num_rounds=2, seed=1)
state = torch.load(mixed.path / "model.pt", weights_only=True)
print({name: value.dtype for name, value in state.items()})

large = torch.full((2,), 40_000, dtype=torch.float16)  # what model.half() would send
print(large.sum())
# --8<-- [end:autocast]
