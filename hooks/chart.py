"""Draw curves as a small SVG that takes its colours from the page's style sheet."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

WIDTH, HEIGHT = 560, 320
LEFT, RIGHT, TOP, BOTTOM = 70, 545, 15, 265  # the edges of the plot inside the picture
# Each run's shape around its point: who does not tell the colours apart tells the shapes.
MARKS = {
    "federated": "M0-7L7 0 0 7-7 0Z",
    "centralised": "M0-10V10",
    "node-1": "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0",
    "node-2": "M-5-5H5V5H-5Z",
    "node-3": "M0-6L6 5H-6Z",
    "node-4": "M0 6L6-5H-6Z",
    "node-5": "M-6 0L5-6V6Z",
    "node-6": "M6 0L-5-6V6Z",
}
ON_WHISKER = MARKS | {"centralised": "M-10 0H10"}  # a line along the whisker would not be seen
BESIDE = 14  # from one whisker to the next
CAP = 5  # half the width of a whisker's ends


@dataclass
class Curve:
    """A run's values.

    Attributes:
        label: Who it is.
        style: `federated`, `centralised`, `node-1` …
        points: Pairs of a round or a class, and the value there.
        interval: Between what the last value lies; None where that was not recorded.
    """

    label: str
    style: str
    points: list[tuple]
    interval: tuple[float, float] | None = None


def ticks(low: float, high: float, count: int = 6) -> list[float]:
    """Return about `count` round numbers that enclose `low` and `high`."""
    step = (high - low or 1) / (count - 1)
    power = 10 ** floor(log10(step))
    step = next(nice * power for nice in (1, 2, 2.5, 5, 10) if nice * power >= step * 0.999)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return [round(i * step, 10) for i in range(first, max(last, first + 1) + 1)]


@dataclass
class Frame:
    """What curves are drawn in.

    Attributes:
        rounds: The last one on the horizontal axis, which starts with 1.
        y_ticks: The numbers on the vertical axis, from its lower end to its upper one.
        right: Where the last round lies; what room is left to its right is for whiskers.
    """

    rounds: float
    y_ticks: list[float]
    right: float = RIGHT

    @classmethod
    def around(cls, curves: Iterable[Curve]) -> "Frame":
        """Return the smallest frame of round numbers that holds all curves and their whiskers."""
        curves = list(curves)
        points = [point for curve in curves for point in curve.points]
        values = [value for _, value in points] + [value for curve in curves for value in curve.interval or ()]
        whiskers = len({curve.style for curve in curves if curve.interval})
        return cls(max(x for x, _ in points), ticks(min(values), max(values)), RIGHT - BESIDE * whiskers)

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Return where a point lies in the picture."""
        low, high = self.y_ticks[0], self.y_ticks[-1]
        return (
            LEFT + (self.right - LEFT) * (x - 1) / max(self.rounds - 1, 1),
            BOTTOM - (BOTTOM - TOP) * (y - low) / (high - low),
        )

    def axes(self, x_label: str, show: Callable[[float], str], show_x: Callable[[float], str] = "{:g}".format) -> str:
        """Return the SVG of both axes; `show` and `show_x` turn a value into the text at its tick."""
        x_ticks = [x for x in ticks(1, self.rounds) if x == int(x) and 1 < x <= self.rounds]
        parts = [_y_tick(self.place(1, y)[1], show(y)) for y in self.y_ticks]
        parts += [_x_tick(self.place(x, 0)[0], show_x(x)) for x in [1, *x_ticks]]
        parts.append(f'<text class="axis" x="{(LEFT + self.right) / 2}" y="{HEIGHT - 8}">{escape(x_label)}</text>')
        return "".join(parts)

    def lines(self, curves: Sequence[Curve]) -> str:
        """Return the SVG of curves; the first lies on top."""
        return "".join(_line(curve, [self.place(x, y) for x, y in curve.points]) for curve in reversed(curves))

    def whiskers(self, curves: Iterable[Curve]) -> str:
        """Return the SVG of the intervals, right of the last round, in the curves' order."""
        sure = [curve for curve in curves if curve.interval]
        return "".join(self._whisker(curve, self.right + BESIDE * number) for number, curve in enumerate(sure, start=1))

    def _whisker(self, curve: Curve, x: float) -> str:
        low, high = (self.place(1, bound)[1] for bound in curve.interval or ())
        path = f"M{x - CAP:g} {low:.1f}h{2 * CAP}M{x:g} {low:.1f}V{high:.1f}M{x - CAP:g} {high:.1f}h{2 * CAP}"
        mark = _point(ON_WHISKER[curve.style], x, self.place(*curve.points[-1])[1], 0.4)
        return f'<g class="run-{curve.style}"><path class="mark whisker" d="{path}"/>{mark}</g>'

    def picture(self, title: str, description: str, content: str) -> str:
        """Return the SVG, on one line, that holds `content`, with its title and what it shows in words."""
        label = escape(f"{title}: {description}", quote=True)
        return (
            f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">'
            f"<title>{escape(title)}</title><desc>{escape(description)}</desc>{content}</svg>"
        )


