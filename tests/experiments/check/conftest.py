"""A sound task."""

import random
import shutil
from pathlib import Path

import pytest


@pytest.fixture
def sound(tmp_path) -> Path:
    """A task of one's own in which nothing is wrong, with data beside it."""
    task = tmp_path / "flowers"
    shutil.copytree(Path(__file__).with_name("sound"), task, ignore=shutil.ignore_patterns("__pycache__"))
    for seed, node in enumerate(("aggregator", "node1", "node2")):
        write_flowers(task / "data" / node, seed)
    return task


def write_flowers(folder: Path, seed: int, count: int = 40) -> None:
    """Write flowers that three measures tell apart."""
    draw = random.Random(seed)
    kinds = [draw.randrange(2) for _ in range(count)]
    rows = [[f"{draw.gauss(2 * kind - 1, 1):.3f}" for _ in range(3)] for kind in kinds]
    folder.mkdir(parents=True)
    (folder / "measures.csv").write_text("".join(",".join(row) + "\n" for row in rows))
    (folder / "kinds.csv").write_text("".join(f"{kind}\n" for kind in kinds))
