"""Say how far chance moves an AUC, over all test patients and in each hospital, and what federation gains there."""

import alphamed_tutorials
from alphamed_tutorials.examples.breast_cancer.scheduler import BreastCancerScheduler

alphamed_tutorials.prepare("breast_cancer", "data", partition="owners", seed=1)
task = BreastCancerScheduler(max_rounds=40, seed=1)
first_run = alphamed_tutorials.run(task, "data", seed=1, out="runs/first")

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


# --8<-- [start:alone]
from alphamed_tutorials import run


def gain(federated: torch.Tensor, alone: torch.Tensor, labels: torch.Tensor) -> str:
    """Say between which bounds 95 % of draws put the difference of two models' AUC."""
    draws = [torch.randint(len(labels), (len(labels),)) for _ in range(1000)]
    found = [
        (auc(federated[draw], labels[draw]), auc(alone[draw], labels[draw]))
        for draw in draws
    ]
    drawn = torch.tensor([ours - other for ours, other in found])
    return "{:+.3f} to {:+.3f}".format(*drawn.nanquantile(torch.tensor([0.025, 0.975])))


for node in ("node1", "node2", "node3"):
    alone = run(
        task,
        nodes={node: f"data/nodes/{node}"},
        aggregator="data/nodes/aggregator",
        seed=1,
        out=f"runs/{node}",
    )
    with torch.no_grad():
        answers = load_predictor(alone)[0].model(test.inputs)
    for name in sorted(set(test.hospitals)):
        own = torch.tensor([hospital == name for hospital in test.hospitals])
        labels = test.labels[own]
        print(
            f"{name}: {node} alone {auc(answers[own], labels):.3f}, "
            f"federated {auc(scores[own], labels):.3f}, "
            f"gain {gain(scores[own], answers[own], labels)}"
        )
# --8<-- [end:alone]
