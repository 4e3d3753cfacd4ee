"""Check a node's data before it joins, and see what damaged pictures are answered with."""

from alphamed_tutorials import prepare

prepare("transfer_learning", "data", seed=1)

# --8<-- [start:verify]
from alphamed_tutorials.examples.transfer_learning.dataset_verify import DatasetVerify

checker = DatasetVerify(task_id="my-task", current_node="node1")
checker.data_dir = "data/nodes/node1"  # on AlphaMed: left as it is
print(checker.verify_data())
# --8<-- [end:verify]

# --8<-- [start:damage]
import shutil
from pathlib import Path

damaged = shutil.copytree("data/nodes/node1", "damaged")
first, second, third = sorted(Path(damaged, "train/bees").iterdir())[:3]
first.write_bytes(first.read_bytes()[:-100])  # cut off
second.write_text("<!DOCTYPE html><p>404")  # a failed download
shutil.copy(third, Path(damaged, "train/ants/mine.jpg"))  # ant or bee?

checker.data_dir = damaged
print(checker.verify_data()[1])
# --8<-- [end:damage]
