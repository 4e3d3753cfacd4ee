"""Run the federated task over three nodes in this process."""

from pathlib import Path

from alphamed_tutorials.catalogue import find
from alphamed_tutorials.data.partition import Partition
from alphamed_tutorials.data.prepare import prepare
from alphamed_tutorials.examples.mnist.scheduler import MNISTScheduler

prepare(find("mnist"), Path("data"), num_nodes=3, partition=Partition(), seed=1)

# --8<-- [start:run]
from alphamed_tutorials.engines.local import run_local

task = MNISTScheduler(max_rounds=15, seed=1)
run = run_local(task, data="data", out="first-run", seed=1, target="mnist")
print(run.state, f"accuracy {run.metrics['test/accuracy']:.3f}")
# --8<-- [end:run]

# --8<-- [start:metrics]
from alphamed_tutorials import curves, plot

for number, accuracy in curves(run.rows)["test/accuracy"]["aggregator"]:
    print(f"round {number}: {accuracy:.3f}")
plot(curves(run.rows), "first-run/metrics.png")
# --8<-- [end:metrics]
