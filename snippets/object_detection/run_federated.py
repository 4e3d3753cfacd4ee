"""Run the federated task over three nodes in this process."""

from pathlib import Path

from alphamed_tutorials.catalogue import find
from alphamed_tutorials.data.partition import Partition
from alphamed_tutorials.data.prepare import prepare
from alphamed_tutorials.examples.object_detection.scheduler import (
    ObjectDetectionScheduler,
)

prepare(
    find("object_detection"),
    Path("data"),
    num_nodes=3,
    partition=Partition("owners"),
    seed=1,
)

# --8<-- [start:run]
from alphamed_tutorials.engines.local import run_local

task = ObjectDetectionScheduler(max_rounds=3, min_size=96, learning_rate=0.002, seed=1)
run = run_local(task, data="data", out="first-run", seed=1, target="object_detection")
print(run.state, {name: round(value, 3) for name, value in run.metrics.items()})
# --8<-- [end:run]

# --8<-- [start:metrics]
from alphamed_tutorials import curves, plot

for number, precision in curves(run.rows)["test/box_ap50"]["aggregator"]:
    print(f"round {number}: {precision:.3f}")
plot(curves(run.rows), "first-run/metrics.png")
# --8<-- [end:metrics]
