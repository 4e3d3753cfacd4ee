"""Every file in snippets/ is a program that runs by itself in an empty folder."""

import json

import pytest
from preloaded.prepared import once_and_copied
from runner import run_file

from pages import ROOT

SNIPPETS = sorted((ROOT / "snippets").rglob("*.py"))


@pytest.mark.pages
@pytest.mark.parametrize("path", SNIPPETS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_snippet_runs(path):
    if "torchtext" in path.name:
        pytest.skip("needs torchtext, which loads with torch 2.3 only: `make test-torchtext` runs it")
    run_file(path)


def test_a_failing_snippet_fails(tmp_path):
    path = tmp_path / "bad.py"
    path.write_text("print('begun')\nraise SystemExit(3)\n", encoding="utf-8")
    with pytest.raises(pytest.fail.Exception, match="bad.py ended with exit status 3:\nbegun"):
        run_file(path)


def test_data_are_prepared_once_for_the_same_arguments(tmp_path):
    made = []

    def prepare(target, out, **arguments):
        made.append(arguments)
        out.mkdir()
        (out / "prepare.json").write_text(json.dumps({"seed": arguments["seed"]}), encoding="utf-8")

    shared = once_and_copied(prepare, tmp_path)
    found = [shared("mnist", tmp_path / f"data{i}", seed=seed)["seed"] for i, seed in enumerate((1, 1, 2))]
    assert found == [1, 1, 2] and made == [{"seed": 1}, {"seed": 2}]
    assert all((tmp_path / f"data{i}" / "prepare.json").exists() for i in range(3))
