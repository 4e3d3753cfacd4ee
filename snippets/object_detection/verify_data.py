"""Check a node's data before it joins, and see what a damaged file is answered with."""

from pathlib import Path

from alphamed_tutorials.catalogue import find
from alphamed_tutorials.data.partition import Partition
from alphamed_tutorials.data.prepare import prepare
from alphamed_tutorials.examples.object_detection.dataset_verify import DatasetVerify

prepare(
    find("object_detection"),
    Path("data"),
    num_nodes=3,
    partition=Partition("owners"),
    seed=1,
)

# --8<-- [start:verify]
checker = DatasetVerify(task_id="my-task", current_node="node1")
checker.data_dir = "data/nodes/node1"  # on AlphaMed: left as it is
print(checker.verify_data())
# --8<-- [end:verify]

# --8<-- [start:damage]
import shutil

shutil.copytree("data/nodes/node1", "damaged")
masks = sorted(Path("damaged/PennFudanPed/PedMasks").iterdir())
masks[0].write_bytes(masks[0].read_bytes()[:-100])  # cut off
masks[1].unlink()

checker.data_dir = "damaged"
print(checker.verify_data()[1])
# --8<-- [end:damage]
