"""Look whether a node's flowers can be read."""

import csv
from pathlib import Path

from alphafed.scheduler import DataChecker

COLUMNS = {"measures.csv": 3, "kinds.csv": 1}


class DatasetVerify(DataChecker):
    """Read both files and compare their lengths."""

    data_dir = "/data/flowers"

    def __init__(self, task_id, current_node):
        self.current_node = current_node

    def verify_data(self):
        lengths = {}
        for name, columns in COLUMNS.items():
            path = Path(self.data_dir) / name
            if not path.exists():
                return False, f"{path} is missing"
            try:
                with open(path, newline="") as file:
                    rows = [[float(cell) for cell in row] for row in csv.reader(file)]
            except ValueError as error:
                return False, f"{path} holds what is no number: {error}"
            if not rows or any(len(row) != columns for row in rows):
                return False, f"{path}: every line should have {columns} numbers"
            lengths[path] = len(rows)
        if len(set(lengths.values())) > 1:
            return False, ", ".join(f"{path} has {length} lines" for path, length in lengths.items())
        return True, "sound"
