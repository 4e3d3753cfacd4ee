"""An example that `playground new --page` adds is green at once, and says where there is work to do."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import gate
import pytest
from copies import NAME, TITLES

from alphamed_tutorials.contribute import skeleton as adding
from alphamed_tutorials.contribute.repository import find_repository
from alphamed_tutorials.contribute.skeleton import HOME, add_example
from alphamed_tutorials.errors import WrongUse
from outputs import key, pictures_of, read, recording_of
from pages import LANGUAGES, ROOT, Page

OTHERS = ("transfer_learning", "speech_commands", "language_modeling", "object_detection")


def guides(root: Path, name: str = NAME) -> list[Page]:
    return [
        Page(root / f"docs/{language}/guides/{name}{ending}.md", root)
        for language in LANGUAGES
        for ending in gate.SECTIONS
    ]


RULES = [rule for rule in gate.PAGE_RULES if rule is not gate.names_exist]  # which reads all code: `make soak` asks it


def assert_green(root: Path, name: str, rules=RULES) -> None:
    """Check that the gate has nothing against an example's pages and snippets, and that all outputs are there."""
    pages = guides(root, name)
    found = [f"{page}: {fault}" for page in pages for rule in rules for fault in rule(page)]
    half = len(pages) // 2
    found += [
        fault for pair in zip(pages[:half], pages[half:]) for rule in gate.LANGUAGE_RULES for fault in rule(*pair)
    ]
    found += [fault for rule in gate.PROJECT_RULES for fault in rule(root, pages) if re.search(rf"\b{name}\b", fault)]
    assert not found
    for page in pages:
        blocks = read(page)["blocks"]
        assert {key(block) for block in page.blocks if block.runs} <= set(blocks)
        for block in page.blocks:
            drawn = blocks.get(key(block), {}).get("pictures", ())
            assert len(drawn) == (len(pictures_of(block)) if block.runs else 0)
            assert all((recording_of(page).with_suffix("") / page.language / picture).is_file() for picture in drawn)


def tree(root: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(root)): file.read_bytes()
        for file in root.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }


def test_its_pages_pass_the_gate_with_outputs_in_place(skeleton):
    assert_green(skeleton, NAME)


def test_its_code_is_as_the_linter_wants_it_and_names_no_other_example(skeleton):
    places = [skeleton / HOME / NAME, skeleton / "snippets" / NAME, *(skeleton / "tests").rglob(f"*{NAME}*.py")]
    for command in (["check", "--no-cache"], ["format", "--check", "--no-cache"]):
        done = subprocess.run([sys.executable, "-m", "ruff", *command, *places], cwd=skeleton, capture_output=True)
        assert done.returncode == 0, done.stdout.decode()
    for file in [*(skeleton / HOME / NAME).glob("*.py"), *(skeleton / "snippets" / NAME).glob("*.py")]:
        assert not re.search(r"\bmnist\b|MNISTScheduler", file.read_text("utf-8")), file


def test_its_snippet_runs(skeleton, tmp_path):
    environment = os.environ | {"PYTHONPATH": str(skeleton / "src")}
    snippet = skeleton / "snippets" / NAME / "verify_data.py"
    done = subprocess.run([sys.executable, snippet], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and "(True, 'node1: 479 train images" in done.stdout, done.stderr


def test_its_facts_have_their_own_order_and_say_what_is_to_be_said(skeleton):
    facts = tomllib.loads((skeleton / HOME / NAME / "example.toml").read_text("utf-8"))
    others = [tomllib.loads(file.read_text("utf-8"))["order"] for file in (skeleton / HOME).glob("*/example.toml")]
    assert facts["order"] == max(others) and others.count(facts["order"]) == 1
    assert facts["title"] == TITLES and facts["card"]["zh"] == facts["data"]["licence"] == "TODO"
    assert [metric["name"] for metric in facts["metric"]] == ["test/accuracy", "test/loss"]


def test_its_pages_keep_every_heading_and_no_prose(skeleton):
    for page in guides(skeleton):
        other = Page(Path(str(page.path).replace(NAME, "mnist")), skeleton)
        assert [each["anchor"] for each in gate.headings(page)][1:] == [
            each["anchor"] for each in gate.headings(other)
        ][1:]
        text = page.path.read_text("utf-8")
        assert text.count("<!-- TODO: ") >= len(gate.headings(page)) and "{{" not in text
        assert "FedAvgScheduler" in text or page.path.stem.endswith("-program")  # an annotation explains it
        assert "scikit-learn" not in text and "<svg" not in text  # prose, a figure


@pytest.mark.parametrize(
    ("name", "titles", "like", "words"),
    [
        ("heart-sounds", TITLES, "mnist", "'heart-sounds' cannot be an example's name"),
        ("class", TITLES, "mnist", "cannot be an example's name"),
        ("mnist", TITLES, "mnist", "src/alphamed_tutorials/examples/mnist exists already"),
        ("own_code", TITLES, "mnist", "snippets/own_code exists already"),
        ("heart", TITLES, "cifar", "there is no example cifar: --like takes one of .*language_modeling, mnist"),
        ("heart", {"zh": "Heart", "en": "Heart"}, "mnist", "--title-zh needs a Chinese title"),
        ("heart", {"zh": "心音", "en": "Heart {sounds}"}, "mnist", "a title is plain words"),
    ],
)
def test_what_will_not_do_is_refused(repository, name, titles, like, words):
    with pytest.raises(WrongUse, match=words):
        add_example(repository, name, titles, like)


@pytest.mark.parametrize("moved", [0, 5, 30])
def test_an_interruption_leaves_nothing(repository, tmp_path, monkeypatch, moved):
    root = shutil.copytree(repository, tmp_path / "root")
    before, replace, done = tree(root), os.replace, []

    def stop(source, target):
        if len(done) == moved:
            raise KeyboardInterrupt
        done.append(target)
        replace(source, target)

    monkeypatch.setattr(adding.os, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        add_example(root, NAME, TITLES)
    assert len(done) == moved and tree(root) == before
    assert not [folder for folder in root.rglob(f"*{NAME}*") if folder.is_dir()]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["new", NAME, "--page"], "go together"),
        (["new", NAME, "--title-zh", "心音"], "go together"),
        (["new", NAME, "--page", "--title-zh", "心音", "--title-en", "Heart"], "is not in the project's repository"),
        (["check", "mnist", "--page"], "is not in the project's repository"),
        (["check", "mnist", "--page", "--data", "data"], "leave out data and settings"),
    ],
)
def test_wrong_use_of_the_commands_is_one_message(playground, arguments, words):
    finished = playground(*arguments)
    assert finished.code == 2 and words in " ".join(finished.err.split())


def test_a_repository_whose_code_does_not_run_is_refused(playground, repository, monkeypatch):
    monkeypatch.chdir(repository / "docs")
    finished = playground("new", NAME, "--page", "--title-zh", "心音", "--title-en", "Heart")
    assert finished.code == 2 and f"not the code of {repository}" in " ".join(finished.err.split())


def test_the_repository_is_found_from_any_folder_in_it(monkeypatch):
    monkeypatch.setattr(sys, "path", sys.path.copy())
    assert find_repository(Path(__file__).parent) == ROOT


@pytest.mark.soak
@pytest.mark.parametrize("like", OTHERS)
def test_every_example_can_be_copied(repository, tmp_path, like):
    root = shutil.copytree(repository, tmp_path / "root")
    add_example(root, "my_heart_sounds_two", TITLES, like)
    assert_green(root, "my_heart_sounds_two", gate.PAGE_RULES)
