"""Train in one place, then show that federation over one data owner gives the very same parameters."""

from train_centralised import train_centralised

# isort: split

# --8<-- [start:main]
import torch

from alphamed_tutorials import prepare

prepare("speech_commands", "one-place", num_nodes=1, seed=1)
torch.set_num_threads(1)  # fastest for a small model; the last digits depend on it
model, accuracy = train_centralised(
    "one-place/nodes/node1", "one-place/nodes/aggregator", num_epochs=4, seed=1
)
print(f"centralised: accuracy {accuracy:.3f}")
# --8<-- [end:main]

# --8<-- [start:one_node]
from alphamed_tutorials import run
from alphamed_tutorials.examples.speech_commands.scheduler import SpeechCommandsScheduler

task = SpeechCommandsScheduler(max_rounds=4, merge_epochs=1, seed=1)
run(task, "one-place", seed=1, out="one-node")
federated = torch.load("one-node/model.pt", weights_only=True)
own = model.state_dict()
print(all(torch.equal(federated[name], value) for name, value in own.items()))
# --8<-- [end:one_node]
