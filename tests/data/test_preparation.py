"""A prepared data folder is there as a whole or not at all, whatever the target's own `prepare.py` does."""

import ast
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from alphamed_tutorials.catalogue import find_all
from alphamed_tutorials.data import limits
from alphamed_tutorials.data.folders import find_nodes, prepared_facts
from alphamed_tutorials.data.prepare import prepare
from alphamed_tutorials.data.samples import link
from alphamed_tutorials.errors import TutorialError, WrongUse
from alphamed_tutorials.runs.plots import plot_counts

# Six pets of two owners for training and three for testing, each a line of a file.
PREPARE = '''
from pathlib import Path

class DataError(ValueError):
    """Lines about the source."""

def read(source, scratch):
    assert source is None or list(Path(source).iterdir()), "a source is a folder"
    assert scratch.is_dir() and not list(scratch.iterdir())
    pets = ["猫 a", "猫 b", "dog a", "dog b", "dog c", "dog d"]
    owners = ["Penn", "Fudan"] * 3
    train = {"items": pets, "labels": [pet.split()[0] for pet in pets], "owners": owners}
    return {"train": train, "test": {"items": ["猫 x", "猫 y", "dog z"]}}

def write(folder, split, items, link):
    (folder / f"{split}.txt").write_text("\\n".join(items), encoding="utf-8")
    return {name: sum(item.startswith(name) for item in items) for name in ("猫", "dog")}
'''


@pytest.fixture
def pets(tmp_path):
    """Return a function that writes a target with a changed `prepare.py` and returns its folder."""
    folder = tmp_path / "pets"
    folder.mkdir()

    def make(old="", new=""):
        assert old in PREPARE
        (folder / "prepare.py").write_text(PREPARE.replace(old, new, 1) if old else PREPARE, encoding="utf-8")
        return folder

    yield make
    for name in [name for name in sys.modules if name == "pets" or name.startswith("pets.")]:
        del sys.modules[name]


def contents(out):
    return {
        str(path.relative_to(out)): path.read_text("utf-8").splitlines() for path in (out / "nodes").glob("*/*.txt")
    }


def left(tmp_path):
    """Return what lies beside the target."""
    return sorted(name for name in os.listdir(tmp_path) if name != "pets")


# ---- what is written


def test_writes_data_and_facts(pets, tmp_path):
    out = tmp_path / "deep" / "data"
    facts = prepare(pets(), out, 2, "owners", tmp_path, seed=5)
    assert facts == json.loads((out / "prepare.json").read_text("utf-8"))
    assert facts == {
        "example": "pets",
        "data": "",
        "nodes": 2,
        "partition": "owners",
        "seed": 5,
        "source": str(tmp_path),
        "counts": {
            "aggregator": {"test": {"猫": 2, "dog": 1}},
            "node1": {"train": {"猫": 1, "dog": 2}},
            "node2": {"train": {"猫": 1, "dog": 2}},
        },
    }
    found = contents(out)
    assert found.pop("nodes/aggregator/test.txt") == ["猫 x", "猫 y", "dog z"]
    parts = {tuple(lines) for lines in found.values()}
    assert parts == {("猫 a", "dog a", "dog c"), ("猫 b", "dog b", "dog d")}
    assert os.listdir(tmp_path / "deep") == ["data"]


def test_names_with_chinese_letters_and_blanks(pets, tmp_path):
    out = tmp_path / "我的 数据" / "第 一 份"
    prepare(pets(), out, 1)
    assert sorted(contents(out)) == ["nodes/aggregator/test.txt", "nodes/node1/train.txt"]


def test_scratch_lies_on_the_disk_of_the_result_and_is_gone_afterwards(pets, tmp_path):
    there = (
        f"    assert scratch.resolve().is_relative_to({str(tmp_path)!r})\n    (scratch / 'clip').touch()\n    pets ="
    )
    folder = pets("    pets =", there)
    prepare(folder, tmp_path / "data", 1)
    assert left(tmp_path) == ["data"]
    assert not list((tmp_path / "data").rglob("clip"))


@pytest.mark.parametrize("kind", ["folder", "full folder", "file", "dangling link"])
def test_what_exists_stays_as_it_is(pets, tmp_path, kind):
    folder, out = pets(), tmp_path / "data"
    if kind == "file":
        out.write_text("mine")
    elif kind == "dangling link":
        out.symlink_to("nowhere")
    else:
        out.mkdir()
    if kind == "full folder":
        (out / "mine").write_text("mine")
    before = sorted(map(str, tmp_path.rglob("*")))
    with pytest.raises(WrongUse, match="data exists already"):
        prepare(folder, out)
    assert sorted(map(str, tmp_path.rglob("*"))) == before


