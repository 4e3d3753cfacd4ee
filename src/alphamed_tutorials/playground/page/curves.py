"""Draw a metric's values over the rounds as a small SVG, which takes its colours from the style sheet."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape

WIDTH, HEIGHT = 320, 150
LEFT, RIGHT, TOP, BOTTOM = 56, 308, 12, 122  # the edges of the plot inside the picture


def by_metric(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[tuple[int, float]]]:
    """Return the points of each metric, from rows of round, node, name, value."""
    found: dict[str, list[tuple[int, float]]] = {}
    for row in rows:
        found.setdefault(str(row["name"]), []).append((int(row["round"]), float(row["value"])))
    return {name: sorted(points) for name, points in sorted(found.items())}


def curve(name: str, points: Sequence[tuple[int, float]], words: str) -> Markup:
    """Return the picture of a metric.

    Args:
        name: The metric's.
        points: Round and value of each; values that are not finite leave a gap.
        words: What is seen, for those who do not see it.
    """
    finite = [(x, y) for x, y in points if abs(y) < float("inf")]
    if not finite:
        return Markup("")
    low, high = min(y for _, y in finite), max(y for _, y in finite)
    first, last = finite[0][0], finite[-1][0]

    def place(x: float, y: float) -> str:
        across = (x - first) / (last - first) if last > first else 0.5
        up = (y - low) / (high - low) if high > low else 0.5
        return f"{LEFT + (RIGHT - LEFT) * across:.1f} {BOTTOM - (BOTTOM - TOP) * up:.1f}"

    line = "L".join(place(x, y) for x, y in finite)
    dots = "".join(f'<path d="M{place(x, y)}h0"/>' for x, y in finite)
    marks = (
        [_mark(f"{high:.4g}", TOP), _mark(f"{low:.4g}", BOTTOM)]
        if high > low
        else [_mark(f"{low:.4g}", (TOP + BOTTOM) / 2)]
    )
    rounds = f'<text x="{LEFT}" y="{HEIGHT - 8}">{first}</text>'
    rounds += f'<text class="end" x="{RIGHT}" y="{HEIGHT - 8}">{last}</text>' if last > first else ""
    return Markup(
        f'<svg class="curve" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(words)}">'
        f"<title>{escape(name)}</title>{''.join(marks)}{rounds}"
        f'<path class="line" d="M{line}"/><g class="dots">{dots}</g></svg>'
    )


def _mark(text: str, y: float) -> str:
    return (
        f'<path class="grid" d="M{LEFT} {y:.1f}H{RIGHT}"/>'
        f'<text class="end" x="{LEFT - 6}" y="{y + 4:.1f}">{escape(text)}</text>'
    )
