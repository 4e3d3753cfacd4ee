"""Look at what a model finetuned for one round says of its test pictures: the worst and the best."""

from alphamed_tutorials import prepare, run
from alphamed_tutorials.examples.transfer_learning.scheduler import TransferScheduler

prepare("transfer_learning", "data", seed=1)
task = TransferScheduler(max_rounds=1, freeze_backbone=False, learning_rate=0.005, seed=1)
finetuned = run(task, "data", seed=1, out="finetuned")

# --8<-- [start:draw]
from pathlib import Path

import torch
from matplotlib.figure import Figure

from alphamed_tutorials.examples.transfer_learning.data import read_picture
from alphamed_tutorials.runs.export import load_predictor

predictor, _ = load_predictor(finetuned)  # finetuned for one round only
classes = ("ants", "bees")
answers = []
for file in sorted(Path("data/nodes/aggregator/val").glob("*/*.jpg")):
    pixels, truth = read_picture(file), classes.index(file.parent.name)
    with torch.no_grad():
        probabilities = predictor(pixels.unsqueeze(0))[0]
    answers.append((pixels, truth, probabilities))
answers.sort(
    key=lambda answer: answer[2][answer[1]].item()
)  # least sure of the truth first
figure = Figure(figsize=(5.6, 3.8), layout="constrained")
for axes, answer in zip(figure.subplots(2, 4).flat, answers[:4] + answers[-4:]):
    pixels, truth, probabilities = answer
    axes.imshow(pixels.permute(1, 2, 0))
    axes.axis("off")
    guess = probabilities.argmax().item()
    verdict = "right" if guess == truth else "wrong"
    title = f"{classes[truth]}: {classes[guess]}\n{probabilities[guess]:.0%}, {verdict}"
    axes.set_title(title, fontsize=10)
figure.savefig("predictions.png", dpi=150)
# --8<-- [end:draw]
