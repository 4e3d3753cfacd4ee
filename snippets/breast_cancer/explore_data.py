"""Follow patients from three hospitals' tables to a batch of tensors."""

from alphamed_tutorials import prepare

prepare("breast_cancer", "data", partition="owners", seed=1)

# --8<-- [start:file]
import csv
from pathlib import Path

nodes = sorted(Path("data/nodes").glob("node*"))
for node in nodes:
    with (node / "train.csv").open(encoding="utf-8-sig", newline="") as file:
        row = next(csv.DictReader(file))
    keys = ["patient", "hospital", "diagnosis", "unit", "mean radius", "mean area"]
    print(
        node.name, [row[key] for key in keys], f"{list(row.values()).count('')} missing"
    )
# --8<-- [end:file]

# --8<-- [start:units]
import torch

from alphamed_tutorials.examples.breast_cancer.dataset_verify import (
    measured,
    number,
    read_split,
)

for node in nodes:
    rows = read_split(node, "train")
    written = torch.tensor([number(row["mean radius"]) for row in rows])
    values = torch.tensor([measured(row)[0] for row in rows])
    print(f"{node.name}: {written.nanmedian():g} is {values.nanmedian():.1f} µm")
# --8<-- [end:units]

# --8<-- [start:sample]
from alphamed_tutorials.examples.breast_cancer.data import (
    PatientDataset,
    build_dataloader,
)

dataset = PatientDataset(nodes[0], "train")
inputs, label = dataset[0]
print(len(dataset), inputs.shape, inputs.dtype, label.item())

torch.manual_seed(1)  # the same order at every run
loader = build_dataloader(nodes[0], "train", batch_size=16)
batch, targets = next(iter(loader))
print(batch.shape, targets.shape)
print(f"{len(loader)} batches of 16, {len(dataset) % 16} patients left out of this epoch")
# --8<-- [end:sample]
