"""Read and draw the metrics of a run."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from .errors import WrongUse
from .preparation import AGGREGATOR
from .runs import Metric

Curve = Sequence[tuple[int, float]]
MOST_NAMED = 12  # lines in one panel that a legend can still tell apart


def curves(rows: Sequence[Metric]) -> dict[str, dict[str, list[tuple[int, float]]]]:
    """Sort metrics into curves, without details such as `test/confusion/yes/no`.

    Returns:
        Metric name → node → (round, value) pairs, the last value of each round.
    """
    found: dict[str, dict[str, dict[int, float]]] = {}
    for row in (row for row in rows if not row.is_detail):
        found.setdefault(row.name, {}).setdefault(row.node, {})[row.round] = row.value
    return {name: {node: list(points.items()) for node, points in nodes.items()} for name, nodes in found.items()}


def details(rows: Sequence[Metric]) -> dict[str, float]:
    """Return the last value of each detail, such as `test/confusion/yes/no`."""
    return {row.name: row.value for row in rows if row.is_detail}


def tested(rows: Sequence[Metric]) -> dict[str, list[tuple[int, float]]]:
    """Return the curves of what the aggregator logged, by metric name: it alone runs the test."""
    return {name: nodes[AGGREGATOR] for name, nodes in curves(rows).items() if AGGREGATOR in nodes}


def plot(panels: Mapping[str, Mapping[str, Curve]], file: str | Path) -> None:
    """Draw one panel for each metric and one line for each name in it.

    Args:
        panels: Metric name → line name → (round, value) pairs.
        file: The picture; its ending chooses the format (`.png`, `.svg`, `.pdf`).

    Raises:
        WrongUse: There is no such format.
    """
    from matplotlib.figure import Figure  # here, because it takes a second that no other use should cost

    figure = Figure(figsize=(5 * len(panels), 3.6), layout="constrained")
    if Path(file).suffix[1:] not in figure.canvas.get_supported_filetypes():
        raise WrongUse(f"{file}: pictures end in .png, .svg or .pdf")
    for axes, (name, lines) in zip(figure.subplots(1, len(panels), squeeze=False)[0], sorted(panels.items())):
        for label, points in lines.items():
            axes.plot(*zip(*points), marker="." if len(points) < 30 else None, label=label)
        axes.set(title=name, xlabel="round")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        if len(lines) <= MOST_NAMED:
            axes.legend()
    figure.savefig(file, dpi=150)
