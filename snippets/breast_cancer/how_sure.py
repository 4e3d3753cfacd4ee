"""Say how far chance moves an AUC, over all test patients and in each hospital."""

from alphamed_tutorials import prepare, run
from alphamed_tutorials.examples.breast_cancer.scheduler import BreastCancerScheduler

prepare("breast_cancer", "data", partition="owners", seed=1)
first_run = run(BreastCancerScheduler(seed=1), "data", seed=1, out="runs/first")

# --8<-- [start:bootstrap]
import torch

from alphamed_tutorials.examples.breast_cancer.data import PatientDataset
from alphamed_tutorials.examples.breast_cancer.model import auc
from alphamed_tutorials.runs.export import load_predictor

predictor, _ = load_predictor(first_run)
test = PatientDataset("data/nodes/aggregator", "test")
with torch.no_grad():
    scores = predictor.model(test.inputs)
torch.manual_seed(1)
for name in ("all", *sorted(set(test.hospitals))):
    own = torch.tensor([name in ("all", hospital) for hospital in test.hospitals])
    found, labels = scores[own], test.labels[own]
    draws = [torch.randint(len(labels), (len(labels),)) for _ in range(1000)]
    drawn = torch.tensor([auc(found[draw], labels[draw]) for draw in draws])
    low, high = drawn.nanquantile(torch.tensor([0.025, 0.975])).tolist()
    print(
        f"{name}: {int(labels.sum())} of {len(labels)} malignant, "
        f"AUC {auc(found, labels):.3f}, 95 % of draws {low:.3f} to {high:.3f}"
    )
# --8<-- [end:bootstrap]
