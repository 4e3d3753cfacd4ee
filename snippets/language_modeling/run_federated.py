"""Run the federated task over three nodes in this process."""

from pathlib import Path

from alphamed_tutorials.catalogue import find
from alphamed_tutorials.data.partition import Partition
from alphamed_tutorials.data.prepare import prepare

prepare(
    find("language_modeling"),
    Path("data"),
    num_nodes=3,
    partition=Partition("owners"),
    seed=1,
)

# --8<-- [start:run]
from alphamed_tutorials.engines.local import run_local
from alphamed_tutorials.examples.language_modeling.scheduler import LanguageModelScheduler

task = LanguageModelScheduler(max_rounds=2, seed=1)
run = run_local(task, data="data", out="first-run", seed=1, target="language_modeling")
print(run.state, {name: round(value, 1) for name, value in run.metrics.items()})
# --8<-- [end:run]

# --8<-- [start:metrics]
from alphamed_tutorials import curves, plot

for number, perplexity in curves(run.rows)["test/perplexity"]["aggregator"]:
    print(f"round {number}: {perplexity:.1f}")
plot(curves(run.rows), "first-run/metrics.png")
# --8<-- [end:metrics]
