"""Make a prepared data folder: `nodes/aggregator` with the test data, `nodes/node1` … with the owners'."""

import json
import shutil
from pathlib import Path
from typing import Any
from uuid import uuid4

from ..catalogue import find
from ..errors import TutorialError, WrongUse
from .archives import SUFFIXES, find_archive, unpack
from .partition import Partition


def prepare(
    target: Any,
    out: str | Path,
    num_nodes: int | None = None,
    partition: str | Partition = "iid",
    source: str | Path | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Write one data folder for each node of a task, all of them or none.

    Args:
        target: The name of an example, or a folder that holds a `prepare.py`.
        out: The folder to make; it must not exist yet.
        num_nodes: Data owners, beside the aggregator; the example's own number if None.
        partition: How the training samples are dealt out to the owners: `iid`, `dirichlet:0.3`, `skew:0.9`, `owners`.
        source: The folder of the real data set, its archive or the folder with that, or None for embedded data.
        seed: Start of the random numbers: the same seed gives the same files.

    Returns:
        The content of `prepare.json`.

    Raises:
        TutorialError: `out` exists already, or an argument or the data of `source` will not do.
    """
    task, out = find(target), Path(out)
    source = None if source is None else Path(source)
    split = partition if isinstance(partition, Partition) else Partition.parse(partition)
    number = task.facts.run.nodes if num_nodes is None else num_nodes
    _check_arguments(out, number, source, seed)
    # What is unfinished lies beside `out`, hidden and under a name of its own: left behind by a kill, it is in nobody's
    # way and nobody takes it for data.
    unfinished = out.with_name(f".{out.name}.{uuid4().hex}.unfinished")
    unpacked = unfinished.with_suffix(".unpacked")  # on the same disk, so that files can be linked
    try:
        archive = None if source is None else find_archive(source)
        if archive:
            unpack(archive, unpacked, task.facts.data.unpack)
        with task.blamed():
            counts = task.member("prepare", "prepare")(unfinished, number, split, seed, unpacked if archive else source)
        facts = {
            "example": task.name,
            "data": task.facts.data.name,
            "nodes": number,
            "partition": str(split),
            "seed": seed,
            "source": None if source is None else str(source),
            "counts": counts,
        }
        (unfinished / "prepare.json").write_text(json.dumps(facts, ensure_ascii=False, indent=2) + "\n", "utf-8")
        _check_is_new(out)  # somebody else may have made it meanwhile
        unfinished.rename(out)
    except TutorialError as error:  # the files it names are gone with this folder: name the archive they came from
        raise type(error)(str(error).replace(str(unpacked), str(source))) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.rmtree(unpacked, ignore_errors=True)
    return facts


def _check_arguments(out: Path, num_nodes: int, source: Path | None, seed: int) -> None:
    _check_is_new(out)
    if num_nodes < 1:
        raise WrongUse(f"{num_nodes} nodes cannot train: give at least 1 data owner")
    if seed < 0:
        raise WrongUse(f"{seed} is no seed: give a whole number from 0 on")
    if source is not None and not (
        Path(source).is_dir() or (str(source).endswith(SUFFIXES) and Path(source).is_file())
    ):
        raise WrongUse(f"{source}: there is no such folder or archive; give the one that holds the data set")


def _check_is_new(out: Path) -> None:
    if out.exists() or out.is_symlink():
        raise WrongUse(f"{out} exists already and stays as it is; give another folder, or remove this one first")
