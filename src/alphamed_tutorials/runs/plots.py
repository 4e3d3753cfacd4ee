"""Draw the metrics of a run, and how many samples each node holds."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import WrongUse

Curve = Sequence[tuple[int, float]]
Counts = Mapping[str, Mapping[str, Mapping[str, int]]]  # node -> split -> class -> number of samples
MOST_NAMED = 12  # lines in one panel that a legend can still tell apart
# Fonts with Chinese characters, for the names of nodes: on Linux, Windows, macOS.
CHINESE_FONTS = (
    "Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei",
    "Microsoft YaHei", "SimHei", "PingFang SC", "Heiti TC", "Arial Unicode MS",
)  # fmt: skip


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
    _save(figure, file)


def plot_counts(counts: Counts, file: Path) -> None:
    """Draw how many samples of each class every node holds.

    Args:
        counts: As in `prepare.json`: node, split, class, number.
        file: The picture to write; its suffix says the format.
    """
    import matplotlib  # here, because it takes a second that no other use of this module should cost
    from matplotlib.figure import Figure

    bars = [(f"{node}\n{split}", classes) for node, splits in counts.items() for split, classes in splits.items()]
    names = list(dict.fromkeys(name for _, classes in bars for name in classes))
    colours = matplotlib.colormaps["tab20" if len(names) > 10 else "tab10"]
    figure = Figure(figsize=(max(5, 2 + 0.9 * len(bars)), 4), layout="constrained")
    axes = figure.subplots()
    bottoms = [0] * len(bars)
    for i, name in enumerate(names):
        heights = [classes.get(name, 0) for _, classes in bars]
        axes.bar([label for label, _ in bars], heights, bottom=bottoms, label=name, color=colours(i % colours.N))
        bottoms = [bottom + height for bottom, height in zip(bottoms, heights)]
    axes.set_ylabel("samples")
    axes.legend(title="class", loc="upper left", bbox_to_anchor=(1, 1), ncols=1 + len(names) // 20, reverse=True)
    _save(figure, file)


def _save(figure: Any, file: str | Path) -> None:
    """Write a picture; where no font has the characters of a name, boxes stand for them."""
    import matplotlib
    from matplotlib.font_manager import fontManager

    installed = {font.name for font in fontManager.ttflist}
    families = [*matplotlib.rcParams["font.sans-serif"][:1], *(font for font in CHINESE_FONTS if font in installed)]
    with matplotlib.rc_context({"font.sans-serif": families}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        figure.savefig(file, dpi=150)
