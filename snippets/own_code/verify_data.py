"""Verify one node's data, then cut the file off and look again."""

from alphamed_tutorials import new

# isort: split

from my_task import DatasetVerify

new("toy")

# --8<-- [start:verify]
import shutil
from pathlib import Path

checker = DatasetVerify("my-task", "hospital_a")
checker.data_dir = "toy/data/hospital_a"
print(checker.verify_data())

shutil.copytree("toy/data/hospital_a", "damaged")
file = Path("damaged/train.csv")
file.write_bytes(file.read_bytes()[:-20])
checker.data_dir = "damaged"
print(checker.verify_data())
# --8<-- [end:verify]
