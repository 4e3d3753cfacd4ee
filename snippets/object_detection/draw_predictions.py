"""Draw what the detector finds in its test pictures: the best drawn and the worst."""

import torch

from alphamed_tutorials import prepare, run
from alphamed_tutorials.examples.object_detection.scheduler import (
    ObjectDetectionScheduler,
)
from alphamed_tutorials.runs.export import load_predictor

prepare("object_detection", "data", partition="owners", seed=1)
task = ObjectDetectionScheduler(max_rounds=1, min_size=96, learning_rate=0.002, seed=1)
predictor, _ = load_predictor(run(task, "data", seed=1, out="first-run"))
torch.jit.script(predictor).save("first-run/model.ts")  # as export does

# --8<-- [start:draw]
import torch
from matplotlib.figure import Figure
from torchvision.ops import box_iou
from torchvision.utils import draw_bounding_boxes, draw_segmentation_masks

from alphamed_tutorials.examples.object_detection.data import PedestrianDataset

predictor = torch.jit.load("first-run/model.ts")


def draw(image, target):
    picture = (image * 255).byte()
    boxes, _, _, masks = predictor(picture)
    fits = box_iou(boxes, target["boxes"]) >= 0.5  # which box fits which pedestrian
    right, missed = fits.any(1), target["boxes"][~fits.any(0)]
    colours = ["#ffcc00" if each else "#ff3030" for each in right]  # yellow, red
    drawn = draw_segmentation_masks(picture, masks > 0.5, alpha=0.5, colors="#00a0ff")
    drawn = draw_bounding_boxes(drawn, boxes, colors=colours, width=2)
    drawn = draw_bounding_boxes(drawn, missed, colors="#ffffff", width=2)
    return len(missed) + (~right).sum().item(), drawn


# --8<-- [end:draw]

# --8<-- [start:picture]
test_pictures = PedestrianDataset("data/nodes/aggregator", train=False)
drawings = sorted((draw(*sample) for sample in test_pictures), key=lambda each: each[0])
chosen = drawings[:4] + drawings[-4:]  # the best and the worst
figure = Figure(figsize=(9, 4), layout="constrained")
for axes, (mistakes, drawn) in zip(figure.subplots(2, 4).flat, chosen):
    axes.imshow(drawn.permute(1, 2, 0))
    axes.set_title(f"mistakes: {mistakes}", fontsize=10)
    axes.axis("off")
figure.savefig("predictions.png", dpi=80)
# --8<-- [end:picture]
