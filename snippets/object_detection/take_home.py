"""Export a trained detector, then use it where there is neither AlphaMed nor this project."""

from pathlib import Path

from alphamed_tutorials.engines.local import run_local
from alphamed_tutorials.examples import find
from alphamed_tutorials.examples.object_detection.scheduler import ObjectDetectionScheduler
from alphamed_tutorials.partition import Partition
from alphamed_tutorials.preparation import prepare

prepare(find("object_detection"), Path("data"), nodes=3, source=None, partition=Partition("owners"), seed=1)
task = ObjectDetectionScheduler(max_rounds=2, min_size=96, learning_rate=0.002, seed=1)
run = run_local(task, data="data", out="first-run", seed=1, example="object_detection")

# --8<-- [start:export]
from alphamed_tutorials.export import export

for form, outcome in export(run).items():
    print(form, outcome)
# --8<-- [end:export]

# --8<-- [start:predict]
import torch
import torchvision  # brings operators that detectors call
from torchvision.io import read_image, write_png
from torchvision.utils import draw_bounding_boxes, draw_segmentation_masks

predictor = torch.jit.load("first-run/model.ts")
pictures = sorted(Path("data/nodes/aggregator/PennFudanPed/PNGImages").iterdir())
picture = read_image(str(pictures[0]))
boxes, labels, scores, masks = predictor(picture)
print(len(boxes), "pedestrians", scores.tolist())

drawn = draw_segmentation_masks(picture, masks > 0.5, alpha=0.5, colors="#00a0ff")
drawn = draw_bounding_boxes(drawn, boxes, colors="#ffcc00", width=2)
write_png(drawn, "first-run/prediction.png")
# --8<-- [end:predict]
