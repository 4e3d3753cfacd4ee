"""The lanes in other environments: what came of them is counted, kept and shown, and GitHub runs every one."""

import json
import sys

import pytest
import yaml
from bs4 import BeautifulSoup

import run_lanes
from lanes import table
from pages import LANGUAGES, ROOT
from run_lanes import LANES, Lane, NotRun

VERSIONS = {"python": "3.13.0", "torch": "2.12.1", "torchaudio": "2.11.0"}
FOUND = {
    "oldest": {"date": "2026-01-01", "versions": VERSIONS, "passed": 7, "skipped": 2, "failed": ["a.b"], "seconds": 5},
    "python3.14": {"date": "2026-01-02", "not_run": ["interpreter", "python3.14"]},
    "zensical": {
        "date": "2026-01-03",
        "versions": VERSIONS,
        "pages": 70,
        "placeholders": 30,
        "failed": [],
        "seconds": 5,
    },
}
PROGRAM = """
import pytest

def test_good(): pass

def test_bad(): assert False

@pytest.fixture
def broken(): raise OSError

def test_broken(broken): pass

@pytest.mark.skip
def test_skipped(): pass
"""


def test_what_came_of_tests_is_counted(tmp_path):
    file = tmp_path / "test_small.py"
    file.write_text(PROGRAM, "utf-8")
    found = run_lanes.run_tests(sys.executable, (str(file),), tmp_path)
    assert (found["passed"], found["skipped"]) == (1, 1)
    assert [name.rpartition(".")[2] for name in found["failed"]] == ["test_bad", "test_broken"]


def test_tests_that_do_not_start_have_failed(tmp_path):
    found = run_lanes.run_tests(sys.executable, ("--no-such-option",), tmp_path)
    assert found == {"passed": 0, "skipped": 0, "failed": ["pytest did not start"]}


def test_a_lane_whose_interpreter_is_missing_is_not_run(tmp_path):
    with pytest.raises(NotRun, match=r"interpreter.*python9\.9"):
        run_lanes.make(Lane((), "python9.9"), tmp_path / "environment")


def test_a_lane_is_recorded_beside_the_others_and_fails_where_its_tests_do(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(run_lanes, "FILE", tmp_path / "lanes.json")
    results = {"oldest": FOUND["oldest"], "zensical": FOUND["zensical"]}
    monkeypatch.setattr(run_lanes, "run", lambda lane, _: next(results[n] for n in results if LANES[n] is lane))
    assert run_lanes.main(["zensical"]) == 0 and run_lanes.main(["oldest"]) == 1
    assert list(json.loads((tmp_path / "lanes.json").read_text("utf-8"))) == ["oldest", "zensical"]
    assert "oldest: 7 passed, 2 skipped, 1 failed, 5 s" in capsys.readouterr().out


def test_an_unknown_lane_is_refused():
    with pytest.raises(SystemExit, match="there is no lane new: name some of newest, oldest"):
        run_lanes.main(["new"])


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_table_says_what_came_of_each_lane(language):
    rows = BeautifulSoup(table(FOUND, language), "html.parser").select("tbody tr")
    cells = [[cell.text for cell in row("td")] for row in rows]
    assert [row[1] for row in cells] == ["python 3.13.0, torch 2.12.1", "", "python 3.13.0, torch 2.12.1"]
    for number in ("7", "1", "2"):
        assert number in cells[0][2]
    assert "python3.14" in cells[1][2] and "70" in cells[2][2] and "30" in cells[2][2]


def test_every_lane_is_run_every_week_and_what_is_kept_is_one_of_them():
    assert set(json.loads(run_lanes.FILE.read_text("utf-8"))) <= set(LANES)
    workflow = yaml.safe_load((ROOT / ".github/workflows/lanes.yml").read_text("utf-8"))
    assert workflow["jobs"]["lane"]["strategy"]["matrix"]["lane"] == list(LANES)
