"""Metrics of a run as curves and pictures."""

import csv
import shutil

import pytest
from matplotlib.axes import Axes
from PIL import Image

from alphamed_tutorials.errors import WrongUse
from alphamed_tutorials.runs.folder import Metric, Run, RunError
from alphamed_tutorials.runs.metrics import curves, details
from alphamed_tutorials.runs.plots import MOST_NAMED, plot


def test_curves_hold_what_the_file_holds(finished_run):
    with open(finished_run / "metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    found = curves(Run.open(finished_run).rows)
    for row in rows:
        assert (int(row["round"]), float(row["value"])) in found[row["name"]][row["node"]]
    assert sum(len(points) for nodes in found.values() for points in nodes.values()) == len(rows) == 8
    assert list(found["test/accuracy"]) == ["aggregator"] and list(found["train/loss"]) == ["node1", "node2"]


def test_curves_keep_the_last_value_of_a_round():
    rows = [Metric(1, "node1", "loss", 3.0), Metric(1, "node1", "loss", 2.0), Metric(2, "node1", "loss", 1.0)]
    assert curves(rows) == {"loss": {"node1": [(1, 2.0), (2, 1.0)]}}


def test_details_are_kept_apart_from_curves_and_last_values(tmp_path):
    run = Run.create(tmp_path / "run")
    run.rows = [Metric(1, "a", "test/loss", 3.0), Metric(1, "a", "test/confusion/yes/no", 4.0)]
    run.rows.append(Metric(2, "a", "test/confusion/yes/no", 5.0))
    assert list(curves(run.rows)) == ["test/loss"] and run.metrics == {"test/loss": 3.0}
    assert details(run.rows) == {"test/confusion/yes/no": 5.0}


def test_a_value_belongs_to_the_last_round_that_logged_it(tmp_path):
    run = Run.create(tmp_path / "run")
    run.rows = [Metric(1, "a", "loss", 3.0), Metric(1, "b", "loss", 5.0), Metric(1, "a", "early", 7.0)]
    run.rows += [Metric(2, "b", "loss", 1.0), Metric(2, "b", "loss", 2.0)]
    assert run.metrics == {"loss": 2.0, "early": 7.0} and run.last_rounds == {"loss": 2, "early": 1}


def test_the_value_of_several_nodes_is_their_mean(tmp_path):
    run = Run.create(tmp_path / "run")
    run.rows = [Metric(1, "a", "loss", 9.0), Metric(2, "a", "loss", 3.0), Metric(2, "b", "loss", 5.0)]
    run.rows.append(Metric(2, "c", "loss", 7.0))
    assert run.metrics == {"loss": 5.0}


def test_a_file_that_a_spreadsheet_program_saved_is_read(finished_run, tmp_path):
    run = shutil.copytree(finished_run, tmp_path / "run")
    before = Run.open(run).rows
    text = (run / "metrics.csv").read_text()
    (run / "metrics.csv").write_bytes(text.replace("\n", "\r\n").encode("utf-8-sig"))
    assert Run.open(run).rows == before and before


@pytest.mark.parametrize(
    "text", ["round,node\n1,a\n", "round,node,name,value\none,a,loss,2\n", "round,node,name,value\n1,a\n"]
)
def test_a_damaged_file_is_named(finished_run, tmp_path, text):
    run = shutil.copytree(finished_run, tmp_path / "run")
    (run / "metrics.csv").write_text(text)
    with pytest.raises(RunError, match=r"metrics.csv is damaged .*with the columns round, node, name, value"):
        Run.open(run)


@pytest.mark.parametrize(("ending", "begins"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_a_picture_in_each_promised_format(finished_run, tmp_path, ending, begins):
    plot(curves(Run.open(finished_run).rows), tmp_path / f"curve.{ending}")
    assert (tmp_path / f"curve.{ending}").read_bytes().startswith(begins)


def test_the_picture_draws_every_line_and_names_it(tmp_path, monkeypatch):
    drawn, markers = [], []
    original = Axes.plot

    def draw(self, x, y, **style):
        drawn.append((style["label"], x, y))
        markers.append(style["marker"])
        return original(self, x, y, **style)

    monkeypatch.setattr(Axes, "plot", draw)
    plot({"loss": {"node1": [(1, 0.5), (2, 0.25)], "node2": [(1, 0.75)]}}, tmp_path / "curve.svg")
    assert drawn == [("node1", (1, 2), (0.5, 0.25)), ("node2", (1,), (0.75,))]
    markers.clear()
    plot({"loss": {f"node{i}": [(1, 1.0)] for i in range(MOST_NAMED)}}, tmp_path / "curve.svg")
    assert len(set(markers)) == MOST_NAMED, "lines that a legend names differ by more than their colour"


def test_a_picture_is_no_wider_than_its_words_can_be_read_at_on_a_page(tmp_path):
    for panels in (1, 2, 9):
        plot({f"loss{i}": {"node1": [(1, 1.0)]} for i in range(panels)}, tmp_path / "curve.png")
        with Image.open(tmp_path / "curve.png") as picture:
            width, per_inch = picture.width, picture.info["dpi"][0]
        assert 10 / 72 * per_inch * 688 / max(width, 688) > 11, "on a page of 688 pixels, ten points"


def test_a_legend_of_many_nodes_does_not_hide_the_curves(tmp_path, monkeypatch):
    legends = []
    monkeypatch.setattr(Axes, "legend", lambda self, ncols: legends.append(self.get_title()))
    few = {f"node{i}": [(1, 1.0)] for i in range(MOST_NAMED)}
    plot({"few": few, "many": few | {"one more": [(1, 1.0)]}}, tmp_path / "curve.svg")
    assert legends == ["few"]


def test_an_unknown_format_is_refused(tmp_path):
    for name in ("curve.xyz", "curve"):
        with pytest.raises(WrongUse, match=".png, .svg or .pdf"):
            plot({"loss": {"node1": [(1, 1.0)]}}, tmp_path / name)
    assert list(tmp_path.iterdir()) == []
