"""Run the federated task over three nodes in this process."""

from alphamed_tutorials import prepare

prepare("language_modeling", "data", partition="owners", seed=1)

# --8<-- [start:run]
from alphamed_tutorials import run
from alphamed_tutorials.examples.language_modeling.scheduler import LanguageModelScheduler

task = LanguageModelScheduler(max_rounds=2, seed=1)
first_run = run(task, "data", seed=1, out="first-run")
metrics = {name: round(value, 1) for name, value in first_run.metrics.items()}
print(first_run.state, metrics)
# --8<-- [end:run]

# --8<-- [start:metrics]
from alphamed_tutorials import curves, plot

for number, perplexity in curves(first_run.rows)["test/perplexity"]["aggregator"]:
    print(f"round {number}: {perplexity:.1f}")
plot(curves(first_run.rows), "first-run/metrics.png")
# --8<-- [end:metrics]
