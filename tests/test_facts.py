"""Every mistake in an `example.toml` is named with file and key in one line, and harms no other example."""

import shutil

import pytest

from alphamed_tutorials import catalogue
from alphamed_tutorials.catalogue import find, find_all, find_damaged
from alphamed_tutorials.facts import FactsError, facts_of, read_facts

SOUND = """
order = 6
requirements = ["pandas"]

[title]
zh = "宠物"
en = "Pets"

[data]
name = "Pets"

[run]
nodes = 2

[[metric]]
name = "test/accuracy"
zh = "准确率"
en = "Accuracy"
format = ".1%"

[[experiment]]
name = "iid"
partition = "iid"
nodes = 2
rounds = 3
seed = 1

[[download]]
path = "pets.zip"
urls = ["https://example.org/pets.zip"]
checksum = "md5:f68b3c2dcbeaaa9fbdd348bbdeb94873"
size = 9
"""
AGAIN = '\n[[experiment]]\nname = "iid"\npartition = "owners"\nnodes = 2\nrounds = 3\nseed = 1\n\n[[download]]'
MISTAKES = {
    "an unknown key": ("order = 6", "ordre = 6", "ordre: Extra inputs are not permitted"),
    "an unknown key in a table": ("nodes = 2\n\n", "node = 2\n\n", "run.node: Extra inputs are not permitted"),
    "an old name": ("[[experiment]]", "[[record]]", "record: Extra inputs are not permitted"),
    "no title": ('[title]\nzh = "宠物"\nen = "Pets"', "", "title: Field required"),
    "no Chinese title": ('zh = "宠物"', "", "title.zh: Field required"),
    "an empty title": ('en = "Pets"', 'en = ""', "title.en: String should have at least 1 character"),
    "no data": ('[data]\nname = "Pets"', "", "data: Field required"),
    "no name of the data": ('[data]\nname = "Pets"', "[data]", "data.name: Field required"),
    "a word for a number": ("order = 6", 'order = "first"', "order: Input should be a valid integer"),
    "no node": ("nodes = 2\n\n[[metric", "nodes = 0\n\n[[metric", "run.nodes: Input should be greater than 0"),
    "half a round": ("rounds = 3", "rounds = 2.5", "experiment.0.rounds: Input should be a valid integer"),
    "a seed below zero": ("seed = 1", "seed = -1", "experiment.0.seed: Input should be greater than or equal to 0"),
    "an experiment without rounds": ("rounds = 3", "", "experiment.0.rounds: Field required"),
    "two experiments of one name": ("[[download]]", AGAIN, "experiment: Value error, iid is there twice"),
    "a metric without a name": ('name = "test/accuracy"', "", "metric.0.name: Field required"),
    "a format that is none": ('".1%"', '".1x"', "metric.0.format: Value error"),
    "a table for tables": ("[[metric]]", "[metric]", "metric: Input should be a valid tuple"),
    "no address": ('["https://example.org/pets.zip"]', "[]", "download.0.urls: List should have at least 1 item"),
    "a checksum of no kind": ("md5:f68b", "f68b", "download.0.checksum: Value error, 'f68b"),
    "no size": ("size = 9", "size = 0", "download.0.size: Input should be greater than 0"),
    "no TOML": ("order = 6", "order = ", "is damaged: Invalid value"),
    "a key twice": ("order = 6", "order = 6\norder = 7", "is damaged: Cannot overwrite a value"),
    "another encoding": ("宠物", b"\xb3\xe8\xce\xef", "is no UTF-8 text: save it as UTF-8"),
    "UTF-16": ("order", "order".encode("utf-16"), "is no UTF-8 text: save it as UTF-8"),
    "brackets without end": ("order = 6", "order = " + "[" * 5000, "is damaged: "),
    "a path that climbs out": ('path = "', 'path = "../../', "must stay below the data folder: name a file in it"),
    "a path of Windows": ('path = "', 'path = "C:\\\\', "must stay below the data folder: name a file in it"),
    "no checksum": ("checksum = ", "checksums = ", "download.0.checksum: Field required"),
    "an unknown checksum": ("md5:", "sha512:", "must begin with md5: or sha256:"),
}


