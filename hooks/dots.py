"""Draw what runs reach on each class as dots, in the colours of the page's style sheet: one row a class, one shape a run.

The last row is for all classes together, with a whisker where it was recorded how sure that is.
"""

from collections.abc import Callable
from html import escape

from chart import CAP, MARKS, TOP, WIDTH, Curve, key, ticks

ROW = 34  # the height of a class: joint training above, nodes alone below
RIGHT = 530  # room for half of "100 %"
LANES = {"federated": -7, "centralised": -7}
NODES_LANE = 8
LAST_LANE = 14  # the height of a run in the last row


def draw(runs: list[Curve], title: str, description: str, show: Callable[[float], str]) -> str:
    """Return the SVG, on one line, of what `runs` reach on each class.

    Args:
        runs: What to draw; points are (class, value), of the same classes in every run, in the end of all classes
            together; the first run lies on top.
        title: The picture's title, which says what the axis shows.
        description: The picture in words, for those who do not see it.
        show: Turns a value into the text at its tick.
    """
    *names, everything = (name for name, _ in runs[0].points)
    values = [value for run in runs for value in (*(value for _, value in run.points), *(run.interval or ()))]
    left, marked = 20 + 10 * max(map(_columns, [*names, everything])), ticks(min(values), max(values))
    below = TOP + ROW * len(names)
    bottom = below + LAST_LANE * (len(runs) + 1)

    def place(value: float) -> float:
        return left + (RIGHT - left) * (value - marked[0]) / (marked[-1] - marked[0])

    parts = [f"<title>{escape(title)}</title><desc>{escape(description)}</desc>"]
    parts += [_row(number, name, left) for number, name in enumerate(names)]
    parts.append(_label(everything, left, (below + bottom) / 2))
    parts += [_tick(place(value), bottom, show(value)) for value in marked]
    parts += [_marks(run.style, [place(value) for _, value in run.points[:-1]]) for run in reversed(runs)]
    parts += [_last(run, place, below + LAST_LANE * number) for number, run in enumerate(runs, start=1)]
    label = escape(f"{title}: {description}", quote=True)
    box = f"0 0 {WIDTH} {bottom + 28}"
    return f'<svg class="chart" viewBox="{box}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def legend(runs: list[Curve], interval: str) -> str:
    """Return the key to the shapes as an HTML list, so that it wraps on a phone; `interval` says what a whisker is."""
    items = [
        f'<li class="run-{run.style}"><svg viewBox="-16 -5 32 10" aria-hidden="true">'
        f'<path class="mark" d="{MARKS[run.style]}"/></svg>{escape(run.label)}</li>'
        for run in runs
    ]
    return f'<ul class="chart-legend">{"".join(items)}{key(runs, "M4 1v8M4 5H28M28 1v8", interval)}</ul>'


def _columns(name: str) -> int:
    """Return how much room a name takes; a Chinese character is as wide as two letters."""
    return sum(2 if character > "\u2e80" else 1 for character in name)


def _row(number: int, name: str, left: int) -> str:
    y = TOP + ROW * number
    band = f'<path class="band" d="M0 {y}H{WIDTH}v{ROW}H0Z"/>' if number % 2 == 0 else ""
    return band + _label(name, left, y + ROW / 2)


def _label(name: str, left: int, middle: float) -> str:
    return f'<text class="y" x="{left - 12}" y="{middle + 5:g}">{escape(name)}</text>'


def _tick(x: float, bottom: int, text: str) -> str:
    return f'<path class="grid" d="M{x:.1f} {TOP}V{bottom}"/><text x="{x:.1f}" y="{bottom + 20}">{escape(text)}</text>'


def _marks(style: str, places: list[float]) -> str:
    middle = TOP + ROW / 2 + LANES.get(style, NODES_LANE)
    paths = [
        f'<path class="mark" d="{MARKS[style]}" transform="translate({x:.1f} {middle + ROW * number:g})"/>'
        for number, x in enumerate(places)
    ]
    return f'<g class="run-{style}">{"".join(paths)}</g>'


def _last(run: Curve, place: Callable[[float], float], y: float) -> str:
    """Return the SVG of what a run reaches on all classes, and of how sure that is."""
    mark = f'<path class="mark" d="{MARKS[run.style]}" transform="translate({place(run.points[-1][1]):.1f} {y}) scale(.8)"/>'
    if run.interval:
        low, high = map(place, run.interval)
        path = f"M{low:.1f} {y - CAP}v{2 * CAP}M{low:.1f} {y}H{high:.1f}M{high:.1f} {y - CAP}v{2 * CAP}"
        mark = f'<path class="mark whisker" d="{path}"/>{mark}'
    return f'<g class="run-{run.style}">{mark}</g>'
