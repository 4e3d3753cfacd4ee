"""Draw how often those are malignant of whom the model says so and so many per cent."""

from alphamed_tutorials import prepare, run
from alphamed_tutorials.examples.breast_cancer.scheduler import BreastCancerScheduler

prepare("breast_cancer", "data", partition="owners", seed=1)
first_run = run(BreastCancerScheduler(seed=1), "data", seed=1, out="runs/first")

# --8<-- [start:reliability]
import torch
from matplotlib.figure import Figure

from alphamed_tutorials.examples.breast_cancer.data import PatientDataset
from alphamed_tutorials.examples.breast_cancer.model import (
    calibration_error,
    reliability,
)
from alphamed_tutorials.runs.export import load_predictor

predictor, _ = load_predictor(first_run)
test = PatientDataset("data/nodes/aggregator", "test")
with torch.no_grad():
    logits = predictor.model(test.inputs)
figure = Figure(figsize=(5, 4), layout="constrained")
axes = figure.subplots()
axes.plot([0, 1], [0, 1], color="grey", linestyle=":")
for line, name, shift in (
    ("o-", "weight taken out", predictor.shift),
    ("s-", "weight left in", 0.0),
):
    said = torch.sigmoid(logits - shift)
    rows = reliability(said, test.labels, bins=5)
    axes.plot([row[0] for row in rows], [row[1] for row in rows], line, label=name)
    print(f"{name}: error {calibration_error(said, test.labels):.3f}")
    print([f"{mean:.2f} → {true:.2f} ({count})" for mean, true, count in rows])
axes.set(xlabel="probability said", ylabel="share of malignant")
axes.legend()
figure.savefig("reliability.png", dpi=100)
# --8<-- [end:reliability]