def write(file, old="", new=""):
    assert old in SOUND
    before, after = (part.encode() for part in SOUND.split(old, 1)) if old else (SOUND.encode(), b"")
    file.write_bytes(before + (new if isinstance(new, bytes) else new.encode()) + after)
    return file


def test_a_sound_file_is_read(tmp_path):
    facts = read_facts(write(tmp_path / "example.toml"))
    assert facts.order == 6 and facts.title.zh == "宠物" and facts.run.nodes == 2 and facts.run.rounds is None
    assert facts.metrics == ["test/accuracy"] and facts.experiment[0].partition == "iid"
    assert facts.requirements == ("pandas",) and facts.download[0].size == 9


def test_a_byte_order_mark_is_no_mistake(tmp_path):
    file = tmp_path / "example.toml"
    file.write_text(SOUND, encoding="utf-8-sig")
    assert read_facts(file).order == 6


@pytest.mark.parametrize("name", MISTAKES)
def test_every_mistake_is_named_with_file_and_key_in_one_line(tmp_path, name):
    old, new, text = MISTAKES[name]
    file = write(tmp_path / "example.toml", old, new)
    with pytest.raises(FactsError) as error:
        read_facts(file)
    assert str(error.value).startswith(f"{file} ") and text in str(error.value) and "\n" not in str(error.value)


def test_all_mistakes_are_said_at_once(tmp_path):
    file = tmp_path / "example.toml"
    file.write_text("ordre = 6\n[run]\nnodes = 0\n")
    with pytest.raises(FactsError, match=r"title: .*; data: .*; run.nodes: .*; ordre: "):
        read_facts(file)


def test_without_a_file_the_name_is_the_title():
    facts = facts_of("pets")
    assert facts.title.en == "pets" and facts.data.name == "" and facts.run.nodes == 3 and not facts.metrics


# ---- one damaged folder among others


@pytest.fixture
def examples(tmp_path, monkeypatch):
    """Return a copy of the folder of examples in which one is damaged and one has no order."""
    folder = tmp_path / "examples"
    for example in find_all():
        shutil.copytree(example.folder, folder / example.name, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    for name in ("damaged", "unordered"):
        (folder / name).mkdir()
    write(folder / "damaged" / "example.toml", "order = 6", "ordre = 6")
    write(folder / "unordered" / "example.toml", "order = 6", "")
    monkeypatch.setattr(catalogue, "EXAMPLES", folder)
    return folder


def test_a_damaged_example_takes_no_other_down(examples):
    ours = [name for name in sorted(path.name for path in examples.iterdir()) if name not in ("damaged", "unordered")]
    names = [example.name for example in find_all()]
    assert sorted(names[:-1]) == ours and len(ours) > 1
    assert names[-1] == "unordered"  # comes last
    assert list(find_damaged()) == ["damaged"]


def test_the_list_says_which_one_is_damaged_and_why(examples, playground):
    finished = playground("list", "--json")
    assert finished.code == 0 and len(finished.json["examples"]) == len(find_all())
    assert "ordre: Extra inputs are not permitted" in finished.json["damaged"]["damaged"]
    finished = playground("list")
    said = " ".join((finished.out + finished.err).split())
    assert finished.code == 0 and "damaged is damaged and left out:" in said and "mnist" in said


def test_a_damaged_example_that_is_asked_for_says_why(examples):
    with pytest.raises(FactsError, match="ordre: Extra inputs"):
        _ = find("damaged").facts


# ---- ours


def test_our_examples_have_an_order_each_has_its_own():
    orders = [example.facts.order for example in find_all()]
    assert None not in orders and len(set(orders)) == len(orders) and orders == sorted(orders)
    assert not find_damaged()


@pytest.mark.parametrize("example", find_all(), ids=lambda example: example.name)
def test_our_examples_say_what_the_site_shows(example):
    facts = example.facts
    assert facts.data.source and facts.data.licence and facts.data.embedded
    assert facts.metric and facts.experiment
    assert facts.download or facts.data.embedded.startswith("the data set itself")
