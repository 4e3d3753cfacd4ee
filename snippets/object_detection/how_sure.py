"""Ask how far an AP over few pictures can be trusted, by drawing test sets from the test set."""

from alphamed_tutorials import prepare, run
from alphamed_tutorials.examples.object_detection.scheduler import (
    ObjectDetectionScheduler,
)

prepare("object_detection", "data", partition="owners", seed=1)
task = ObjectDetectionScheduler(max_rounds=1, min_size=96, learning_rate=0.002, seed=1)
run(task, "data", seed=1, out="first-run")

# --8<-- [start:bootstrap]
import torch

from alphamed_tutorials.examples.object_detection.data import (
    PedestrianDataset,
    PooledEvaluation,
)
from alphamed_tutorials.examples.object_detection.model import build_model


def precision(pairs):
    evaluation = PooledEvaluation()  # one drawn twice counts twice
    for target, output in pairs:
        evaluation.add(target, output)
    return evaluation.average_precision()["box_ap50"]


model = build_model("lite0", min_size=96).eval()
model.load_state_dict(torch.load("first-run/model.pt", weights_only=True))
with torch.no_grad():
    test_set = PedestrianDataset("data/nodes/aggregator", train=False)
    pairs = [(target, model([image])[0]) for image, target in test_set]
torch.manual_seed(1)
drawn = [torch.randint(len(pairs), (len(pairs),)).tolist() for _ in range(100)]
draws = torch.tensor([precision([pairs[i] for i in each]) for each in drawn])
low, high = draws.quantile(torch.tensor([0.025, 0.975]))
print(f"AP50 {precision(pairs):.3f}, 95 % interval {low:.3f} to {high:.3f}")
# --8<-- [end:bootstrap]
