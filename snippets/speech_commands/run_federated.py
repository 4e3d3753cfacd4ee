"""Run the federated task over three nodes in this process."""

from pathlib import Path

from alphamed_tutorials.catalogue import find
from alphamed_tutorials.data.partition import Partition
from alphamed_tutorials.data.prepare import prepare
from alphamed_tutorials.examples.speech_commands.scheduler import SpeechCommandsScheduler

prepare(
    find("speech_commands"),
    Path("data"),
    num_nodes=3,
    partition=Partition("owners"),
    seed=1,
)

# --8<-- [start:run]
from alphamed_tutorials.engines.local import run_local

task = SpeechCommandsScheduler(max_rounds=4, seed=1)
run = run_local(task, data="data", out="first-run", seed=1, target="speech_commands")
print(run.state, f"accuracy {run.metrics['test/accuracy']:.3f}")
# --8<-- [end:run]

# --8<-- [start:metrics]
from alphamed_tutorials import curves, plot

for number, accuracy in curves(run.rows)["test/accuracy"]["aggregator"]:
    print(f"round {number}: {accuracy:.3f}")
plot(curves(run.rows), "first-run/metrics.png")
# --8<-- [end:metrics]

# --8<-- [start:confusion]
from alphamed_tutorials.runs.metrics import details

for name, number in details(run.rows).items():  # test/confusion/SAID/HEARD
    said, heard = name.split("/")[2:]
    if said != heard and number >= 2:
        print(f"{said} was taken for {heard} {number:.0f} times")
# --8<-- [end:confusion]
