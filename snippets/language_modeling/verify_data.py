"""Check a node's text before it joins, and see what damage is answered with."""

from alphamed_tutorials import prepare

prepare("language_modeling", "data", partition="owners", seed=1)

# --8<-- [start:verify]
from alphamed_tutorials.examples.language_modeling.dataset_verify import DatasetVerify

checker = DatasetVerify(task_id="my-task", current_node="node1")
checker.data_dir = "data/nodes/node1"  # on AlphaMed: left as it is
print(checker.verify_data())
# --8<-- [end:verify]

# --8<-- [start:damage]
from pathlib import Path

damaged = Path("damaged")
damaged.mkdir()
content = Path("data/nodes/node1/wiki.train.tokens").read_bytes()
content = content[:5000] + b"caf\xe9" + content[5000:]  # é in Latin-1
(damaged / "wiki.train.tokens").write_bytes(content)

checker.data_dir = "damaged"
print(checker.verify_data())
# --8<-- [end:damage]
