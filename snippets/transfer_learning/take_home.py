"""Export a trained model, then use it where there is neither AlphaMed nor this project."""

from alphamed_tutorials import prepare, run
from alphamed_tutorials.examples.transfer_learning.scheduler import TransferScheduler

prepare("transfer_learning", "data", seed=1)
first_run = run(TransferScheduler(max_rounds=1, seed=1), "data", seed=1, out="first-run")

# --8<-- [start:export]
from alphamed_tutorials import export

for form, outcome in export(first_run).items():
    print(form, outcome)
# --8<-- [end:export]

# --8<-- [start:predict]
from pathlib import Path

import torch
from torchvision.io import ImageReadMode, decode_image, read_file

predictor = torch.jit.load("first-run/model.ts")  # torch and a file
picture = sorted(Path("data/nodes/aggregator/val/bees").iterdir())[0]
content = read_file(str(picture))
# Of any size; upright, whichever way the camera was held.
pixels = decode_image(content, ImageReadMode.RGB, apply_exif_orientation=True)
with torch.no_grad():
    probabilities = predictor(pixels.unsqueeze(0))[0]
print(picture.name, dict(zip(("ants", "bees"), probabilities.tolist())))
# --8<-- [end:predict]
