"""What a target's own `prepare.py` knows, asked for and checked: which samples there are, and how a folder is written."""

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..catalogue import Target
from ..errors import TutorialError
from .limits import few

SPLITS = {"train": ("items", "labels", "owners"), "test": ("items", "labels")}
Link = Callable[[Path, Path], None]


@dataclass(frozen=True)
class Samples:
    """The N samples of a split.

    Attributes:
        items: What the target's `write` takes, one for each sample.
        labels: The class of each sample [N]; zeros in a test split, where they are not needed and not given.
        owners: To whom each sample belongs [N], where the data set has natural owners.
    """

    items: Any
    labels: np.ndarray
    owners: np.ndarray | None = None

    def take(self, indices: np.ndarray) -> list[Any]:
        """Return the items of some samples."""
        return [self.items[index] for index in indices.tolist()]


def read_samples(task: Target, source: Path | None, scratch: Path) -> dict[str, Samples]:
    """Call the `read` of a target's `prepare.py`.

    Args:
        task: Whose data they are.
        source: The folder of the real data set, or None for embedded data.
        scratch: An empty folder for files that embedded data are made in.

    Returns:
        The samples by split: `train` and `test`.

    Raises:
        TutorialError: The source cannot be used, or what `read` returns.
    """
    read = task.member("prepare", "read")
    with task.blamed():
        try:
            found = read(source, scratch)
        except ValueError as error:
            if type(error).__name__ != "DataError":  # each example has its own, so it goes by its name
                raise
            raise TutorialError(few(["the source cannot be used:", *str(error).splitlines()])) from None
    where = f"{task.folder / 'prepare.py'}: read() "
    if not isinstance(found, Mapping) or set(found) != set(SPLITS):
        raise TutorialError(
            f"{where}returned {_described(found)}: return a dictionary with the two splits train and test, "
            'as in {"train": {"items": [...], "labels": [...]}, "test": {"items": [...]}}'
        )
    return {split: _checked(found[split], split, where) for split in SPLITS}


def write_samples(task: Target, folder: Path, split: str, items: list[Any]) -> dict[str, int]:
    """Call the `write` of a target's `prepare.py`.

    Args:
        task: Whose data they are.
        folder: A node's folder, made here.
        split: `train` or `test`.
        items: The node's samples.

    Returns:
        The number of samples by class.

    Raises:
        TutorialError: `write` failed, wrote nothing, or does not say how many.
    """
    write = task.member("prepare", "write")
    folder.mkdir(parents=True)
    with task.blamed():
        counts = write(folder, split, items, link)
    where = f"{task.folder / 'prepare.py'}: write() "
    if not isinstance(counts, Mapping) or not all(isinstance(count, int | np.integer) for count in counts.values()):
        raise TutorialError(
            f"{where}returned {_described(counts)}: return the number of samples by class, as in {{'cat': 12, 'dog': 9}}"
        )
    if not any(folder.iterdir()):
        raise TutorialError(f"{where}wrote no file into the folder it was given: write the {split} samples there")
    return {str(name): int(count) for name, count in counts.items()}


def link(file: Path, target: Path) -> None:
    """Let two names share one file where the disk can, else copy it.

    Raises:
        FileExistsError: There is a `target` already. To write into it would change the file it shares.
    """
    try:
        os.link(Path(file).resolve(), target)
    except FileExistsError:
        raise
    except OSError:  # another disk, or one that knows no links
        shutil.copyfile(file, target)


def _checked(split: Any, name: str, where: str) -> Samples:
    """Refuse a split that is not what `read` should return."""
    where = f"{where}returned for {name} "
    wanted = f"give {', '.join(SPLITS[name])}" + (" (owners only where there are any)" if name == "train" else "")
    if not isinstance(split, Mapping):
        raise TutorialError(f"{where}{_described(split)}: return a dictionary, {wanted}")
    if unknown := [str(key) for key in split if key not in SPLITS[name]]:
        raise TutorialError(f"{where}{', '.join(unknown)}, which has no meaning here: {wanted}")
    items = split.get("items")
    if (
        items is None
        or not hasattr(items, "__len__")
        or not hasattr(items, "__getitem__")
        or isinstance(items, str | bytes | Mapping)
    ):
        raise TutorialError(f"{where}items that are {_described(items)}: give a list or an array, one item a sample")
    if not len(items):
        raise TutorialError(f"{where}no item: without a sample there is nothing to deal out")
    if name == "train" and split.get("labels") is None:
        raise TutorialError(f"{where}no labels: give the class of each item; the same one for all if there are none")
    labels, owners = (_column(split.get(key), len(items), f"{where}{key}") for key in ("labels", "owners"))
    return Samples(items, np.zeros(len(items), dtype=int) if labels is None else labels, owners)


def _column(values: Any, count: int, where: str) -> np.ndarray | None:
    """Return one value a sample as an array [count]."""
    if values is None:
        return None
    try:
        array = np.asarray(values)
    except (ValueError, TypeError, RuntimeError):  # lists of unlike lengths; a tensor that needs a gradient
        array = np.empty((0, 0))
    if array.ndim != 1 or array.dtype == object:
        raise TutorialError(f"{where} that are {_described(values)}: give one number or name for each item")
    if len(array) != count:
        raise TutorialError(f"{where}, {len(array)} of them for {count} items: give one for each item")
    return array


def _described(value: Any) -> str:
    """Return what a reader would call a value: None, or its type and, where it has some, its keys."""
    if value is None:
        return "None"
    keys = f" with the keys {', '.join(map(str, value)) or '(none)'}" if isinstance(value, Mapping) else ""
    return f"a {type(value).__name__}{keys}"
