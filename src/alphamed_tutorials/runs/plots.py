"""Draw the metrics of a run, and how many samples each node holds."""

import io
import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

from ..errors import WrongUse
from ..texts import printable
from .fonts import families_for
from .writing import write_whole

Curve = Sequence[tuple[int, float]]
Counts = Mapping[str, Mapping[str, Mapping[str, int]]]  # node -> split -> class -> number of samples
MOST_NAMED = 12  # lines in one panel that a legend can still tell apart
MARKERS = "osD^vP*X<>dh"  # one for each of them: colours alone are not told apart by everybody, and not on paper
MOST_MARKED = 15  # points of a line
COLUMNS = 2  # of panels side by side: more would make the words too small where a picture is as wide as a page
PANEL = (4, 3.2)  # inches
MOST_PANELS = 60  # which is as large as a picture may become
LARGEST = 1e300  # of a number: what is more is left out as infinity is, matplotlib cannot find an axis for it


def plot(panels: Mapping[str, Mapping[str, Curve]], file: str | Path) -> str:
    """Draw one panel for each metric and one line for each name in it.

    Args:
        panels: Metric name → line name → (round, value) pairs.
        file: The picture; its ending chooses the format (`.png`, `.svg`, `.pdf`).

    Returns:
        What is missing in the picture, and what to do; empty where nothing is.

    Raises:
        WrongUse: There is no such format, or nothing to draw.
    """
    from matplotlib import rc_context  # here, because it takes a second that no other use should cost
    from matplotlib.figure import Figure

    if not panels:
        raise WrongUse(f"{file} is not drawn, as there is no metric")
    shown = sorted(panels.items())[:MOST_PANELS]
    columns = min(COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    with rc_context({"text.parse_math": False}):  # a dollar in a name is a dollar
        figure = Figure(figsize=(PANEL[0] * columns, PANEL[1] * rows), layout="constrained")
        if Path(file).suffix[1:] not in figure.canvas.get_supported_filetypes():
            raise WrongUse(f"{file}: pictures end in .png, .svg or .pdf")
        places = list(figure.subplots(rows, columns, squeeze=False).flat)
        for axes, (name, lines) in zip(places, shown):
            _draw(axes, name, lines)
        for axes in places[len(shown) :]:
            axes.remove()
        lacking = _save(figure, file, [text for name, lines in shown for text in (name, *lines)])
    fewer = f"only the first {len(shown)} of {len(panels)} metrics are drawn" if len(shown) < len(panels) else ""
    return "\n".join(filter(None, (fewer, lacking)))


def _draw(axes: Any, name: str, lines: Mapping[str, Curve]) -> None:
    for marker, (label, points) in zip(cycle(MARKERS), lines.items()):
        drawn = [(number, value if abs(value) < LARGEST else math.nan) for number, value in points]
        every = -(-len(points) // MOST_MARKED)
        axes.plot(*zip(*drawn), marker=marker, markersize=5, markevery=every, label=_shown(label))
    axes.set(title=_shown(name), xlabel="round")
    axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    axes.grid(alpha=0.3)
    if len(lines) <= MOST_NAMED:
        axes.legend(ncols=1 + len(lines) // 7)


def plot_counts(counts: Counts, file: Path) -> str:
    """Draw how many samples of each class every node holds.

    Args:
        counts: As in `prepare.json`: node, split, class, number.
        file: The picture to write; its suffix says the format.

    Returns:
        What is missing in the picture, and what to do; empty where nothing is.
    """
    import matplotlib  # here, because it takes a second that no other use of this module should cost
    from matplotlib.figure import Figure

    bars = [(f"{node}\n{split}", classes) for node, splits in counts.items() for split, classes in splits.items()]
    names = list(dict.fromkeys(name for _, classes in bars for name in classes))
    colours = matplotlib.colormaps["tab20" if len(names) > 10 else "tab10"]
    with matplotlib.rc_context({"text.parse_math": False}):
        figure = Figure(figsize=(max(5, 2 + 0.9 * len(bars)), 4), layout="constrained")
        axes = figure.subplots()
        bottoms = [0] * len(bars)
        for i, name in enumerate(names):
            heights = [classes.get(name, 0) for _, classes in bars]
            places = [_shown(label) for label, _ in bars]
            axes.bar(places, heights, bottom=bottoms, label=_shown(name), color=colours(i % colours.N))
            bottoms = [bottom + height for bottom, height in zip(bottoms, heights)]
        axes.set_ylabel("samples")
        axes.legend(title="class", loc="upper left", bbox_to_anchor=(1, 1), ncols=1 + len(names) // 20, reverse=True)
        return _save(figure, file, [*names, *counts])


def _shown(name: str) -> str:
    """Return a name as matplotlib shows it: what begins with _ it leaves out of legends."""
    text = printable(name)
    return f" {text}" if text.startswith("_") else text


def _save(figure: Any, file: str | Path, names: Iterable[str]) -> str:
    """Write a picture; return what to do where no font has the characters of its names."""
    import matplotlib
    from matplotlib.text import Text

    families, lacking = families_for(map(_shown, names))
    for text in figure.findobj(Text):
        text.set_fontfamily(families)
    with matplotlib.rc_context({"font.family": families}), warnings.catch_warnings():  # of names still to come, on axes
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)  # one line of ours says it
        picture = io.BytesIO()
        figure.savefig(picture, dpi=150, format=Path(file).suffix[1:])
    write_whole(Path(file), picture.getvalue())
    return lacking
