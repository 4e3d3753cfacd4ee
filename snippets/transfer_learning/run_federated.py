"""Run the federated task over three nodes in this process, with a frozen backbone and without."""

from alphamed_tutorials import prepare

prepare("transfer_learning", "data", seed=1)

# --8<-- [start:run]
from alphamed_tutorials import run
from alphamed_tutorials.examples.transfer_learning.scheduler import TransferScheduler

task = TransferScheduler(max_rounds=5, seed=1)
first_run = run(task, "data", seed=1, out="first-run")
print(first_run.state, f"accuracy {first_run.metrics['test/accuracy']:.3f}")
# --8<-- [end:run]

# --8<-- [start:finetune]
task = TransferScheduler(max_rounds=1, freeze_backbone=False, learning_rate=0.005, seed=1)
finetuned = run(task, "data", seed=1, out="finetuned")
sizes = [each.record["bytes_per_message"] for each in (first_run, finetuned)]
print(f"one message: {sizes[0]:,} bytes frozen, {sizes[1]:,} bytes finetuned")
print(f"{sizes[1] // sizes[0]} times as much")
# --8<-- [end:finetune]

# --8<-- [start:metrics]
from alphamed_tutorials import curves

for number, accuracy in curves(first_run.rows)["test/accuracy"]["aggregator"]:
    print(f"round {number}: {accuracy:.3f}")
print({name: first_run.metrics[f"test/{name}_accuracy"] for name in ("ants", "bees")})
# --8<-- [end:metrics]
