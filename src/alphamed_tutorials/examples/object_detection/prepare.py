"""Make the nodes' data folders, from PennFudan or from pedestrians drawn here."""

import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from torchvision.io import write_png

from alphamed_tutorials.data.partition import Partition
from alphamed_tutorials.errors import TutorialError

from .dataset_verify import PLACES, DataError, check_folder

EMBEDDED = 68  # pictures drawn


def prepare(
    out: Path, nodes: int, partition: Partition, seed: int, source: Path | None
) -> dict[str, dict[str, dict[str, int]]]:
    """Deal pictures, masks and annotations out in PennFudan's own layout.

    Args:
        out: The folder to write to.
        nodes: How many data owners there are.
        partition: How the training pictures are dealt out to them; a picture's class and owner is where it was taken.
        seed: Start of the partition's random numbers.
        source: A folder with `PennFudanPed`, or None for drawn pictures.

    Returns:
        Number of pictures by node, split and place.

    Raises:
        TutorialError: The files of `source` are missing or damaged, or cannot be dealt out so; nothing was written.
    """
    if source is None:
        with tempfile.TemporaryDirectory() as folder:
            draw_pictures(Path(folder), EMBEDDED)
            return deal_out(Path(folder), out, nodes, partition, seed)
    folder = source / "PennFudanPed" if (source / "PennFudanPed").is_dir() else source
    return deal_out(folder, out, nodes, partition, seed)


