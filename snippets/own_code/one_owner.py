"""One data owner, one local epoch a round: the plain program's parameters, to the last bit."""

from alphamed_tutorials import new

# isort: split

import train
from my_task import DiabetesScheduler

new("toy")
train.main()

# --8<-- [start:run]
from alphamed_tutorials import run

run(
    DiabetesScheduler,
    nodes={"hospital_c": "toy/data/hospital_c"},
    aggregator="toy/data/aggregator",
    num_rounds=10,
    seed=1,
    out="runs/one-owner",
)

# --8<-- [end:run]

# --8<-- [start:compare]
import torch

plain = torch.load("plain.pt", weights_only=True)
federated = torch.load("runs/one-owner/model.pt", weights_only=True)
for name, value in plain.items():
    print(name, torch.equal(federated[name], value))
# --8<-- [end:compare]