def draw(
    curves: list[Curve],
    x_label: str,
    y_label: str,
    description: str,
    show: Callable[[float], str],
    beside: Sequence[Curve] = (),
) -> str:
    """Return the SVG, on one line, of `curves` over rounds, and of how sure their ends are.

    Args:
        curves: What to draw; the first lies on top.
        x_label: Name of the horizontal axis.
        y_label: Name of the vertical axis, also the picture's title.
        description: The picture in words, for those who do not see it.
        show: Turns a value into the text at its tick.
        beside: What other charts show that readers compare with this one: their axes are the same.
    """
    frame = Frame.around([*curves, *beside])
    return frame.picture(y_label, description, frame.axes(x_label, show) + frame.lines(curves) + frame.whiskers(curves))


def legend(curves: list[Curve], interval: str = "") -> str:
    """Return the key to the lines as an HTML list, so that it wraps on a phone; `interval` says what a whisker is."""
    items = [
        f'<li class="run-{curve.style}"><svg viewBox="0 0 32 10" aria-hidden="true"><path class="run" d="M0 5H32"/>'
        f"{_point(MARKS[curve.style], 16, 5)}</svg>{escape(curve.label)}</li>"
        for curve in curves
    ]
    return f'<ul class="chart-legend">{"".join(items)}{key(curves, "M12-1h8M16-1V11M12 11h8", interval)}</ul>'


def key(curves: list[Curve], path: str, interval: str) -> str:
    """Return the legend's item for the whiskers, drawn as `path` in a box of 32 × 10, if the curves have any."""
    if not any(curve.interval for curve in curves):
        return ""
    picture = f'<svg viewBox="0 0 32 10" aria-hidden="true"><path class="mark whisker" d="{path}"/></svg>'
    return f"<li>{picture}{escape(interval)}</li>"


def _y_tick(y: float, text: str) -> str:
    return (
        f'<path class="grid" d="M{LEFT} {y:.1f}H{RIGHT}"/>'
        f'<text class="y" x="{LEFT - 8}" y="{y + 4:.1f}">{escape(text)}</text>'
    )


def _x_tick(x: float, text: str) -> str:
    return f'<text class="x" x="{x:.1f}" y="{BOTTOM + 20}">{text}</text>'


def _line(curve: Curve, places: list[tuple[float, float]]) -> str:
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    points = "".join(_point(MARKS[curve.style], x, y) for x, y in places)
    return f'<g class="run-{curve.style}"><path class="run" d="M{path}"/>{points}</g>'


def _point(shape: str, x: float, y: float, scale: float = 0.6) -> str:
    return f'<path class="point" d="{shape}" transform="translate({x:.1f} {y:.1f}) scale({scale:g})"/>'