def deal_out(
    folder: Path, out: Path, nodes: int, partition: Partition, seed: int
) -> dict[str, dict[str, dict[str, int]]]:
    """Give twelve of seventeen pictures to the owners and the others to the aggregator, always the same ones."""
    try:
        names = np.array(list(check_folder(folder)))
    except DataError as error:
        raise TutorialError(f"the source cannot be used:\n{error}") from None
    order = np.random.RandomState(0).permutation(len(names))
    train, test = np.split(
        names[order], [len(names) * 12 // 17]
    )  # of PennFudan's 170: 120 and 50
    places = np.array([place_of(name) for name in train])
    parts = partition.split(places, nodes, seed, owners=places)
    counts = {
        "aggregator": {"test": link_pictures(folder, out / "nodes" / "aggregator", test)}
    }
    for i, part in enumerate(parts, start=1):
        counts[f"node{i}"] = {
            "train": link_pictures(folder, out / "nodes" / f"node{i}", train[part])
        }
    return counts


def place_of(name: str) -> str:
    """Return where a picture was taken: FudanPed00001 at Fudan, PennPed00001 at Penn."""
    return name.partition("Ped")[0]


def link_pictures(folder: Path, node: Path, names: np.ndarray) -> dict[str, int]:
    """Put the files of some pictures into a node's folder and return their number by place."""
    for place, pattern in PLACES.items():
        (node / "PennFudanPed" / place).mkdir(parents=True)
        for name in names:
            file = pattern.format(name)
            link_or_copy(folder / place / file, node / "PennFudanPed" / place / file)
    return dict(sorted(Counter(map(place_of, names)).items()))


def link_or_copy(file: Path, target: Path) -> None:
    """Let two names share one file where the disk can, else copy it."""
    try:
        os.link(file.resolve(), target)
    except OSError:  # another disk, or one without links
        shutil.copy(file, target)


# ---- drawn pictures


def draw_pictures(folder: Path, count: int) -> None:
    """Draw pictures of a street, by day and at dusk, and write them with masks and annotations as PennFudan does."""
    generator = np.random.RandomState(0)
    for place in PLACES:
        (folder / place).mkdir()
    for i in range(count):
        light = "Day" if i % 2 == 0 else "Dusk"
        picture, mask = draw_street(generator, light)
        name = f"{light}Ped{i // 2 + 1:05}"
        write_png(
            torch.from_numpy(picture).permute(2, 0, 1),
            str(folder / "PNGImages" / f"{name}.png"),
        )
        write_png(
            torch.from_numpy(mask)[None], str(folder / "PedMasks" / f"{name}_mask.png")
        )
        (folder / "Annotation" / f"{name}.txt").write_text(annotate(name, mask), "utf-8")


def draw_street(
    generator: np.random.RandomState, light: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return a picture [H, W, 3] and its mask [H, W]: houses, a pavement, and one to three people walking."""
    height, width = generator.randint(96, 129), generator.randint(128, 161)
    horizon = height // 2 + generator.randint(-6, 7)
    picture = np.zeros((height, width, 3), np.int64)
    picture[:horizon] = (150, 190, 230)
    picture[horizon:] = (120, 118, 112)
    draw_houses(picture, horizon, generator)
    mask = np.zeros((height, width), np.uint8)
    people = generator.randint(1, 4)
    for number in range(
        1, people + 1
    ):  # each in a strip of one's own, so that nobody hides another
        tall = generator.randint(height * 2 // 5, height * 3 // 4)
        left = (number - 1) * width // people
        x = generator.randint(left + 12, number * width // people - 11)
        feet = generator.randint(max(horizon + 8, tall + 2), height)
        draw_person(picture, mask, number, (x, feet, tall), generator)
    picture += generator.randint(-9, 10, picture.shape)  # a camera's noise
    if light == "Dusk":
        picture = picture * np.array([6, 5, 7]) // 12
    return picture.clip(0, 255).astype(np.uint8), mask


def draw_houses(
    picture: np.ndarray, horizon: int, generator: np.random.RandomState
) -> None:
    """Draw a row of houses with windows, and posts that stand as upright as people."""
    x = 0
    while x < picture.shape[1]:
        wide, top = generator.randint(18, 45), generator.randint(4, horizon // 2)
        picture[top:horizon, x : x + wide] = generator.randint(60, 200, 3)
        picture[top + 5 : horizon - 5 : 9, x + 4 : x + wide - 3] = generator.randint(
            40, 90, 3
        )
        x += wide
    for x in generator.randint(0, picture.shape[1] - 3, 2):
        picture[horizon - generator.randint(10, 40) : horizon + 12, x : x + 3] = (
            generator.randint(20, 120)
        )


def draw_person(
    picture: np.ndarray,
    mask: np.ndarray,
    number: int,
    place: tuple[int, int, int],
    generator: np.random.RandomState,
) -> None:
    """Draw head, coat, arms and two legs in stride, and mark them in the mask."""
    x, feet, tall = place
    rows, columns = np.indices(mask.shape)
    up, aside = (
        (feet - rows) / tall,
        (columns - x) / tall,
    )  # 0 at the feet, 1 at the crown
    stride = generator.uniform(0.05, 0.14)
    legs = (
        (up >= 0) & (up < 0.5) & (np.abs(np.abs(aside) - stride * (0.5 - up) * 2) < 0.05)
    )
    coat = (up >= 0.42) & (up < 0.82) & (np.abs(aside) < 0.12 - 0.08 * np.abs(up - 0.6))
    arms = (
        (up >= 0.45)
        & (up < 0.8)
        & (np.abs(np.abs(aside) - 0.13 - stride * (0.8 - up) * 0.5) < 0.025)
    )
    head = (up - 0.9) ** 2 + aside**2 < 0.095**2
    for part, colours in (
        (legs, (20, 110)),
        (coat, (30, 240)),
        (arms, (30, 240)),
        (head, (140, 215)),
    ):
        picture[part] = generator.randint(*colours, 3)
        mask[part] = number


def annotate(name: str, mask: np.ndarray) -> str:
    """Return the annotation of a picture, in the lines of PennFudan's files that tools read."""
    count = int(mask.max())
    kinds = " ".join(['"PASpersonWalking"'] * count)
    lines = [
        f'Image filename : "PennFudanPed/PNGImages/{name}.png"',
        f"Image size (X x Y x C) : {mask.shape[1]} x {mask.shape[0]} x 3",
        f"Objects with ground truth : {count} {{ {kinds} }}",
    ]
    for number in range(1, count + 1):
        rows, columns = np.nonzero(mask == number)
        box = f"({columns.min() + 1}, {rows.min() + 1}) - ({columns.max() + 1}, {rows.max() + 1})"
        lines.append(
            f'Bounding box for object {number} "PASpersonWalking" (Xmin, Ymin) - (Xmax, Ymax) : {box}'
        )
    return "\n".join(lines) + "\n"
