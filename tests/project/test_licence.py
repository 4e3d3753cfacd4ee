"""Under which terms what may be used: one list, and it is complete."""

import re
import subprocess
import tomllib
from pathlib import Path

from alphamed_tutorials.catalogue import find_all

ROOT = Path(__file__).parents[2]
NOTICE = (ROOT / "NOTICE").read_text(encoding="utf-8")
PICTURES_AND_SOUNDS = {".png", ".jpg", ".jpeg", ".wav", ".mp3", ".woff2", ".pt", ".pth", ".npy", ".txt", ".wasm"}
# Plots, what programs print, lists of packages, and pictures of our own pages.
OURS = ("docs/results/", "docs/assets/playground/", "docs/assets/cards/", "tests/", "benchmarks/peers/", "constraints")


def test_the_project_says_its_licence():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["license"] == "Apache-2.0" and set(project["license-files"]) == {"LICENSE", "NOTICE"}
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text and "END OF TERMS AND CONDITIONS" in text


def test_the_data_of_every_example_are_listed_as_its_facts_say():
    lines = [line.strip() for line in NOTICE.splitlines()]
    for example in find_all():
        (start,) = [i for i, line in enumerate(lines) if line == f"{example.name:19} {example.facts.data.name}"]
        assert lines[start + 1 : start + 3] == [example.facts.data.source, example.facts.data.licence]


def test_what_the_project_carries_of_others_is_listed():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    carried = [Path(name) for name in listed.splitlines() if Path(name).suffix in PICTURES_AND_SOUNDS]
    unnamed = [
        str(file)
        for file in carried
        if not str(file).startswith(OURS) and str(file) not in NOTICE and f"{file.parent.as_posix()}/" not in NOTICE
    ]
    assert carried and unnamed == []


def test_what_is_listed_as_carried_exists():
    names = re.findall(r"^(?:src|docs)/\S+", NOTICE, re.MULTILINE)
    assert len(names) >= 6 and [name for name in names if not any(ROOT.glob(name))] == []
