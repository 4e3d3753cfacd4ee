"""Read PennFudan, or draw pedestrians, and link a node's share of the pictures."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torchvision.io import write_png

from .dataset_verify import PLACES, check_folder

EMBEDDED = 68  # pictures drawn
# Photos by university, and those of the test set: the same share of each.
PENN_FUDAN = {"Fudan": 74, "Penn": 96}
ITS_TEST = {"Fudan": 22, "Penn": 28}


def read(source: Path | None, scratch: Path) -> dict[str, dict]:
    """Return training and test pictures; class and owner is where each was taken.

    Twelve of seventeen pictures are for training, always the same ones. They are drawn from all places together; that
    PennFudan's test set holds each university's share came by chance, and is checked.

    Args:
        source: A folder with `PennFudanPed`, or None for drawn pictures.
        scratch: An empty folder for the drawn pictures.

    Raises:
        DataError: The files of `source` are missing or damaged.
    """
    if source is None:
        draw_pictures(scratch, EMBEDDED)
        source = scratch
    inner = source / "PennFudanPed"
    folder = inner if inner.is_dir() else source
    names = np.array(list(check_folder(folder)))
    order = np.random.RandomState(0).permutation(len(names))
    train, test = np.split(names[order], [len(names) * 12 // 17])
    samples = {}
    for split, part in (("train", train), ("test", test)):
        pictures = [folder / "PNGImages" / f"{name}.png" for name in part]
        samples[split] = {"items": pictures, "labels": list(map(place_of, pictures))}
    found = {split: Counter(part["labels"]) for split, part in samples.items()}
    if found["train"] + found["test"] == PENN_FUDAN:
        assert found["test"] == ITS_TEST, "no longer the recorded results' test set"
    samples["train"]["owners"] = samples["train"]["labels"]
    return samples


def write(
    folder: Path, split: str, items: Sequence[Path], link: Callable[[Path, Path], None]
) -> dict[str, int]:
    """Put pictures, masks and annotations into PennFudan's folders; return pictures by place."""
    for kind, pattern in PLACES.items():
        target = folder / "PennFudanPed" / kind
        target.mkdir(parents=True)
        for picture in items:
            name = pattern.format(picture.stem)
            link(picture.parents[1] / kind / name, target / name)
    return dict(sorted(Counter(map(place_of, items)).items()))


def place_of(picture: Path) -> str:
    """Return where a picture was taken: FudanPed00001 at Fudan, PennPed00001 at Penn."""
    return picture.name.partition("Ped")[0]


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
