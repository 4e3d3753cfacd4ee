"""Run the federated task over three nodes in this process."""

from alphamed_tutorials import prepare

prepare("object_detection", "data", partition="owners", seed=1)

# --8<-- [start:run]
from alphamed_tutorials import run
from alphamed_tutorials.examples.object_detection.scheduler import (
    ObjectDetectionScheduler,
)

task = ObjectDetectionScheduler(max_rounds=3, min_size=96, learning_rate=0.002, seed=1)
first_run = run(task, "data", seed=1, out="first-run")
metrics = {name: round(value, 3) for name, value in first_run.metrics.items()}
print(first_run.state, metrics)
print(f"one message: {first_run.record['bytes_per_message']:,} bytes")
# --8<-- [end:run]

# --8<-- [start:metrics]
from alphamed_tutorials import curves

for number, precision in curves(first_run.rows)["test/box_ap50"]["aggregator"]:
    print(f"round {number}: {precision:.3f}")
# --8<-- [end:metrics]
