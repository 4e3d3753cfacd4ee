"""Recorded experiments come out again, and a figure that moved further than the seeds did is told."""

import json
from pathlib import Path

import pytest

from alphamed_tutorials.catalogue import find
from alphamed_tutorials.errors import WrongUse
from alphamed_tutorials.experiments import band as bands
from alphamed_tutorials.experiments.band import band, check
from alphamed_tutorials.experiments.compare import FEDERATED
from alphamed_tutorials.runs.machine import machine

RESULTS = Path(__file__).parents[2] / "docs" / "results"
RECORDED = [
    file
    for file in sorted([*RESULTS.glob("*.json"), *RESULTS.glob("embedded/*.json")])
    if json.loads(file.read_text("utf-8")).get("data", {}).get("source") == "embedded"
]


@pytest.mark.soak
@pytest.mark.parametrize("file", RECORDED, ids=lambda file: file.stem)
def test_what_was_recorded_from_embedded_data_comes_out_again(file, tmp_path):
    content = json.loads(file.read_text("utf-8"))
    figures = check(find(file.stem), file.parent, tmp_path / "work")
    if content["machine"]["cpu"] != machine()["cpu"]:  # of a hundred figures some leave their bands then
        figures = [each for each in figures if (each.run, each.metric) == (FEDERATED, content["metric"])]
    assert figures and not [figure for figure in figures if not figure.inside]


def test_a_band_is_the_range_of_the_seeds_with_twice_as_much_on_either_side():
    assert band([0.5, 0.7, 0.6]) == pytest.approx((0.1, 1.1))
    assert band([2.0, 2.0]) == pytest.approx((1.98, 2.02)), "seeds that agree to the last digit leave a little room"
    assert band([-1.0, -1.0]) == pytest.approx((-1.01, -0.99))


def run(name="federated", last=0.9, **more) -> dict:
    return {"name": name, "metrics": {"test/accuracy": [[1, 0.1], [2, last]], "test/loss": [[2, 1 - last]]}} | more


@pytest.fixture
def recorded(tmp_path):
    """Return a folder of results in which one experiment of MNIST has three seeds, and one has a single seed."""
    seeds = [{"test/accuracy": value, "test/loss": 1 - value} for value in (0.91, 0.92)]
    experiments = [
        {"name": "iid", "rounds": 2, "runs": [run(more_seeds=seeds), {"name": "node1", "left_out": "why"}]},
        {"name": "label_skew", "rounds": 3, "runs": [run(interval=[0.85, 0.95])]},
    ]
    content = {"metric": "test/accuracy", "data": {"source": "embedded"}, "experiments": experiments}
    (tmp_path / "mnist.json").write_text(json.dumps(content), "utf-8")
    return tmp_path


@pytest.fixture
def trained(monkeypatch):
    """Return the runs that training again gives; a test may change them."""
    now = {"iid": [run()], "label_skew": [run()]}
    rounds = {"iid": 2, "label_skew": 3}
    monkeypatch.setattr(
        bands, "train", lambda plan, *_: {"runs": now[plan.name] if plan.rounds == rounds[plan.name] else []}
    )
    return now


def outside(recorded, tmp_path, **options) -> list[tuple[str, str]]:
    figures = check(find("mnist"), recorded, tmp_path / "work", **options)
    return [(figure.experiment, figure.metric) for figure in figures if not figure.inside]


def test_figures_in_their_bands_are_as_recorded(recorded, trained, tmp_path):
    trained["iid"] = [run(last=0.935)]
    figures = check(find("mnist"), recorded, tmp_path / "work")
    assert [(each.experiment, each.run, each.metric, each.now, each.inside) for each in figures] == [
        ("iid", "federated", "test/accuracy", 0.935, True),
        ("iid", "federated", "test/loss", 1 - 0.935, True),
        ("label_skew", "federated", "test/accuracy", 0.9, True),  # its loss has no band: there was one seed
    ]


@pytest.mark.parametrize("last", [0.85, 0.97, float("nan")])
def test_what_lies_outside_is_told(recorded, trained, tmp_path, last):
    trained["iid"] = [run(last=last)]
    assert outside(recorded, tmp_path) == [("iid", "test/accuracy"), ("iid", "test/loss")]


def test_a_run_that_is_gone_is_told(recorded, trained, tmp_path):
    trained["label_skew"] = []
    assert outside(recorded, tmp_path) == [("label_skew", "test/accuracy")]


def test_one_experiment_can_be_trained_alone(recorded, trained, tmp_path):
    trained["iid"] = []
    assert outside(recorded, tmp_path, only=["label_skew"]) == []
    with pytest.raises(WrongUse, match="mnist has no recorded experiment owners, only iid, label_skew"):
        check(find("mnist"), recorded, tmp_path / "other", only=["owners"])


def test_other_data_and_no_recording_are_refused(recorded, tmp_path):
    with pytest.raises(
        WrongUse, match=r"mnist.json was recorded from embedded data, not from .*: name it with --source"
    ):
        check(find("mnist"), recorded, tmp_path / "work", source=tmp_path)
    with pytest.raises(WrongUse, match=r"speech_commands.json is missing: record it first"):
        check(find("speech_commands"), recorded, tmp_path / "work")
    assert not (tmp_path / "work").exists()


def test_a_figure_outside_of_its_band_ends_the_command(recorded, trained, playground):
    command = ("record", "mnist", "--check", "--results", recorded, "--json")
    finished = playground(*command)
    assert finished.code == 0 and all(figure["inside"] for figure in finished.json["figures"])
    trained["iid"] = [run(last=0.5)]
    finished = playground(*command)
    assert finished.code == 1 and "2 of 3 figures of mnist are no longer what was recorded" in finished.err
    assert "86.0% to 96.0%" in finished.err and "outside" in finished.err
