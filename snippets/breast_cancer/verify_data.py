"""Check a hospital's table before it joins, and see what wrong units are answered with."""

from alphamed_tutorials import prepare

prepare("breast_cancer", "data", partition="owners", seed=1)

# --8<-- [start:verify]
from alphamed_tutorials.examples.breast_cancer.dataset_verify import DatasetVerify

checker = DatasetVerify(task_id="my-task", current_node="node1")
checker.data_dir = "data/nodes/node1"  # on AlphaMed: left as it is
print(checker.verify_data())
# --8<-- [end:verify]

# --8<-- [start:damage]
from pathlib import Path

table = Path("data/nodes/node1/train.csv").read_text(encoding="utf-8")
unit = table.split("\n")[1].split(",")[3]
checker.data_dir = "damaged"
Path("damaged").mkdir()
for other in ("px", "mm" if unit != "mm" else "um"):  # pixels; another hospital's unit
    damaged = table.replace(f",{unit},", f",{other},")
    Path("damaged/train.csv").write_text(damaged, encoding="utf-8")
    for line in checker.verify_data()[1].splitlines()[:3]:
        print(line)
# --8<-- [end:damage]
