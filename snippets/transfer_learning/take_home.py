"""Export a trained model, use it where there is neither AlphaMed nor this project, and look at what it says."""

from pathlib import Path

from alphamed_tutorials.catalogue import find
from alphamed_tutorials.data.partition import Partition
from alphamed_tutorials.data.prepare import prepare
from alphamed_tutorials.engines.local import run_local
from alphamed_tutorials.examples.transfer_learning.scheduler import TransferScheduler

prepare(
    find("transfer_learning"), Path("data"), num_nodes=3, partition=Partition(), seed=1
)
task = TransferScheduler(max_rounds=2, seed=1)
run = run_local(task, data="data", out="first-run", seed=1, target="transfer_learning")
task = TransferScheduler(max_rounds=1, freeze_backbone=False, learning_rate=0.005, seed=1)
whole = run_local(task, data="data", out="finetuned", seed=1, target="transfer_learning")

# --8<-- [start:export]
from alphamed_tutorials.runs.export import export

for form, outcome in export(run).items():
    print(form, outcome)
# --8<-- [end:export]

# --8<-- [start:predict]
import torch
from torchvision.io import ImageReadMode, decode_image, read_file

predictor = torch.jit.load("first-run/model.ts")  # torch and a file


@torch.no_grad()
def predict(file):
    pixels = decode_image(read_file(str(file)), ImageReadMode.RGB)  # of any size
    return pixels, predictor(pixels.unsqueeze(0))[0]


pixels, probabilities = predict("data/nodes/aggregator/val/bees/0_8.jpg")
print(dict(zip(("ants", "bees"), probabilities.tolist())))
# --8<-- [end:predict]

# --8<-- [start:pictures]
from matplotlib.figure import Figure

from alphamed_tutorials.runs.export import load_predictor

predictor, _ = load_predictor(whole)  # finetuned for one round only
files = sorted(Path("data/nodes/aggregator/val").glob("*/*.jpg"))
answers = [(file, *predict(file)) for file in files]
labels = [int(file.parent.name == "bees") for file in files]
sure = [each[2][label].item() for each, label in zip(answers, labels)]  # of the truth
order = sorted(range(len(files)), key=sure.__getitem__)  # the worst first
figure = Figure(figsize=(5.6, 3.8), layout="constrained")
for axes, i in zip(figure.subplots(2, 4).flat, order[:4] + order[-4:]):
    file, pixels, probabilities = answers[i]
    axes.imshow(pixels.permute(1, 2, 0))
    axes.axis("off")
    guess = ("ants", "bees")[probabilities.argmax()]
    verdict = "right" if guess == file.parent.name else "wrong"
    title = f"{file.parent.name}: {guess}\n{probabilities.max():.0%}, {verdict}"
    axes.set_title(title, fontsize=10)
figure.savefig("predictions.png", dpi=150)
# --8<-- [end:pictures]
