"""Export a trained detector, then use it where there is neither AlphaMed nor this project."""

from alphamed_tutorials import prepare, run
from alphamed_tutorials.examples.object_detection.scheduler import (
    ObjectDetectionScheduler,
)

prepare("object_detection", "data", partition="owners", seed=1)
first_run = run(
    ObjectDetectionScheduler(max_rounds=1, min_size=96, learning_rate=0.002, seed=1),
    "data",
    seed=1,
    out="first-run",
)

# --8<-- [start:export]
from alphamed_tutorials import export

for form, outcome in export(first_run).items():
    print(form, outcome)
# --8<-- [end:export]

# --8<-- [start:predict]
from pathlib import Path

import torch
from torchvision.io import read_image

predictor = torch.jit.load("first-run/model.ts")
pictures = sorted(Path("data/nodes/aggregator/PennFudanPed/PNGImages").iterdir())
boxes, labels, scores, masks = predictor(read_image(str(pictures[0])))
print(len(boxes), "pedestrians", scores.tolist())
# --8<-- [end:predict]
