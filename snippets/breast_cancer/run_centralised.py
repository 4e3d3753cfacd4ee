"""Train in one place, then show that federation over one data owner gives the very same parameters."""

from train_centralised import train_centralised

# isort: split

# --8<-- [start:main]
import torch

from alphamed_tutorials import prepare

prepare("breast_cancer", "one-place", num_nodes=1, seed=1)
torch.set_num_threads(1)  # fastest for a small model; the last digits depend on it
model, score = train_centralised(
    "one-place/nodes/node1", "one-place/nodes/aggregator", num_epochs=40, seed=1
)
print(f"centralised: AUC {score:.3f}")
# --8<-- [end:main]

# --8<-- [start:one_node]
from alphamed_tutorials import run
from alphamed_tutorials.examples.breast_cancer.scheduler import BreastCancerScheduler

task = BreastCancerScheduler(max_rounds=40, seed=1)
one_owner = run(task, "one-place", seed=1, out="one-node")
federated = torch.load("one-node/model.pt", weights_only=True)
entries = model.state_dict()
same = sum(torch.equal(federated[name], value) for name, value in entries.items())
print(f"stopped after round {one_owner.record['rounds_done']}")
print(f"{same} of {len(entries)} entries are the same, bit for bit")
# --8<-- [end:one_node]
