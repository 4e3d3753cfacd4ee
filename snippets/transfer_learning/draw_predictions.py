"""Lay the tiles of each photograph out again and frame what a barely finetuned model says of the test tiles."""

from alphamed_tutorials import prepare, run
from alphamed_tutorials.examples.transfer_learning.scheduler import TransferScheduler

prepare("transfer_learning", "data", seed=1)
task = TransferScheduler(max_rounds=1, freeze_backbone=False, learning_rate=0.005, seed=1)
finetuned = run(task, "data", seed=1, out="finetuned")

# --8<-- [start:draw]
from pathlib import Path

import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torchvision.utils import make_grid

from alphamed_tutorials.examples.transfer_learning.data import read_picture
from alphamed_tutorials.examples.transfer_learning.model import crop_centre
from alphamed_tutorials.runs.export import load_predictor


@torch.no_grad()
def draw(axes, truth, predictor):
    files = Path("data/nodes").glob(f"*/*/{truth}/*.jpg")
    files = sorted(files, key=lambda file: file.name)[:60]  # row by row
    pictures = [read_picture(file).unsqueeze(0) for file in files]
    tiles = torch.cat([crop_centre(picture, 64, 64) for picture in pictures])
    axes.imshow(make_grid(tiles, nrow=10, padding=0).permute(1, 2, 0))
    axes.set_title(f"truth: {truth}")
    axes.axis("off")
    for place, file in enumerate(files):
        if file.parts[3] == "val":  # the others were for training
            probabilities = predictor(pictures[place])[0]
            answer = ("ants", "bees")[probabilities.argmax()]
            colour = "#7fe37f" if answer == truth else "#ff6060"
            x, y = place % 10 * 64, place // 10 * 64
            axes.add_patch(Rectangle((x + 2, y + 2), 59, 59, fill=False, color=colour))
            box = {"facecolor": "black", "alpha": 0.6, "pad": 1, "linewidth": 0}
            text = f"{answer}\n{probabilities.max():.0%}"
            place_of_text = {"ha": "center", "va": "center", "bbox": box}
            axes.text(x + 32, y + 32, text, color=colour, **place_of_text)


# --8<-- [end:draw]

# --8<-- [start:picture]
predictor, _ = load_predictor(finetuned)
figure = Figure(figsize=(11, 3.8), layout="constrained")
for axes, truth in zip(figure.subplots(1, 2), ("ants", "bees")):
    draw(axes, truth, predictor)
figure.savefig("predictions.png", dpi=80)
# --8<-- [end:picture]