def test_what_appears_meanwhile_stays_as_it_is(pets, tmp_path):
    folder = pets("    pets =", f"    Path({str(tmp_path)!r}, 'data', 'mine').mkdir(parents=True)\n    pets =")
    with pytest.raises(WrongUse, match="data exists already"):
        prepare(folder, tmp_path / "data")
    assert left(tmp_path) == ["data"] and os.listdir(tmp_path / "data") == ["mine"]


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"num_nodes": 0}, "0 nodes"),
        ({"num_nodes": -3}, "-3 nodes"),
        ({"seed": -1}, "-1 is no seed"),
        ({"source": Path("no/such")}, "no/such"),
        ({"partition": "even"}, '"even" is not a partition'),
        ({"partition": "skew:1", "num_nodes": 3}, "skew:1 leaves node 3 without a sample"),
        ({"num_nodes": 7}, "6 samples cannot be split over 7 nodes"),
    ],
)
def test_wrong_arguments(pets, tmp_path, wrong, text):
    with pytest.raises(WrongUse, match=text):
        prepare(pets(), tmp_path / "data", **wrong)
    assert left(tmp_path) == []


def test_a_target_that_has_no_data_of_its_own_says_so(pets, tmp_path):
    (pets() / "prepare.py").rename(tmp_path / "pets" / "scheduler.py")
    with pytest.raises(WrongUse, match="pets has no prepare.py"):
        prepare(tmp_path / "pets", tmp_path / "data")
    assert left(tmp_path) == []


# ---- interruptions


@pytest.mark.parametrize("place", ["    pets =", "    (folder /"])
def test_an_interruption_leaves_nothing(pets, tmp_path, place):
    with pytest.raises(KeyboardInterrupt):
        prepare(pets(place, f"    raise KeyboardInterrupt\n{place}"), tmp_path / "data")
    assert left(tmp_path) == []


@pytest.mark.parametrize("error", ["SystemExit", "RuntimeError", "OSError", "ValueError"])
@pytest.mark.parametrize("place", ["    pets =", "    (folder /"])
def test_an_error_in_the_targets_code_is_said_with_its_line_and_leaves_nothing(pets, tmp_path, place, error):
    folder = pets(place, f"    raise {error}('broken')\n{place}")
    line = (folder / "prepare.py").read_text("utf-8").splitlines().index(f"    raise {error}('broken')") + 1
    with pytest.raises(TutorialError) as raised:
        prepare(folder, tmp_path / "deep" / "data")
    assert str(raised.value).startswith(f"{folder / 'prepare.py'}, line {line}: {error}: broken")
    assert left(tmp_path) == []


def test_a_data_error_is_the_sources_fault_and_each_problem_is_said_once(pets, tmp_path):
    folder = pets("    pets =", "    raise DataError('a: torn\\nb: gone\\na: torn')\n    pets =")
    with pytest.raises(TutorialError) as raised:
        prepare(folder, tmp_path / "data", source=tmp_path)
    assert str(raised.value) == "the source cannot be used:\na: torn\nb: gone"
    assert left(tmp_path) == []


def test_what_is_wrong_in_an_archive_is_said_of_the_archive(pets, tmp_path):
    folder = pets("    pets =", "    raise DataError(f'{source}/b: gone')\n    pets =")
    archive = shutil.make_archive(str(tmp_path / "set"), "zip", folder)
    with pytest.raises(TutorialError) as raised:
        prepare(folder, tmp_path / "data", source=archive)
    assert str(raised.value) == f"the source cannot be used:\n{archive}/b: gone"
    assert left(tmp_path) == ["set.zip"]


