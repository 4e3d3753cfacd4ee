"""Read the official pictures, or cut two photographs that scikit-learn carries, and link a node's share of them."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torchvision.io import write_jpeg

from .dataset_verify import CLASSES, FOLDERS, DataError, check_split, list_pictures

NAME = "hymenoptera_data"
TILE = 64  # pixels, the side of an embedded picture


def read(source: Path | None, scratch: Path) -> dict[str, dict]:
    """Return all training and test pictures with their classes.

    Args:
        source: A folder with `hymenoptera_data`, or None for embedded pictures.
        scratch: An empty folder for the embedded pictures.

    Raises:
        DataError: The pictures of `source` are missing or damaged.
    """
    folder = write_embedded(scratch) if source is None else find_folder(source)
    refuse_damaged(folder)
    samples = {}
    for split, name in FOLDERS.items():
        pictures = list_pictures(folder / name)
        labels = [CLASSES.index(picture.parent.name) for picture in pictures]
        samples[split] = {"items": pictures, "labels": labels}
    return samples


def write(
    folder: Path, split: str, items: Sequence[Path], link: Callable[[Path, Path], None]
) -> dict[str, int]:
    """Put pictures into folders by class as the official set does; return their number."""
    counts = dict.fromkeys(CLASSES, 0)
    for name in CLASSES:
        (folder / FOLDERS[split] / name).mkdir(parents=True)
    for path in items:
        name = path.parent.name
        counts[name] += 1
        link(path, folder / FOLDERS[split] / name / path.name)
    return counts


def find_folder(source: Path) -> Path:
    """Return the folder that holds `train` and `val`: `source` itself, or one in it."""
    for folder in (source, source / NAME):
        if any((folder / name).is_dir() for name in FOLDERS.values()):
            return folder
    raise DataError(f"{source} holds neither train and val nor {NAME}")


def refuse_damaged(folder: Path) -> None:
    """Look at every picture before any is dealt out."""
    problems: list[str] = []
    seen: dict[str, Path] = {}
    for split in FOLDERS:
        try:
            check_split(folder, split, seen)
        except DataError as error:
            problems += [*error.args]
    if problems:
        raise DataError(*problems)


def write_embedded(folder: Path) -> Path:
    """Cut two photographs into tiles: those of a temple take the place of ants, those of a dahlia that of bees."""
    # Here, because it takes a second that real data need not cost.
    from sklearn.datasets import load_sample_image

    for name, photograph in zip(CLASSES, ("china.jpg", "flower.jpg")):
        pixels = torch.from_numpy(load_sample_image(photograph).copy()).permute(2, 0, 1)
        for split in FOLDERS.values():
            (folder / split / name).mkdir(parents=True)
        for row in range(pixels.shape[1] // TILE):
            for column in range(pixels.shape[2] // TILE):
                # No test tile comes from where training tiles lie.
                split = FOLDERS["train" if column < 7 else "test"]
                top, left = row * TILE, column * TILE
                tile = pixels[:, top : top + TILE, left : left + TILE]
                file = folder / split / name / f"{row}_{column}.jpg"
                write_jpeg(tile, str(file), quality=90)
    return folder
