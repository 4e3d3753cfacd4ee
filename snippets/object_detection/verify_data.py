"""Check a node's data before it joins, and see what a damaged file is answered with."""

from alphamed_tutorials import prepare

prepare("object_detection", "data", partition="owners", seed=1)

# --8<-- [start:verify]
from alphamed_tutorials.examples.object_detection.dataset_verify import DatasetVerify

checker = DatasetVerify(task_id="my-task", current_node="node1")
checker.data_dir = "data/nodes/node1"  # on AlphaMed: left as it is
print(checker.verify_data())
# --8<-- [end:verify]

# --8<-- [start:damage]
import shutil
from pathlib import Path

shutil.copytree("data/nodes/node1", "damaged")
masks = sorted(Path("damaged/PennFudanPed/PedMasks").iterdir())
masks[0].write_bytes(masks[0].read_bytes()[:-100])  # cut off
masks[1].unlink()

checker.data_dir = "damaged"
print(checker.verify_data()[1])
# --8<-- [end:damage]
