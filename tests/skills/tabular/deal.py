"""Deal the table out to three hospitals and an aggregator: python deal.py DATA."""

import csv
import sys
from pathlib import Path

from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

SEED = 1234  # the original's: its test and validation rows become the aggregator's


def write(file, names, X, y):
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file, "w", encoding="utf-8", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow([*names, "malignant"])
        writer.writerows([*map(float, row), int(label)] for row, label in zip(X, y))


def main(data):
    table = load_breast_cancer()
    X, y = table.data, 1 - table.target
    X_tr, X_te, y_tr, y_te = train_test_split(X, y, test_size=0.25, random_state=SEED, stratify=y)
    X_tr, X_va, y_tr, y_va = train_test_split(X_tr, y_tr, test_size=0.2, random_state=SEED, stratify=y_tr)
    write(data / "aggregator" / "test.csv", table.feature_names, X_te, y_te)
    write(data / "aggregator" / "validation.csv", table.feature_names, X_va, y_va)
    for number, site in enumerate(("hospital_a", "hospital_b", "hospital_c")):
        write(data / site / "train.csv", table.feature_names, X_tr[number::3], y_tr[number::3])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
