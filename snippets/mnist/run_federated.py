"""Run the federated task over three nodes in this process."""

from alphamed_tutorials import prepare

prepare("mnist", "data", seed=1)

# --8<-- [start:run]
from alphamed_tutorials import run
from alphamed_tutorials.examples.mnist.scheduler import MNISTScheduler

task = MNISTScheduler(max_rounds=15, seed=1)
first_run = run(task, "data", seed=1, out="runs/first")
print(first_run.state, f"accuracy {first_run.metrics['test/accuracy']:.3f}")
# --8<-- [end:run]

# --8<-- [start:metrics]
from alphamed_tutorials import curves, plot

accuracy = dict(curves(first_run.rows)["test/accuracy"]["aggregator"])  # by round
print({number: round(accuracy[number], 3) for number in (1, 2, 3, 5, 10, 15)})
plot(curves(first_run.rows), "runs/first/metrics.png")
# --8<-- [end:metrics]
