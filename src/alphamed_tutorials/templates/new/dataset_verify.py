"""Check one node's data where they lie. AlphaMed takes this file under the name DatasetVerify.py."""

import csv
import logging
from collections.abc import Iterator
from pathlib import Path

try:
    from alphafed.scheduler import DataChecker
except ImportError:  # an older SDK has none, and calls run()
    DataChecker = object

# The columns, and the lowest and highest value in each that can be true.
LIMITS = {
    "age": (0, 120),
    "systolic_pressure": (50, 300),
    "glucose": (0.5, 60),
    "body_mass_index": (8, 100),
    "has_diabetes": (0, 1),
}
SAVE_AS_UTF8 = "请另存为 UTF-8 is no UTF-8 text: save it as UTF-8"


def find_problems(file: Path) -> Iterator[str]:
    """Yield what is wrong with a file: each check is one `yield`."""
    text = file.read_text(encoding="utf-8-sig")
    header, *rows = list(csv.reader(text.splitlines())) or [[]]
    if header != list(LIMITS):
        yield f"首行有误 the first line should be {','.join(LIMITS)}"
        return
    if not rows:
        yield "没有样本 holds no sample"
    if not text.endswith("\n"):
        yield "文件不完整，请重新拷贝 the last line is cut off: copy the file again"
    for number, row in enumerate(rows, start=2):
        if len(row) != len(LIMITS):
            yield f"第 {number} 行列数不对 line {number} has {len(row)} values"
        for value, (name, (lowest, highest)) in zip(row, LIMITS.items()):
            if not lowest <= float(value) <= highest:
                yield f"第 {number} 行数值有误 line {number} cannot be true: {name}={value}"


class DatasetVerify(DataChecker):
    """Verify the data of one node.

    Args:
        task_id: The task that asks.
        current_node: The node that asks.
    """

    data_dir = "/data/alphamed-federated-dataset/my_task"  # the same as the scheduler's
    required_splits = ("train",)  # of a data owner; the aggregator needs ("test",)

    def __init__(self, task_id: str, current_node: str):
        self.task_id = task_id
        self.current_node = current_node

    def run(self) -> bool:
        """Return whether this node can take part; the task's page shows what is logged."""
        is_sound, reason = self.verify_data()
        logging.getLogger("app").log(logging.INFO if is_sound else logging.ERROR, reason)
        return is_sound

    def verify_data(self) -> tuple[bool, str]:
        """Return whether this node can take part, and why or why not."""
        problems = []
        for split in self.required_splits:
            file = Path(self.data_dir) / f"{split}.csv"
            try:
                problems += [f"{file}: {problem}" for problem in find_problems(file)]
            except UnicodeDecodeError:
                problems.append(f"{file}: {SAVE_AS_UTF8}")
            except (OSError, ValueError, csv.Error) as error:  # missing, locked
                problems.append(f"{file}: 无法读取 cannot be read: {error}")
        return not problems, "\n".join(problems[:20]) or "数据可用 the data are sound"
