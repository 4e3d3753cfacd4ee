"""What is refused before anything is started: options that do not go together, and Flower that is not there."""

import pytest

from alphamed_tutorials.engines import run as engine
from alphamed_tutorials.engines.run import run
from alphamed_tutorials.errors import WrongUse


@pytest.fixture(autouse=True)
def has_flower(monkeypatch):
    monkeypatch.setattr(engine, "find_spec", lambda name: object())
    monkeypatch.setattr(engine, "_flower", lambda: None)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"engine": "flower", "num_workers": 2}, "are for the engine local"),
        ({"engine": "playground", "num_workers": 2}, "are for the engine local"),
        ({"engine": "playground", "sample": 0.5}, "for the engines local and flower"),
        ({"superlink": "clinics"}, "add --engine flower"),
        ({"engine": "flower", "superlink": "clinics", "num_nodes": 3}, "by its own --node-config"),
        ({"engine": "flower", "superlink": "clinics", "nodes": {"node1": "."}}, "by its own --node-config"),
        ({"engine": "flower", "superlink": "clinics"}, "--aggregator DIR"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, why, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WrongUse, match=why):
        run("mnist", **options)
    assert not list(tmp_path.iterdir())


def test_without_flower_it_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(engine, "find_spec", lambda name: None)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WrongUse, match=r"pip install 'alphamed-tutorials\[flower\]'"):
        run("mnist", engine="flower")
    assert not list(tmp_path.iterdir())
