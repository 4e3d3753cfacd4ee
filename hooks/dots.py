"""Draw what runs reach on each class as dots, in the colours of the page's style sheet: one row a class, one shape a run."""

from collections.abc import Callable
from html import escape

from chart import MARKS, TOP, WIDTH, Curve, ticks

ROW = 34  # the height of a class: joint training above, nodes alone below
RIGHT = 530  # room for half of "100 %"
LANES = {"federated": -7, "centralised": -7}
NODES_LANE = 8


def draw(runs: list[Curve], title: str, description: str, show: Callable[[float], str]) -> str:
    """Return the SVG, on one line, of what `runs` reach on each class.

    Args:
        runs: What to draw; points are (class, value), of the same classes in every run; the first run lies on top.
        title: The picture's title, which says what the axis shows.
        description: The picture in words, for those who do not see it.
        show: Turns a value into the text at its tick.
    """
    names = [name for name, _ in runs[0].points]
    values = [value for run in runs for _, value in run.points]
    left, bottom, marked = 20 + 10 * max(map(len, names)), TOP + ROW * len(names), ticks(min(values), max(values))

    def place(value: float) -> float:
        return left + (RIGHT - left) * (value - marked[0]) / (marked[-1] - marked[0])

    parts = [f"<title>{escape(title)}</title><desc>{escape(description)}</desc>"]
    parts += [_row(number, name, left) for number, name in enumerate(names)]
    parts += [_tick(place(value), bottom, show(value)) for value in marked]
    parts += [_marks(run.style, [place(value) for _, value in run.points]) for run in reversed(runs)]
    label = escape(f"{title}: {description}", quote=True)
    box = f"0 0 {WIDTH} {bottom + 28}"
    return f'<svg class="chart" viewBox="{box}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def legend(runs: list[Curve]) -> str:
    """Return the key to the shapes as an HTML list, so that it wraps on a phone."""
    items = [
        f'<li class="run-{run.style}"><svg viewBox="-16 -5 32 10" aria-hidden="true">'
        f'<path class="mark" d="{MARKS[run.style]}"/></svg>{escape(run.label)}</li>'
        for run in runs
    ]
    return f'<ul class="chart-legend">{"".join(items)}</ul>'


def _row(number: int, name: str, left: int) -> str:
    y = TOP + ROW * number
    band = f'<path class="band" d="M0 {y}H{WIDTH}v{ROW}H0Z"/>' if number % 2 == 0 else ""
    return f'{band}<text class="y" x="{left - 12}" y="{y + ROW / 2 + 5}">{escape(name)}</text>'


def _tick(x: float, bottom: int, text: str) -> str:
    return f'<path class="grid" d="M{x:.1f} {TOP}V{bottom}"/><text x="{x:.1f}" y="{bottom + 20}">{escape(text)}</text>'


def _marks(style: str, places: list[float]) -> str:
    middle = TOP + ROW / 2 + LANES.get(style, NODES_LANE)
    paths = [
        f'<path class="mark" d="{MARKS[style]}" transform="translate({x:.1f} {middle + ROW * number:g})"/>'
        for number, x in enumerate(places)
    ]
    return f'<g class="run-{style}">{"".join(paths)}</g>'
