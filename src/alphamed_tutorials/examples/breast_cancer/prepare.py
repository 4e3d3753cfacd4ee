"""Deal scikit-learn's breast cancer table out to three hospitals, and write a node's share of it."""

import csv
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .dataset_verify import (
    COLUMNS,
    DIAGNOSES,
    FILES,
    HEADER,
    POWERS,
    UNITS,
    feature_of,
    read_split,
)

Row = dict[str, str]


class Hospital(NamedTuple):
    """How an invented hospital writes its table, and which masses it sees."""

    unit: str
    missing: float  # share of its values
    benign: float  # share of all benign masses
    malignant: float  # share of all malignant masses


HOSPITALS = {
    "screening": Hospital("um", 0.02, 0.5, 0.15),
    "general": Hospital("mm", 0.05, 0.35, 0.3),
    "oncology": Hospital("nm", 0.08, 0.15, 0.55),
}
TEST_SHARE = 0.45  # a third of it validates


def read(source: Path | None, scratch: Path) -> dict[str, dict]:
    """Return training and test patients with their diagnoses; owners are the hospitals.

    Args:
        source: A folder with `train.csv` and `test.csv` of this form, or None for the embedded table.
        scratch: Not needed: the embedded table is made in memory.

    Raises:
        DataError: The files of `source` are missing or damaged.
    """
    if source is None:
        train, test = load_embedded()
    else:
        train, test = (read_split(source, split) for split in FILES)
    samples = {
        split: {"items": rows, "labels": [row["diagnosis"] for row in rows]}
        for split, rows in (("train", train), ("test", test))
    }
    samples["train"]["owners"] = [row["hospital"] for row in train]
    return samples


def write(
    folder: Path, split: str, items: Sequence[Row], link: Callable[[Path, Path], None]
) -> dict[str, int]:
    """Write a split's file as a spreadsheet saves it; return the patients by diagnosis."""
    with (folder / FILES[split]).open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, HEADER, extrasaction="ignore")
        table.writeheader()
        table.writerows(items)
    found = [row["diagnosis"].strip() for row in items]
    return {
        name: found.count(sign) for name, sign in zip(("benign", "malignant"), DIAGNOSES)
    }


def load_embedded() -> tuple[list[Row], list[Row]]:
    """Return scikit-learn's 569 patients as three hospitals would have them, the same ones always.

    The test is drawn from all of them together: chance gave the general hospital 52 % of its patients there, the
    others 42 %.
    """
    # Here, because it takes a second that other data need not cost.
    from sklearn.datasets import load_breast_cancer

    table = load_breast_cancer()
    random = np.random.RandomState(0)
    rows = []
    for i in random.permutation(len(table.data)):
        diagnosis = "MB"[table.target[i]]  # scikit-learn's 0 is malignant
        shares = [
            h.malignant if diagnosis == "M" else h.benign for h in HOSPITALS.values()
        ]
        name = list(HOSPITALS)[random.choice(len(shares), p=shares)]
        unit, missing = HOSPITALS[name].unit, HOSPITALS[name].missing
        values = np.where(random.uniform(size=30) < missing, math.nan, table.data[i])
        facts = (f"P{i:04}", name, diagnosis, unit)
        cells = [written(value, column, unit) for value, column in zip(values, COLUMNS)]
        rows.append(dict(zip(HEADER, (*facts, *cells))))
    count = round(TEST_SHARE * len(rows))
    return rows[count:], rows[:count]


def written(value: float, name: str, unit: str) -> str:
    """Return a value in µm or µm² as a hospital writes it: in its unit, or not at all."""
    if math.isnan(value):
        return ""
    return f"{value / UNITS[unit] ** POWERS.get(feature_of(name), 0):.6g}"
