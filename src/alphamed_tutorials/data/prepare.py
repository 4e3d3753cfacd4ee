"""Make a prepared data folder: `nodes/aggregator` with the test data, `nodes/node1` … with the owners'."""

import tempfile
from pathlib import Path
from typing import Any

from ..catalogue import Target, find
from ..errors import TutorialError, WrongUse
from ..faults import explained
from ..texts import to_json
from .archives import SUFFIXES, find_archive, unpack
from .folders import AGGREGATOR
from .partition import Partition
from .samples import read_samples, write_samples

Counts = dict[str, dict[str, dict[str, int]]]  # node, split, class: number of samples


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
    # What is unfinished lies above `out`, on the same disk so that files can be linked, hidden and under a name of its
    # own: left behind by a kill, it is in nobody's way and nobody takes it for data.
    home = next(folder for folder in out.absolute().parents if folder.exists())
    with (
        explained(out),
        tempfile.TemporaryDirectory(
            prefix=f".{out.name}.", suffix=".unfinished", dir=home, ignore_cleanup_errors=True
        ) as work,
    ):
        ready = Path(work) / "data"
        facts = {
            "example": task.name,
            "data": task.facts.data.name,
            "nodes": number,
            "partition": str(split),
            "seed": seed,
            "source": None if source is None else str(source),
            "counts": _deal_out(task, ready / "nodes", number, split, source, seed, Path(work)),
        }
        (ready / "prepare.json").write_text(to_json(facts, indent=2) + "\n", "utf-8")
        _check_is_new(out)  # somebody else may have made it meanwhile
        out.parent.mkdir(parents=True, exist_ok=True)
        ready.rename(out)
    return facts


def _deal_out(
    task: Target, nodes: Path, number: int, partition: Partition, source: Path | None, seed: int, work: Path
) -> Counts:
    """Write the folder of every node and return what each holds."""
    scratch, unpacked = work / "scratch", work / "unpacked"
    scratch.mkdir()
    try:
        archive = None if source is None else find_archive(source)
        if archive:
            unpack(archive, unpacked, task.facts.data.unpack)
        samples = read_samples(task, unpacked if archive else source, scratch)
        train, test = samples["train"], samples["test"]
        parts = partition.split(train.labels, number, seed, train.owners)
        counts = {AGGREGATOR: {"test": write_samples(task, nodes / AGGREGATOR, "test", list(test.items))}}
        for i, part in enumerate(parts, start=1):
            counts[f"node{i}"] = {"train": write_samples(task, nodes / f"node{i}", "train", train.take(part))}
        return counts
    except TutorialError as error:  # the files it names are gone with this folder: name the archive they came from
        raise type(error)(str(error).replace(str(unpacked), str(source))) from error


def _check_arguments(out: Path, num_nodes: int, source: Path | None, seed: int) -> None:
    _check_is_new(out)
    if num_nodes < 1:
        raise WrongUse(f"{num_nodes} nodes cannot train: give at least 1 data owner")
    if seed < 0:
        raise WrongUse(f"{seed} is no seed: give a whole number from 0 on")
    if source is not None and not (source.is_dir() or (source.name.endswith(SUFFIXES) and source.is_file())):
        raise WrongUse(f"{source}: there is no such folder or archive; give the one that holds the data set")


def _check_is_new(out: Path) -> None:
    if out.exists() or out.is_symlink():
        raise WrongUse(f"{out} exists already and stays as it is; give another folder, or remove this one first")
