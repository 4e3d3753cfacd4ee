"""Make the nodes' data folders, from the official pictures or from two photographs that scikit-learn carries."""

import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import torch
from torchvision.io import write_jpeg

from alphamed_tutorials.data.partition import Partition
from alphamed_tutorials.errors import TutorialError

from .dataset_verify import CLASSES, FOLDERS, DataError, check_split, list_pictures

NAME = "hymenoptera_data"
TILE = 64  # pixels, the side of an embedded picture
Counts = dict[str, dict[str, dict[str, int]]]
Pictures = list[tuple[Path, str]]  # where each lies, and its class


def prepare(
    out: Path, nodes: int, partition: Partition, seed: int, source: Path | None
) -> Counts:
    """Give each owner its share of the training pictures and the aggregator the test pictures, in the official layout.

    Args:
        out: The folder to write to.
        nodes: How many data owners there are.
        partition: How the training pictures are dealt out to them.
        seed: Start of the partition's random numbers.
        source: A folder with `hymenoptera_data`, or None for embedded pictures.

    Returns:
        Number of pictures by node, split and class.

    Raises:
        TutorialError: The pictures of `source` are missing or damaged, or cannot be dealt out so; nothing was written.
    """
    with tempfile.TemporaryDirectory(prefix="pictures-") as scratch:
        folder = (
            write_embedded(Path(scratch)) if source is None else find_folder(Path(source))
        )
        refuse_damaged(folder)
        train, test = (list_pictures(folder / name) for name in FOLDERS.values())
        labels = np.array([CLASSES.index(name) for _, name in train])
        parts = partition.split(labels, nodes, seed)
        counts = {"aggregator": {"test": place(out / "nodes/aggregator", "test", test)}}
        for i, part in enumerate(parts, start=1):
            counts[f"node{i}"] = {
                "train": place(out / f"nodes/node{i}", "train", [train[j] for j in part])
            }
    return counts


def find_folder(source: Path) -> Path:
    """Return the folder that holds `train` and `val`: `source` itself, or one in it."""
    for folder in (source, source / NAME):
        if any((folder / name).is_dir() for name in FOLDERS.values()):
            return folder
    raise TutorialError(
        f"the source cannot be used: {source} holds neither train and val nor {NAME}"
    )


def refuse_damaged(folder: Path) -> None:
    """Look at every picture before any is dealt out."""
    problems, seen = [], {}
    for name in FOLDERS.values():
        try:
            check_split(folder / name, seen)
        except DataError as error:
            problems.append(str(error))
    if problems:
        raise TutorialError("the source cannot be used:\n" + "\n".join(problems))


def write_embedded(folder: Path) -> Path:
    """Cut two photographs into tiles: those of a temple take the place of ants, those of a dahlia that of bees."""
    from sklearn.datasets import (
        load_sample_image,
    )  # here, because it takes a second that real data need not cost

    for name, photograph in zip(CLASSES, ("china.jpg", "flower.jpg")):
        pixels = torch.from_numpy(load_sample_image(photograph).copy()).permute(2, 0, 1)
        for split in FOLDERS.values():
            (folder / split / name).mkdir(parents=True)
        for row in range(pixels.shape[1] // TILE):
            for column in range(pixels.shape[2] // TILE):
                split = FOLDERS[
                    "train" if column < 7 else "test"
                ]  # no test tile comes from where training tiles lie
                tile = pixels[
                    :, row * TILE : (row + 1) * TILE, column * TILE : (column + 1) * TILE
                ]
                write_jpeg(
                    tile, str(folder / split / name / f"{row}_{column}.jpg"), quality=90
                )
    return folder


def place(node: Path, split: str, pictures: Pictures) -> dict[str, int]:
    """Put pictures into a node's folder and return their number by class; a hard link takes no room."""
    counts = dict.fromkeys(CLASSES, 0)
    for name in CLASSES:
        (node / FOLDERS[split] / name).mkdir(parents=True)
    for path, name in pictures:
        counts[name] += 1
        target = node / FOLDERS[split] / name / path.name
        try:
            os.link(path, target)
        except OSError:  # another disk, or one that knows no links
            shutil.copyfile(path, target)
    return counts
