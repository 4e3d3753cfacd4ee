"""Where the constants come from: sums of every hospital's training patients, and nothing else."""

from alphamed_tutorials import prepare

prepare("breast_cancer", "data", partition="owners", seed=1)

# --8<-- [start:sums]
from pathlib import Path

import torch

from alphamed_tutorials.examples.breast_cancer.dataset_verify import measured, read_split
from alphamed_tutorials.examples.breast_cancer.model import MEANS, SPREADS


def report(node):
    rows = read_split(node, "train")
    values = torch.tensor([measured(row) for row in rows], dtype=torch.double)
    count = (~values.isnan()).sum(0)  # a gap counts nowhere
    malignant = sum(row["diagnosis"] == "M" for row in rows)
    return count, values.nansum(0), (values**2).nansum(0), len(rows), malignant


reports = [report(node) for node in sorted(Path("data/nodes").glob("node*"))]
count, total, squares, patients, malignant = map(sum, zip(*reports))
mean = total / count
spread = (squares / count - mean**2).sqrt()
print("as in model.py:", torch.allclose(mean, torch.tensor(MEANS).double(), rtol=1e-3))
print(
    "as in model.py:", torch.allclose(spread, torch.tensor(SPREADS).double(), rtol=1e-3)
)
for number, sums in enumerate(reports, start=1):
    print(f"node{number}: mean radius {sums[1][0] / sums[0][0]:.1f} µm")
print(f"all: {mean[0]:.1f} µm; {(patients - malignant) / malignant:.2f} benign for 1")
# --8<-- [end:sums]
