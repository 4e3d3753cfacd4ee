"""Read MNIST, or the digits that scikit-learn carries, and write a node's share of them."""

import gzip
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from .dataset_verify import CLASSES, PREFIXES, DataError, read_split

Digits = tuple[np.ndarray, np.ndarray]  # images [N, 28, 28], labels [N]
Digit = tuple[np.ndarray, np.uint8]  # one image [28, 28] and its label


def read(source: Path | None, scratch: Path) -> dict[str, dict]:
    """Return all training and test digits with their labels.

    Args:
        source: A folder with `MNIST/raw`, or None for the embedded digits.
        scratch: Not needed: the embedded digits are made in memory.

    Raises:
        DataError: The files of `source` are missing or damaged.
    """
    splits = load_embedded() if source is None else load_folder(source)
    return {
        split: {"items": list(zip(images, labels)), "labels": labels}
        for split, (images, labels) in zip(("train", "test"), splits)
    }


def write(
    folder: Path, split: str, items: Sequence[Digit], link: Callable[[Path, Path], None]
) -> dict[str, int]:
    """Write a split's two files in MNIST's own layout; return the digits by class."""
    images, labels = (np.stack(part) for part in zip(*items))
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, array in (("images-idx3-ubyte", images), ("labels-idx1-ubyte", labels)):
        sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
        content = bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()
        # No time in the archive: same digits, same bytes.
        packed = gzip.compress(content, compresslevel=6, mtime=0)
        (raw / f"{PREFIXES[split]}-{name}.gz").write_bytes(packed)
    counts = np.bincount(labels, minlength=CLASSES)
    return {str(label): int(count) for label, count in enumerate(counts)}


def load_folder(source: Path) -> tuple[Digits, Digits]:
    """Return training and test digits of a folder that holds MNIST, or one half of it."""
    folder = source / "MNIST" / "raw"
    if not folder.exists() and any(source.glob("t*ubyte*")):
        folder = source  # it is the folder `raw` itself
    present = [
        split
        for split, prefix in PREFIXES.items()
        if any(folder.glob(f"{prefix}-*ubyte*"))
    ]
    splits, problems = [], []
    for split in present or PREFIXES:
        try:
            images, labels = read_split(folder, split)
            splits.append((images.numpy(), labels.numpy()))
        except DataError as error:
            problems += [*error.args]
    if problems:
        raise DataError(*problems)
    return (splits[0], splits[1]) if len(splits) == 2 else hold_out(*splits[0])


def load_embedded() -> tuple[Digits, Digits]:
    """Return scikit-learn's 1,797 handwritten digits, 8×8 in 17 shades, as MNIST would hold them."""
    # Here, because it takes a second that real data need not cost.
    from sklearn.datasets import load_digits

    digits = load_digits()
    # Like MNIST's: 20×20, centred in 28×28. Pixel i of 20 lies at 0.4 i - 0.3 of 8 and
    # mixes its two neighbours there; in tenths all of it is whole numbers, so that every
    # machine gets the same bytes.
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