def test_what_a_kill_leaves_is_in_nobodys_way(pets, tmp_path):
    folder = pets("    return {name", "    import time; time.sleep(60)\n    return {name")
    program = "import sys; from alphamed_tutorials.data.prepare import prepare; prepare(*sys.argv[1:3])"
    out = tmp_path / "data"
    process = subprocess.Popen([sys.executable, "-c", program, str(folder), str(out)])
    deadline = time.monotonic() + 60
    while not any(tmp_path.glob(".data.*/data/nodes/aggregator/test.txt")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    (leftover,) = left(tmp_path)
    assert leftover.startswith(".")
    with pytest.raises(WrongUse):
        find_nodes(out)
    prepare(pets(), out, 1)
    assert set(find_nodes(out)) == {"aggregator", "node1"}


# ---- what `read` and `write` should return

READ = '{"train": train, "test": {"items": ["猫 x", "猫 y", "dog z"]}}'
COUNTS = '{name: sum(item.startswith(name) for item in items) for name in ("猫", "dog")}'
TRAIN = '{"items": pets, "labels": [pet.split()[0] for pet in pets], "owners": owners}'
WRONG = {
    "nothing": (READ, "None", "read() returned None: return a dictionary with the two splits train and test"),
    "a tuple": (READ, "(train, train)", "read() returned a tuple: return a dictionary with the two splits"),
    "no test": (READ, '{"train": train}', "read() returned a dict with the keys train: return"),
    "another split": (READ, '{"train": train, "test": train, "val": train}', "with the keys train, test, val: return"),
    "a list for a split": (READ, '{"train": pets, "test": train}', "read() returned for train a list: return a dict"),
    "another key": (TRAIN, '{"items": pets, "label": pets}', "read() returned for train label, which has no meaning"),
    "owners of test": (
        READ,
        '{"train": train, "test": train}',
        "read() returned for test owners, which has no meaning",
    ),
    "no items": (TRAIN, '{"labels": pets}', "read() returned for train items that are None: give a list or an array"),
    "a generator": (TRAIN, '{"items": (pet for pet in pets), "labels": pets}', "items that are a generator: give a"),
    "a text": (TRAIN, '{"items": "pets", "labels": pets}', "items that are a str: give a list"),
    "empty": (READ, '{"train": train, "test": {"items": []}}', "read() returned for test no item: without"),
    "no labels": (TRAIN, '{"items": pets}', "read() returned for train no labels: give the class of each item"),
    "few labels": (TRAIN, '{"items": pets, "labels": pets[:4]}', "labels, 4 of them for 6 items: give one for each"),
    "ragged labels": (TRAIN, '{"items": pets, "labels": [[1], [2, 3]] * 3}', "labels that are a list: give one number"),
    "labels of None": (TRAIN, '{"items": pets, "labels": [None] * 6}', "labels that are a list: give one number or"),
    "a table of labels": (TRAIN, '{"items": pets, "labels": [[1]] * 6}', "labels that are a list: give one number or"),
    "few owners": (TRAIN, '{"items": pets, "labels": pets, "owners": [1]}', "owners, 1 of them for 6 items: give one"),
    "no counts": (COUNTS, "None", "write() returned None: return the number of samples by class, as in {'cat': 12"),
    "a number": (COUNTS, "len(items)", "write() returned a int: return the number of samples by class"),
    "lists of names": (COUNTS, '{"猫": items}', "write() returned a dict with the keys 猫: return the number"),
    "no file": ('(folder / f"{split}.txt").write_text("\\n".join(items), encoding="utf-8")', "pass", "wrote no file"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_not_as_expected_is_named_with_file_and_function(pets, tmp_path, name):
    old, new, text = WRONG[name]
    folder = pets(old, new)
    with pytest.raises(TutorialError) as raised:
        prepare(folder, tmp_path / "data")
    assert str(raised.value).startswith(f"{folder / 'prepare.py'}: ") and text in str(raised.value)
    assert left(tmp_path) == []


@pytest.mark.parametrize("name", ["read", "write"])
def test_a_missing_function_is_named(pets, tmp_path, name):
    with pytest.raises(TutorialError, match=f"prepare.py defines no {name}"):
        prepare(pets(f"def {name}(", f"def {name}_it("), tmp_path / "data")
    assert left(tmp_path) == []


def test_owners_where_there_are_none(pets, tmp_path):
    with pytest.raises(WrongUse, match="this data set knows no owners"):
        prepare(pets(', "owners": owners', ""), tmp_path / "data", 2, "owners")


# ---- links


def test_a_link_shares_the_file_a_link_to_it_too(tmp_path):
    (tmp_path / "file").write_text("data")
    (tmp_path / "way").symlink_to("file")
    link(tmp_path / "way", tmp_path / "target")
    assert (tmp_path / "target").samefile(tmp_path / "file") and not (tmp_path / "target").is_symlink()


def test_a_disk_without_links_gets_copies(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError("Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "file").write_text("data")
    link(tmp_path / "file", tmp_path / "target")
    assert (tmp_path / "target").read_text() == "data" and not (tmp_path / "target").samefile(tmp_path / "file")


def test_a_second_file_of_one_name_never_changes_the_first_ones_source(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
    link(tmp_path / "one", tmp_path / "target")
    with pytest.raises(FileExistsError):
        link(tmp_path / "two", tmp_path / "target")
    assert (tmp_path / "one").read_text() == "one"


# ---- our examples


@pytest.mark.parametrize("example", find_all(), ids=lambda example: example.name)
def test_nothing_in_an_example_imports_from_our_package(example):
    for file in example.folder.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_bytes())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                assert node.level < 2, f"{file.name} reaches out of its folder in line {node.lineno}"
                names.append(node.module or "")
            assert not [name for name in names if name.partition(".")[0] == "alphamed_tutorials"], file.name


def test_a_source_with_thousands_of_faults_is_refused_in_some_lines(pets, tmp_path):
    folder = pets(
        "    assert source is None",
        "    raise DataError('\\n'.join(f'\\x1b[31m{i}: bad' for i in range(5000)))\n    assert source",
    )
    with pytest.raises(TutorialError) as error:
        prepare(folder, tmp_path / "data", source=tmp_path)
    lines = str(error.value).splitlines()
    assert len(lines) == limits.MOST_LINES + 1 and lines[0] == "the source cannot be used:"
    assert lines[1] == r"\x1b[31m0: bad" and lines[-1] == f"{5001 - limits.MOST_LINES} more problems: mend these first"


def test_a_source_whose_name_is_in_another_encoding(pets, tmp_path):
    source = tmp_path / os.fsdecode("数据".encode("gbk"))
    source.mkdir()
    (source / "x").touch()
    prepare(pets(), tmp_path / "data", 2, "owners", source)
    assert prepared_facts(tmp_path / "data")["source"] == str(source)


# ---- prepare.json, as somebody's editor left it

SOUND = '{"data": "MNIST", "source": null}'
DAMAGED = {
    "cut off": (SOUND[:20].encode(), "is damaged .* remove this file"),
    "UTF-16": (SOUND.encode("utf-16"), "is no UTF-8 text: save it as UTF-8"),
    "GBK": ('{"data": "数据"}'.encode("gbk"), "is no UTF-8 text: save it as UTF-8"),
    "a list": (b"[[1, 2]]", "it holds no object.*remove this file"),
    "brackets without end": (b"[" * 200_000, "is damaged .* remove this file"),
    "nothing": (b"", "is damaged .* remove this file"),
}


def test_a_byte_order_mark_is_no_mistake(tmp_path):
    (tmp_path / "prepare.json").write_text(SOUND, "utf-8-sig")
    assert prepared_facts(tmp_path)["data"] == "MNIST"


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_facts_are_named_and_the_advice_helps(tmp_path, name):
    content, text = DAMAGED[name]
    file = tmp_path / "prepare.json"
    file.write_bytes(content)
    with pytest.raises(WrongUse, match=text) as error:
        prepared_facts(tmp_path)
    assert str(file) in str(error.value)
    if "save it" in text:
        file.write_text(content.decode("utf-16" if name == "UTF-16" else "gbk"), "utf-8")
    else:
        file.unlink()
    prepared_facts(tmp_path)


def test_a_folder_for_the_facts_is_named(tmp_path):
    (tmp_path / "prepare.json").mkdir()
    with pytest.raises(WrongUse, match="prepare.json cannot be read .* or move it away"):
        prepared_facts(tmp_path)


@pytest.mark.parametrize("example", find_all(), ids=lambda example: example.name)
def test_what_is_counted_is_what_was_dealt_out(example, tmp_path):
    totals = set()
    for number in (1, 2):
        facts = prepare(example, tmp_path / str(number), number, seed=number)
        totals.add(sum(sum(splits.get("train", {}).values()) for splits in facts["counts"].values()))
        assert list(find_nodes(tmp_path / str(number))) == list(facts["counts"])
    assert len(totals) == 1 and totals.pop() > 40


def test_picture_shows_every_node_and_class(tmp_path):
    counts = {
        "aggregator": {"test": {"ant": 2, "bee": 3}},
        "hospital": {"train": {"bee": 40}, "validation": {"ant": 1}},
    }
    plot_counts(counts, tmp_path / "counts.svg")
    picture = (tmp_path / "counts.svg").read_text()
    for text in ("aggregator", "hospital", "validation", "ant", "bee", "samples"):
        assert f"<!-- {text} -->" in picture
    plot_counts(counts, tmp_path / "counts.png")
    assert (tmp_path / "counts.png").read_bytes().startswith(b"\x89PNG")
