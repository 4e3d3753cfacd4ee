"""What holds for every example's data: how they are prepared, and what `DatasetVerify` says of good and bad ones."""

import ast
import io
import json
import os
import shutil
from pathlib import Path

import pytest
from contributions import contribution_of
from verifying import assert_locked_is_refused, check, open_folder

from alphamed_tutorials.catalogue import find_all
from alphamed_tutorials.data.prepare import prepare
from alphamed_tutorials.data.verify import verify
from alphamed_tutorials.errors import TutorialError


def largest_file(folder: Path) -> Path:
    """Return the file that most of a node's data lie in."""
    return max(
        (file for file in folder.rglob("*") if file.is_file()), key=lambda file: (file.stat().st_size, file.name)
    )


def contents(data: Path) -> dict[Path, bytes]:
    """Return what lies in the nodes' folders."""
    return {path.relative_to(data): path.read_bytes() for path in (data / "nodes").rglob("*") if path.is_file()}


def change(file: Path, content: bytes) -> None:
    """Write a file anew: prepared files may be links to their source."""
    file.unlink()
    file.write_bytes(content)


DAMAGES = {
    "missing": lambda file: file.unlink(),
    "empty": lambda file: change(file, b""),
    "cut off": lambda file: change(file, file.read_bytes()[: file.stat().st_size // 2]),
    "zeros": lambda file: change(file, bytes(file.stat().st_size)),
    "web page": lambda file: change(file, b"\xef\xbb\xbf\r\n <!DOCTYPE html><html>Please log in</html>"),
}


@pytest.fixture
def node(small, tmp_path) -> Path:
    """Return a copy of a data owner's folder, to be damaged."""
    return shutil.copytree(small / "nodes/node1", tmp_path / "node")


def test_prepared_data_is_sound_on_every_node(example, small):
    verdicts = verify(example, small)
    assert list(verdicts) == ["aggregator", "node1", "node2"]
    assert [verdict["reason"] for verdict in verdicts.values() if not verdict["ok"]] == []


def test_what_is_verified_is_what_is_trained_on(example):
    assert example.verify_class.data_dir == example.scheduler_class.data_dir


def test_the_facts_of_prepared_data_name_every_node_and_class(example, small):
    facts = json.loads((small / "prepare.json").read_text("utf-8"))
    assert {node: list(splits) for node, splits in facts["counts"].items()} == {
        "aggregator": ["test"], "node1": ["train"], "node2": ["train"],
    }  # fmt: skip
    assert all(sum(classes.values()) for splits in facts["counts"].values() for classes in splits.values())
    assert facts["data"] == example.facts.data.name


@pytest.fixture(scope="module")
def source(small, tmp_path_factory) -> Path:
    """Return a small data set that is whole, in its original layout: what the nodes have, put together."""
    folder = tmp_path_factory.mktemp("source") / "source"
    for name in ("node1", "node2", "aggregator"):
        shutil.copytree(small / "nodes" / name, folder, dirs_exist_ok=True)
    return folder


def test_the_same_seed_gives_the_same_bytes_and_another_one_other(example, source, tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4), ("d", 5)):
        prepare(example, tmp_path / name, 2, source=source, seed=seed)
    a, b, c, d = (contents(tmp_path / name) for name in "abcd")
    assert a and a == b and not a == c == d  # of a few samples, one other seed may make the same choice


def test_a_damaged_source_is_refused_by_name_and_nothing_is_written(example, source, tmp_path):
    damaged = shutil.copytree(source, tmp_path / "source")
    file = largest_file(damaged)
    DAMAGES["web page"](file)
    with pytest.raises(TutorialError, match=file.name):
        prepare(example, tmp_path / "data", 2, source=damaged)
    assert os.listdir(tmp_path) == ["source"]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_data_is_refused_with_the_file(example, node, damage):
    if damage in contribution_of(example.name).unnoticed:
        pytest.skip(f"{example.name} does not know how many files there should be")
    assert check(example.verify_class, node)[0]
    file = largest_file(node)
    DAMAGES[damage](file)
    ok, text = check(example.verify_class, node)
    assert ok is False and str(file) in text and "Traceback" not in text


def test_a_flood_of_faults_is_cut(example, node):
    file = largest_file(node)
    for i in range(40):
        (file.parent / f"{i}{file.name}").write_bytes(b"nothing")
    DAMAGES["empty"](file)
    ok, text = check(example.verify_class, node)
    lines = text.splitlines()
    assert not ok and len(lines) <= 21 and (len(lines) < 21 or " more problems" in lines[-1])


def test_a_name_with_a_line_break_stays_in_its_line(example, node):
    place = node.rename(node.with_name("two\nlines"))
    file = largest_file(place)
    DAMAGES["web page"](file)
    ok, text = check(example.verify_class, place)
    assert not ok and str(file).replace("\n", "\\n") in text
    assert all(line.startswith("hospital: ") for line in text.splitlines())


SHARED = {
    "logger", "MOST_LINES", "GIVE_ACCESS", "IN_THE_WAY", "COPY_AGAIN", "MEND_FIRST", "DataError", "unreadable", "shown",
    "__init__", "run",
}  # fmt: skip


def test_what_each_dataset_verify_repeats_is_the_same_everywhere():
    """Each travels alone, so what they share cannot be imported from one place."""
    found: dict[str, set[str]] = {}
    for example in find_all():
        tree = ast.parse((example.folder / "dataset_verify.py").read_text("utf-8"))
        for part in [*tree.body, *tree.body[-1].body]:
            name = part.targets[0].id if isinstance(part, ast.Assign) else getattr(part, "name", "")
            if name in SHARED:
                found.setdefault(name, set()).add(ast.dump(part))
    assert set(found) == SHARED and [name for name, forms in found.items() if len(forms) > 1] == []


def test_a_missing_or_empty_folder_is_refused_with_its_name(example, tmp_path):
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "empty", tmp_path / "nobody"):
        ok, text = check(example.verify_class, folder)
        assert ok is False and str(folder) in text and "Traceback" not in text


def test_a_locked_file_is_refused(example, small):
    with open_folder() as folder:
        place = shutil.copytree(small / "nodes/node1", folder / "node")
        assert_locked_is_refused(example.verify_class, place, str(largest_file(place).relative_to(place)))


def test_the_unforeseen_is_a_refusal_too(example, node, monkeypatch):
    def break_down(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr(io, "open", break_down)  # what pathlib calls
    monkeypatch.setattr("builtins.open", break_down)
    ok, text = check(example.verify_class, node)
    monkeypatch.undo()
    assert ok is False and text.startswith("hospital: ") and "ZeroDivisionError" in text
