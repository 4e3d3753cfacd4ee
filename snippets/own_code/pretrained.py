"""Pretrained weights that only the aggregator has."""

from alphamed_tutorials import new, run

# isort: split

from my_task import DiabetesScheduler

new("toy")
run(DiabetesScheduler, "toy/data", seed=1, out="runs/first")

# --8<-- [start:pretrained]
import shutil
from pathlib import Path

import torch

from alphamed_tutorials import run


class Pretrained(DiabetesScheduler):
    def build_model(self):
        model = super().build_model()
        if getattr(self, "is_aggregator", False):  # its parameters go to all in round 1
            file = Path(self.data_dir) / "pretrained.pt"
            model.load_state_dict(torch.load(file, weights_only=True))
        return model


shutil.copy("runs/first/model.pt", "toy/data/aggregator/pretrained.pt")
for kind in (DiabetesScheduler, Pretrained):
    loss = run(kind, "toy/data", num_rounds=1, seed=1).metrics["test/loss"]
    print(f"{kind.__name__}: loss after one round {loss:.3f}")
# --8<-- [end:pretrained]
