"""Run the federated task over three hospitals in this process."""

from alphamed_tutorials import prepare

prepare("breast_cancer", "data", partition="owners", seed=1)

# --8<-- [start:run]
from alphamed_tutorials import run
from alphamed_tutorials.examples.breast_cancer.scheduler import BreastCancerScheduler

task = BreastCancerScheduler(max_rounds=40, seed=1)
first_run = run(task, "data", seed=1, out="runs/first")
print(first_run.state, "after round", first_run.record["rounds_done"])
# --8<-- [end:run]

# --8<-- [start:metrics]
from alphamed_tutorials import curves, plot

for name, value in first_run.metrics.items():
    print(f"{name}: {value:.3f}")
plot(curves(first_run.rows), "runs/first/metrics.png")
# --8<-- [end:metrics]
