"""Make the nodes' data folders, from a folder that holds MNIST or from digits that scikit-learn carries."""

import gzip
from pathlib import Path

import numpy as np

from alphamed_tutorials.data.partition import Partition
from alphamed_tutorials.errors import TutorialError

from .dataset_verify import CLASSES, PREFIXES, DataError, read_split

Digits = tuple[np.ndarray, np.ndarray]  # images [N, 28, 28], labels [N]


def prepare(
    out: Path, nodes: int, partition: Partition, seed: int, source: Path | None
) -> dict[str, dict[str, dict[str, int]]]:
    """Write each owner's training digits and the aggregator's test digits in MNIST's own layout.

    Args:
        out: The folder to write to.
        nodes: How many data owners there are.
        partition: How the training digits are dealt out to them.
        seed: Start of the partition's random numbers.
        source: A folder with `MNIST/raw`, or None for the embedded digits.

    Returns:
        Number of digits by node, split and class.

    Raises:
        TutorialError: The files of `source` are missing or damaged, or cannot be dealt out so; nothing was written.
    """
    (images, labels), test = (
        load_embedded() if source is None else load_folder(Path(source))
    )
    parts = partition.split(labels, nodes, seed)
    counts = {
        "aggregator": {"test": write_digits(out / "nodes" / "aggregator", "test", test)}
    }
    for i, part in enumerate(parts, start=1):
        digits = images[part], labels[part]
        counts[f"node{i}"] = {
            "train": write_digits(out / "nodes" / f"node{i}", "train", digits)
        }
    return counts


def load_folder(source: Path) -> tuple[Digits, Digits]:
    """Return training and test digits of a folder that holds MNIST, or one half of it."""
    folder = source / "MNIST" / "raw"
    if not folder.exists() and any(source.glob("*-ubyte*")):
        folder = source  # it is the folder `raw` itself
    present = [
        split
        for split, prefix in PREFIXES.items()
        if any(folder.glob(f"{prefix}-*-ubyte*"))
    ]
    splits, problems = [], []
    for split in present or PREFIXES:
        try:
            splits.append(tuple(tensor.numpy() for tensor in read_split(folder, split)))
        except DataError as error:
            problems += str(error).splitlines()
    if problems:
        raise TutorialError(
            "the source cannot be used:\n" + "\n".join(dict.fromkeys(problems))
        )
    return (splits[0], splits[1]) if len(splits) == 2 else hold_out(*splits[0])


def load_embedded() -> tuple[Digits, Digits]:
    """Return scikit-learn's 1,797 handwritten digits, 8×8 in 17 shades, as MNIST would hold them."""
    from sklearn.datasets import (
        load_digits,
    )  # here, because it takes a second that real data need not cost

    digits = load_digits()
    # Like MNIST's: 20×20, centred in 28×28. Pixel i of 20 lies at 0.4 i - 0.3 of 8 and mixes its two neighbours there;
    # in tenths all of it is whole numbers, so that every machine gets the same bytes.
    tenths = np.clip(4 * np.arange(20) - 3, 0, 70)
    weights = np.clip(10 - np.abs(tenths[:, None] - 10 * np.arange(8)), 0, 10)
    pixels = (weights @ digits.images.astype(int) @ weights.T * 255 + 800) // 1600
    images = np.pad(pixels.astype(np.uint8), ((0, 0), (4, 4), (4, 4)))
    return hold_out(images, digits.target.astype(np.uint8))


def hold_out(images: np.ndarray, labels: np.ndarray) -> tuple[Digits, Digits]:
    """Return four fifths for training and one for testing, the same ones always."""
    order = np.random.RandomState(0).permutation(len(labels))
    train, test = np.split(order, [len(order) * 4 // 5])
    return (images[train], labels[train]), (images[test], labels[test])


def write_digits(node: Path, split: str, digits: Digits) -> dict[str, int]:
    """Write the two files of a split into a node's folder and return the number of digits by class."""
    images, labels = digits
    folder = node / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for name, array in (("images-idx3-ubyte", images), ("labels-idx1-ubyte", labels)):
        header = bytes([0, 0, 8, array.ndim]) + b"".join(
            size.to_bytes(4, "big") for size in array.shape
        )
        content = gzip.compress(
            header + array.tobytes(), compresslevel=6, mtime=0
        )  # no time: same digits, same bytes
        (folder / f"{PREFIXES[split]}-{name}.gz").write_bytes(content)
    return {
        str(i): int(number)
        for i, number in enumerate(np.bincount(labels, minlength=CLASSES))
    }
