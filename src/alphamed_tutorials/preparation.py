"""Make and read a prepared data folder: `nodes/aggregator` with the test data, `nodes/node1` … with the owners'."""

import json
import re
import shutil
from pathlib import Path
from typing import Any
from uuid import uuid4

from .archives import SUFFIXES, find_archive, unpack
from .errors import TutorialError, WrongUse
from .partition import Partition

AGGREGATOR = "aggregator"  # the node that tests; all others own training data
Counts = dict[str, dict[str, dict[str, int]]]  # node -> split -> class -> number of samples


def prepare(example: Any, out: Path, nodes: int, source: Path | None, partition: Partition, seed: int) -> dict:
    """Write one data folder for each node of a task, all of them or none.

    Args:
        example: What to prepare: its `name`, `prepare` of its `prepare.py`, and what to `unpack` of an archive.
        out: The folder to make; it must not exist yet.
        nodes: How many data owners there are, beside the aggregator.
        source: The folder of the real data set, its archive or the folder with that, or None for embedded data.
        partition: How the training samples are dealt out to the owners.
        seed: Start of the random numbers: the same seed gives the same files.

    Returns:
        The content of `prepare.json`.

    Raises:
        TutorialError: `out` exists already, or an argument or the data of `source` will not do.
    """
    out = Path(out)
    _check_arguments(out, nodes, source, seed)
    # What is unfinished lies beside `out`, hidden and under a name of its own: left behind by a kill, it is in nobody's
    # way and nobody takes it for data. The example makes it, when it has found its source sound.
    unfinished = out.with_name(f".{out.name}.{uuid4().hex}.unfinished")
    unpacked = unfinished.with_suffix(".unpacked")  # on the same disk, so that the example can link files
    try:
        archive = None if source is None else find_archive(Path(source))
        if archive:
            unpack(archive, unpacked, example.unpack)
        counts = example.prepare(unfinished, nodes, partition, seed, unpacked if archive else source)
        facts = {
            "example": example.name,
            "nodes": nodes,
            "partition": str(partition),
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


def _check_arguments(out: Path, nodes: int, source: Path | None, seed: int) -> None:
    _check_is_new(out)
    if nodes < 1:
        raise WrongUse(f"{nodes} nodes cannot train: give at least 1 data owner")
    if seed < 0:
        raise WrongUse(f"{seed} is no seed: give a whole number from 0 on")
    if source is not None and not (Path(source).is_dir() or str(source).endswith(SUFFIXES) and Path(source).is_file()):
        raise WrongUse(f"{source}: there is no such folder or archive; give the one that holds the data set")


def _check_is_new(out: Path) -> None:
    if out.exists() or out.is_symlink():
        raise WrongUse(f"{out} exists already and stays as it is; give another folder, or remove this one first")


def node_folders(data: Path) -> dict[str, Path]:
    """Find the nodes' data folders in a prepared data folder.

    Args:
        data: The prepared folder.

    Returns:
        Folder by node: `aggregator` first, then the data owners, `node2` before `node10`.

    Raises:
        WrongUse: `data` is no prepared folder.
    """
    data = Path(data)
    advice = f"make it with: playground prepare EXAMPLE --nodes 3 --out {data}"
    if not data.is_dir():
        raise WrongUse(f"{data}: there is no such data folder; {advice}")
    if not (data / "nodes").is_dir():
        raise WrongUse(f"{data} is no prepared data folder, it holds no folder nodes; {advice}")
    folders = {path.name: path for path in (data / "nodes").iterdir() if path.is_dir() and path.name[0] != "."}
    if AGGREGATOR not in folders:
        raise WrongUse(f"{data / 'nodes'} holds no folder {AGGREGATOR} with the test data; {advice}")
    if len(folders) < 2:
        raise WrongUse(f"{data / 'nodes'} holds no data owner such as node1; {advice}")
    return dict(sorted(folders.items(), key=lambda item: _order(item[0])))


def is_embedded(data: Path) -> bool:
    """Return whether a prepared data folder was made without a source; without a `prepare.json` it was not made here."""
    file = Path(data) / "prepare.json"
    return file.exists() and json.loads(file.read_text("utf-8")).get("source") is None


def _order(node: str) -> tuple:
    words_and_numbers = re.split(r"(\d+)", node)
    return node != AGGREGATOR, [int(part) if i % 2 else part for i, part in enumerate(words_and_numbers)], node


def plot_counts(counts: Counts, file: Path) -> None:
    """Draw how many samples of each class every node holds.

    Args:
        counts: As in `prepare.json`: node, split, class, number.
        file: The picture to write; its suffix says the format.
    """
    import matplotlib  # here, because it takes a second that no other use of this module should cost
    from matplotlib.figure import Figure

    bars = [(f"{node}\n{split}", classes) for node, splits in counts.items() for split, classes in splits.items()]
    names = list(dict.fromkeys(name for _, classes in bars for name in classes))
    colours = matplotlib.colormaps["tab20" if len(names) > 10 else "tab10"]
    figure = Figure(figsize=(max(5, 2 + 0.9 * len(bars)), 4), layout="constrained")
    axes = figure.subplots()
    bottoms = [0] * len(bars)
    for i, name in enumerate(names):
        heights = [classes.get(name, 0) for _, classes in bars]
        axes.bar([label for label, _ in bars], heights, bottom=bottoms, label=name, color=colours(i % colours.N))
        bottoms = [bottom + height for bottom, height in zip(bottoms, heights)]
    axes.set_ylabel("samples")
    axes.legend(title="class", loc="upper left", bbox_to_anchor=(1, 1), ncols=1 + len(names) // 20, reverse=True)
    figure.savefig(file, dpi=150)
