"""Check a node's data before it joins, and see what damaged clips are answered with."""

from alphamed_tutorials import prepare

prepare("speech_commands", "data", partition="owners", seed=1)

# --8<-- [start:verify]
from alphamed_tutorials.examples.speech_commands.dataset_verify import DatasetVerify

checker = DatasetVerify(task_id="my-task", current_node="node1")
checker.data_dir = "data/nodes/node1"  # on AlphaMed: left as it is
print(checker.verify_data())
# --8<-- [end:verify]

# --8<-- [start:damage]
import shutil
from pathlib import Path

shutil.copytree("data/nodes/node1", "damaged")
first, second = sorted(Path("damaged/yes").glob("*.wav"))[:2]
first.write_bytes(first.read_bytes()[:-1000])  # cut off
second.write_bytes(bytes(44))  # no sound, not even a header

checker.data_dir = "damaged"
print(checker.verify_data()[1])
# --8<-- [end:damage]
