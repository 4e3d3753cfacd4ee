"""Run the federated task over three nodes in this process, with a frozen backbone and without."""

from pathlib import Path

from alphamed_tutorials.catalogue import find
from alphamed_tutorials.data.partition import Partition
from alphamed_tutorials.data.prepare import prepare
from alphamed_tutorials.examples.transfer_learning.scheduler import TransferScheduler

prepare(
    find("transfer_learning"), Path("data"), num_nodes=3, partition=Partition(), seed=1
)

# --8<-- [start:run]
from alphamed_tutorials.engines.local import run_local

task = TransferScheduler(max_rounds=5, seed=1)
run = run_local(task, data="data", out="first-run", seed=1, target="transfer_learning")
print(run.state, f"accuracy {run.metrics['test/accuracy']:.3f}")
# --8<-- [end:run]

# --8<-- [start:finetune]
task = TransferScheduler(max_rounds=1, freeze_backbone=False, learning_rate=0.005, seed=1)
name = "transfer_learning"
whole = run_local(task, data="data", out="finetuned", seed=1, example=name)
sizes = [each.record["bytes_per_message"] for each in (run, whole)]
print(f"one message: {sizes[0]:,} bytes frozen, {sizes[1]:,} bytes finetuned")
print(f"{sizes[1] // sizes[0]} times as much")
# --8<-- [end:finetune]

# --8<-- [start:metrics]
from alphamed_tutorials import curves, plot

for number, accuracy in curves(run.rows)["test/accuracy"]["aggregator"]:
    print(f"round {number}: {accuracy:.3f}")
print({name: run.metrics[f"test/{name}_accuracy"] for name in ("ants", "bees")})
plot(curves(run.rows), "first-run/metrics.png")
# --8<-- [end:metrics]
