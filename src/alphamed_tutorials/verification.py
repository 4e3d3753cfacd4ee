"""Run an example's DatasetVerify on node folders, as the platform does before a node may join."""

from pathlib import Path
from typing import TypedDict

from .errors import TutorialError
from .examples import Example
from .preparation import AGGREGATOR, node_folders


class Verdict(TypedDict):
    """What DatasetVerify found on one node."""

    ok: bool
    reason: str


def verify_nodes(example: Example, data: Path) -> dict[str, Verdict]:
    """Check the data of every node.

    Args:
        example: Whose DatasetVerify to run.
        data: A prepared folder (`nodes/…`), or the data folder of one data owner.

    Returns:
        Node → verdict.
    """
    folders = node_folders(data) if (data / "nodes").is_dir() else {data.resolve().name: data}
    return {node: _verify(example, node, folder) for node, folder in folders.items()}


def _verify(example: Example, node: str, folder: Path) -> Verdict:
    try:
        with example.blamed():
            checker = example.verify_class("local", node)
            checker.data_dir = str(folder)
            if node == AGGREGATOR:
                checker.required_splits = ("test",)  # it does not train
            ok, reason = checker.verify_data()
    except TutorialError as error:
        ok, reason = False, f"{node}: DatasetVerify itself failed: {error}"
    return {"ok": ok, "reason": reason}
