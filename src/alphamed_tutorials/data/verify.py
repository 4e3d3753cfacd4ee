"""Run a task's DatasetVerify on node folders, as the platform does before a node may join."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypedDict

from ..catalogue import Target, find
from ..errors import TutorialError, WrongUse
from .folders import AGGREGATOR, find_nodes, own_data


class Verdict(TypedDict):
    """What DatasetVerify found on one node."""

    ok: bool
    reason: str


def verify(
    target: Any,
    data: str | Path | None = None,
    nodes: Mapping[str, str | Path] = MappingProxyType({}),
    aggregator: str | Path | None = None,
) -> dict[str, Verdict]:
    """Check the data of every node.

    Args:
        target: Whose DatasetVerify to run: an example, a folder, or a file that defines it.
        data: A folder with one sub-folder for each node, or the data folder of one data owner; the folder `data` that
            lies in the target's own if nothing is given.
        nodes: Folders of data owners by name.
        aggregator: The folder with the test data.

    Returns:
        Node → verdict.
    """
    task = find(target)
    if data is None and not nodes and aggregator is None:
        data = own_data(task)
        if data is None:
            raise WrongUse(f"there are no data to verify: name their folder with --data DIR, or make some with "
                           f"playground prepare {task.name} --out data")  # fmt: skip
    whole = nodes or aggregator or data is None or (Path(data) / "nodes").is_dir() or (Path(data) / AGGREGATOR).is_dir()
    folders = find_nodes(data, nodes, aggregator) if whole else {Path(data or ".").resolve().name: Path(data or ".")}
    return {node: _verify(task, node, folder) for node, folder in folders.items()}


def _verify(task: Target, node: str, folder: Path) -> Verdict:
    try:
        with task.blamed():
            checker = task.verify_class("local", node)
            checker.data_dir = str(folder)
            if node == AGGREGATOR:
                checker.required_splits = ("test",)  # it does not train
            ok, reason = checker.verify_data()
    except TutorialError as error:
        ok, reason = False, f"{node}: DatasetVerify itself failed: {error}"
    return {"ok": ok, "reason": reason}
