"""Run the task over three hospitals."""

from alphamed_tutorials import new

# isort: split

from my_task import DiabetesScheduler

new("toy")

# --8<-- [start:run]
from alphamed_tutorials import run

first_run = run(DiabetesScheduler, "toy/data", seed=1, out="runs/first")
print(first_run.state, f"accuracy {first_run.metrics['test/accuracy']:.3f}")
# --8<-- [end:run]
