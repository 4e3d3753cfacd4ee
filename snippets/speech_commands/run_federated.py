"""Run the federated task over three nodes in this process."""

from alphamed_tutorials import prepare

prepare("speech_commands", "data", partition="owners", seed=1)

# --8<-- [start:run]
from alphamed_tutorials import run
from alphamed_tutorials.examples.speech_commands.scheduler import SpeechCommandsScheduler

task = SpeechCommandsScheduler(max_rounds=4, seed=1)
first_run = run(task, "data", seed=1, out="first-run")
print(first_run.state, f"accuracy {first_run.metrics['test/accuracy']:.3f}")
# --8<-- [end:run]

# --8<-- [start:metrics]
from alphamed_tutorials import curves, plot

for number, accuracy in curves(first_run.rows)["test/accuracy"]["aggregator"]:
    print(f"round {number}: {accuracy:.3f}")
plot(curves(first_run.rows), "first-run/metrics.png")
# --8<-- [end:metrics]

# --8<-- [start:confusion]
from alphamed_tutorials.runs.metrics import details

for name, number in details(first_run.rows).items():  # test/confusion/SAID/HEARD
    said, heard = name.split("/")[2:]
    if said != heard and number >= 2:
        print(f"{said} was taken for {heard} {number:.0f} times")
# --8<-- [end:confusion]
