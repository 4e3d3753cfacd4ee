"""Read the metrics of a run."""

from collections.abc import Sequence

from ..data.folders import AGGREGATOR
from .folder import Metric, overview


def curves(rows: Sequence[Metric]) -> dict[str, dict[str, list[tuple[int, float]]]]:
    """Sort metrics into curves, without details such as `test/confusion/yes/no` where there is anything else.

    Returns:
        Metric name → node → (round, value) pairs, the last value of each round.
    """
    found: dict[str, dict[str, dict[int, float]]] = {}
    for row in overview(rows):
        found.setdefault(row.name, {}).setdefault(row.node, {})[row.round] = row.value
    return {name: {node: list(points.items()) for node, points in nodes.items()} for name, nodes in found.items()}


def details(rows: Sequence[Metric]) -> dict[str, float]:
    """Return the last value of each detail, such as `test/confusion/yes/no`."""
    return {row.name: row.value for row in rows if row.is_detail}


def tested(rows: Sequence[Metric]) -> dict[str, list[tuple[int, float]]]:
    """Return the curves of what the aggregator logged, by metric name: it alone runs the test."""
    return {name: nodes[AGGREGATOR] for name, nodes in curves(rows).items() if AGGREGATOR in nodes}
