"""Deal scikit-learn's digits out to three sites and an aggregator: python deal.py DATA."""

import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


def main(data):
    digits = load_digits()
    x_train, x_test, y_train, y_test = train_test_split(
        digits.images.astype("float32"), digits.target, test_size=0.2, random_state=42, stratify=digits.target
    )  # the original's split
    shares = {f"site_{number + 1}": (x_train[number::3], y_train[number::3]) for number in range(3)}
    for site, (images, labels) in {**shares, "aggregator": (x_test, y_test)}.items():
        (data / site).mkdir(parents=True)
        name = "test.npz" if site == "aggregator" else "train.npz"
        np.savez(data / site / name, images=images, labels=labels.astype("int64"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
