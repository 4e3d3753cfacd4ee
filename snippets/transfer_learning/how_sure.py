"""Ask how far an accuracy over few pictures can be trusted, by drawing test sets from the test set."""

from alphamed_tutorials import prepare, run
from alphamed_tutorials.examples.transfer_learning.scheduler import TransferScheduler

prepare("transfer_learning", "data", seed=1)
first_run = run(TransferScheduler(max_rounds=2, seed=1), "data", seed=1, out="first-run")
task = TransferScheduler(max_rounds=1, freeze_backbone=False, learning_rate=0.005, seed=1)
finetuned = run(task, "data", seed=1, out="finetuned")

# --8<-- [start:bootstrap]
import torch

from alphamed_tutorials.examples.transfer_learning.data import PictureDataset
from alphamed_tutorials.runs.export import load_predictor

torch.manual_seed(1)
pictures = PictureDataset("data/nodes/aggregator", "val", augment=False)
for name, finished in (("frozen", first_run), ("finetuned", finetuned)):
    predictor, _ = load_predictor(finished)
    with torch.no_grad():
        right = [
            predictor.model(image[None]).argmax() == label for image, label in pictures
        ]
    right = torch.tensor(right).float()
    draws = right[torch.randint(len(right), (1000, len(right)))].mean(1)
    low, high = draws.quantile(torch.tensor([0.025, 0.975]))
    count = int(right.sum())
    print(f"{name}: {count} of {len(right)} right, 95 % interval {low:.0%} to {high:.0%}")
# --8<-- [end:bootstrap]
