"""Pictures name what they show in every script that a font of the machine has."""

import re
import warnings
from pathlib import Path

import pytest
from fontTools.ttLib import TTFont
from matplotlib import font_manager
from matplotlib.figure import Figure

from alphamed_tutorials.runs import fonts, plots
from alphamed_tutorials.runs.plots import plot, plot_counts

CURVE = [(1, 0.5), (2, 0.25)]


@pytest.fixture
def bare_machine(monkeypatch):
    """Let the machine have matplotlib's own font and no other."""
    own = [font for font in font_manager.fontManager.ttflist if font.name == "DejaVu Sans"]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", own)
    monkeypatch.setattr(font_manager, "findSystemFonts", list)


def write_font(file: Path, characters: str) -> None:
    """Write a font of a name of its own that has these characters, all of one look."""
    font = TTFont(font_manager.findfont("DejaVu Sans"))
    for table in font["cmap"].tables:
        table.cmap = {ord(each): "A" for each in characters}
    for record in font["name"].names:
        record.string = "Foundling"
    font.save(file)


def test_without_a_font_there_is_one_line_of_advice_and_no_warning(bare_machine, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        advice = plot({"准确率": {"医院甲": CURVE, "node2": CURVE}}, tmp_path / "curves.png")
        assert plot_counts({"节点": {"train": {"猫": 3}}}, tmp_path / "counts.png")
        assert fonts.families_for(["loss é"]) == (["DejaVu Sans"], "")
    assert advice.count("\n") == 0 and "准" in advice and "fonts-noto-cjk" in advice


def test_a_font_that_has_the_characters_is_found_whatever_its_name(bare_machine, monkeypatch, tmp_path):
    write_font(tmp_path / "found.ttf", "准确率医院甲")
    (tmp_path / "damaged.ttf").write_text("no font")
    files = [str(tmp_path / "damaged.ttf"), str(tmp_path / "found.ttf")]
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: files)
    families, advice = fonts.families_for(["准确率", "医院甲 a"])
    assert families == ["DejaVu Sans", "Foundling"] and advice == ""
    plot({"准确率": {"医院甲": CURVE}}, tmp_path / "curves.svg")
    plot_counts({"医院甲": {"准": {"率": 3}}}, tmp_path / "counts.svg")
    for drawn in ("curves.svg", "counts.svg"):
        glyphs = re.findall('<path id="(.*?)-', (tmp_path / drawn).read_text("utf-8"))
        assert {"DejaVuSans", "Foundling"} <= set(glyphs)
    families, advice = fonts.families_for(["准确率", "猫"])
    assert families == ["DejaVu Sans", "Foundling"] and "no font of this machine has 猫," in advice


def test_names_are_drawn_as_they_are(tmp_path):
    beyond = [(1, float("nan")), (2, float("inf")), (3, 1e308), (4, -1e308)]
    panels = {"$\\frac$ of $x$": {"_a$b$": CURVE}, "\x1b[31m": {"n": beyond}}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plot(panels, tmp_path / "names.svg")


def test_many_metrics_are_drawn_as_far_as_a_picture_goes(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(plots, "MOST_PANELS", 6)
    monkeypatch.setattr(Figure, "savefig", lambda self, *_, **__: drawn.append(len(self.axes)))
    assert plot({"one": {"n": CURVE}}, tmp_path / "one.png") == ""
    advice = plot({f"metric {number}": {"n": CURVE} for number in range(7)}, tmp_path / "many.png")
    assert drawn == [1, 6] and advice == "only the first 6 of 7 metrics are drawn"
