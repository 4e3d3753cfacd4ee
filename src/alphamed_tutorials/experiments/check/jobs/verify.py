"""Run a task's DatasetVerify."""

from typing import Any

from alphamed_tutorials.data.verify import verify


def main(target: str, datas: list[str] | None = None, nodes: dict[str, str] | None = None, aggregator: str = "") -> Any:
    """Return the verdicts on single folders, or on all nodes of a task."""
    if datas is None:
        return verify(target, nodes=nodes or {}, aggregator=aggregator)
    return [next(iter(verify(target, data).values())) for data in datas]
