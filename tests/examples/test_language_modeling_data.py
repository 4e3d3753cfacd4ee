"""WikiText's data: what `prepare` writes, and what `DatasetVerify` says about good and bad files."""

import gzip
import os
from functools import partial

import pytest
import torch
import verifying
from verifying import assert_advice_helps, assert_locked_is_refused, assert_refused, open_folder, remove, restore

from alphamed_tutorials.data.folders import find_nodes
from alphamed_tutorials.data.prepare import prepare
from alphamed_tutorials.errors import TutorialError
from alphamed_tutorials.examples.language_modeling import data as text_data
from alphamed_tutorials.examples.language_modeling import prepare as wikitext
from alphamed_tutorials.examples.language_modeling.dataset_verify import DatasetVerify

FILE = "wiki.train.tokens"


def make(out, partition="iid", nodes=3, seed=1, source=None):
    return prepare("language_modeling", out, nodes, partition, source, seed)


check = partial(verifying.check, DatasetVerify)


def article(number, sentences=12):
    """Return an article of English, no paragraph of which is in another one."""
    text = " \n = Patient {0} = \n \n = = Course of the case = = \n \n"
    for i in range(sentences):
        text += (
            f" The patient of day {i} in ward {{0}} was seen by the doctor and it is on record that the fever fell . \n"
        )
    return text.format(number)


def articles(first=0, count=4):
    return "".join(article(number) for number in range(first, first + count))


@pytest.fixture
def node(tmp_path):
    """Return a node's data folder with sound text."""
    folder = tmp_path / "node"
    folder.mkdir()
    (folder / FILE).write_text(articles(), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def embedded(tmp_path_factory):
    """Return a prepared folder of embedded text, and what `prepare` said."""
    out = tmp_path_factory.mktemp("embedded") / "data"
    return out, make(out, "owners")


def lines_of(folder, split):
    return [line.strip() for line in (folder / f"wiki.{split}.tokens").read_text().split("\n") if line.strip()]


# ---- prepare


def test_embedded_text_is_dealt_out_and_sound(embedded):
    out, facts = embedded
    folders = find_nodes(out)
    assert list(folders) == ["aggregator", "node1", "node2", "node3"]
    for name, folder in folders.items():
        split = "test" if name == "aggregator" else "train"
        assert check(folder, (split,))[0]
        assert facts["counts"][name] == {split: {"tokens": len(text_data.read_tokens(folder / f"wiki.{split}.tokens"))}}


def test_no_article_is_on_two_nodes_and_no_paragraph_in_training_and_test(embedded):
    titles, paragraphs = [], []
    for name, folder in find_nodes(embedded[0]).items():
        lines = lines_of(folder, "test" if name == "aggregator" else "train")
        titles.append({line for line in lines if line.startswith("= ")})
        paragraphs.append({line for line in lines if not line.startswith("= ")})
    assert sum(map(len, titles)) == len(set.union(*titles)) > 50
    assert sum(map(len, paragraphs)) == len(set.union(*paragraphs)) > 500


def test_every_article_is_whole_on_one_node(embedded):
    nodes = [set(lines_of(embedded[0] / "nodes" / name, "train")) for name in ("node1", "node2", "node3")]
    for article in wikitext.load_embedded()[0]:
        assert sorted(bool(set(article) & lines) for lines in nodes) == [False, False, True], article[0]
        assert any(set(article) <= lines for lines in nodes), article[0]


def test_same_seed_same_bytes(embedded, tmp_path):
    make(tmp_path / "again", "owners")
    files = sorted(embedded[0].rglob("*.tokens"))
    assert len(files) == 4
    for file in files:
        assert file.read_bytes() == (tmp_path / "again" / file.relative_to(embedded[0])).read_bytes()


def test_a_source_keeps_its_own_split_and_its_text_line_for_line(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for split, first in (("train", 0), ("valid", 10), ("test", 20)):
        (source / f"wiki.{split}.tokens").write_text(articles(first), encoding="utf-8")
    make(tmp_path / "data", nodes=1, source=source)
    assert (tmp_path / "data/nodes/node1" / FILE).read_text() == (source / FILE).read_text()
    assert lines_of(tmp_path / "data/nodes/aggregator", "test") == lines_of(source, "test")


def test_an_article_that_was_cut_between_two_parts_is_whole_again(tmp_path):
    text = articles(0, 8)
    middle = text.index(" = Patient 4") + text[text.index(" = Patient 4") :].index("of day 5") - 12  # a line's start
    for name, part in (("node1", text[:middle]), ("node2", text[middle:])):
        (tmp_path / "source" / name).mkdir(parents=True)
        for split in ("train", "test"):
            content = part if split == "train" else articles(20 + int(name[-1]) * 10)
            (tmp_path / "source" / name / f"wiki.{split}.tokens").write_text(content, encoding="utf-8")
    make(tmp_path / "data", "owners", 2, source=tmp_path / "source")
    parts = [lines_of(tmp_path / f"data/nodes/node{i}", "train") for i in (1, 2)]
    assert sorted(parts[0] + parts[1]) == sorted(line.strip() for line in text.split("\n") if line.strip())
    for lines in parts:
        assert {line.split("ward ")[1].split()[0] for line in lines if "ward" in line} == {
            line.split()[2] for line in lines if line.startswith("= Patient")
        }


def test_a_damaged_source_is_refused_and_leaves_nothing(tmp_path):
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / FILE).write_text("<html>", encoding="utf-8")
    with pytest.raises(TutorialError, match="wiki.train.tokens: is a web page") as error:
        make(tmp_path / "data", source=tmp_path / "source")
    assert "wiki.test.tokens: the file is missing" in str(error.value)
    assert os.listdir(tmp_path) == ["source"]


@pytest.mark.real_data
def test_real_text(tmp_path, shared_data):
    facts = make(tmp_path / "data", "owners", source=shared_data / "wikitext-2")
    sizes = {node: next(iter(splits.values()))["tokens"] for node, splits in facts["counts"].items()}
    assert 30_000 < sizes.pop("aggregator") <= 40_000 and 570_000 < sum(sizes.values()) <= 600_000
    assert all(
        check(folder, ("test" if name == "aggregator" else "train",))[0]
        for name, folder in find_nodes(tmp_path / "data").items()
    )


@pytest.mark.real_data
@pytest.mark.parametrize("part", ["node1", "node2", "node3"])
def test_the_real_set_is_accepted_whole(shared_data, part):
    ok, reason = check(shared_data / "wikitext-2" / part, ("train", "valid", "test"))
    assert ok, reason


# ---- the vocabulary


def test_equally_frequent_words_have_one_order_everywhere():
    assert text_data.build_vocabulary(["c", "a", "b", "a", "<unk>", "<unk>", "<unk>"], 3) == ["<unk>", "a", "b"]
    assert text_data.encode(["a", "zebra", "b", "<unk>"], ["<unk>", "a", "b"]).tolist() == [1, 0, 2, 0]


@pytest.mark.real_data
def test_the_vocabulary_is_that_of_the_validation_text(shared_data):
    files = [shared_data / "wikitext-2" / node / "wiki.valid.tokens" for node in ("node1", "node2", "node3")]
    tokens = [token for file in files for token in text_data.read_tokens(file)]
    assert text_data.read_words() == text_data.build_vocabulary(tokens, 4000)


def test_a_piece_and_its_targets_are_one_word_apart(node):
    dataset = text_data.TextDataset(node, "train", text_data.read_words())
    tokens, targets = dataset[3]
    assert tokens.shape == targets.shape == (35,) and tokens.dtype == torch.int64
    assert torch.equal(tokens[1:], targets[:-1]) and torch.equal(targets[-1:], dataset[4][0][:1])
    assert len(dataset) == (len(dataset.tokens) - 1) // 35


# ---- DatasetVerify


@pytest.mark.parametrize("change", [
    lambda text: text, lambda text: text.replace("\n", "\r\n"), lambda text: text + " \n \n ", lambda text: "\ufeff" + text,
    lambda text: text.replace("\n", "\r"),
], ids=["as it is", "Windows line ends", "stray blanks", "byte order mark", "old Mac line ends"])  # fmt: skip
def test_sound_text_is_accepted(node, change):
    (node / FILE).write_bytes(change(articles()).encode())
    ok, reason = check(node)
    assert ok and reason.endswith("words of train text are sound (数据可用)"), reason


def rewrite(change):
    """Return a damage: put changed bytes in place of the training text."""

    def damage(node):
        file = node / FILE
        file.write_bytes(change(file.read_bytes()))

    return damage


def without_titles(content):
    return b"\n".join(line for line in content.split(b"\n") if not line.startswith(b" = "))


def german(content):
    line = " Der Patient {} wurde vom Arzt gesehen und das Fieber sank am Abend wieder auf {} Grad ; er schlief dann gut . \n"
    return (" \n = Bericht = \n \n" + "".join(line.format(i, i) for i in range(40))).encode()


def add(split, text):
    return lambda node: (node / f"wiki.{split}.tokens").write_text(text, encoding="utf-8")


DAMAGES = {
    "missing folder": (lambda node: (node / FILE).unlink() or node.rmdir(), "node", "the folder is missing"),
    "missing file": (lambda node: (node / FILE).unlink(), FILE, "the file is missing"),
    "folder for a file": (lambda node: (node / FILE).unlink() or (node / FILE).mkdir(), FILE, "cannot be read: Is a"),
    "empty": (rewrite(lambda content: b""), FILE, "holds no text"),
    "blank": (rewrite(lambda content: b" \n \n"), FILE, "holds no text"),
    "not UTF-8": (rewrite(lambda content: content[:900] + b"\xe9t\xe9" + content[900:]), FILE, "is not UTF-8 in line"),
    "UTF-16": (rewrite(lambda content: content.decode().encode("utf-16")), FILE, "holds a zero byte at 3"),
    "zeros at the end": (rewrite(lambda content: content[:-50] + bytes(50)), FILE, "holds a zero byte"),
    "web page": (rewrite(lambda content: b"\xef\xbb\xbf\n<!DOCTYPE html><html>Log in</html>"), FILE, "is a web page"),
    "packed": (rewrite(gzip.compress), FILE, "is a gzip file, not text"),
    "the archive itself": (rewrite(lambda content: b"PK\x03\x04" + content), FILE, "is a zip file, not text"),
    "half a file": (rewrite(lambda content: content[: len(content) * 3 // 5]), FILE, "breaks off in line"),
    "one endless line": (
        rewrite(lambda content: b" = A = \n" + content.replace(b"\n", b"") * 9 + b"\n"), FILE, "letters (",
    ),
    "no titles": (rewrite(without_titles), FILE, "has no title line"),
    "too short": (rewrite(lambda content: content[:1200].rpartition(b"\n")[0] + b"\n"), FILE, "words are too few"),
    "numbers": (rewrite(lambda content: b" = T = \n" + b"1 2 3 4 \n" * 900), FILE, ": 1 words are too few"),
    "another language": (rewrite(german), FILE, "of the words are common English ones"),
    "unknown words": (rewrite(lambda content: content.replace(b" of ", b" <unk> " * 12)), FILE, "of the words are <unk>"),
    "copied twice": (rewrite(lambda content: content * 2), FILE, "50% of the paragraphs are repetitions"),
    "test text in training": (add("test", articles(3)), FILE, "25% of the paragraphs are in wiki.test.tokens too"),
    "validation is training": (add("valid", articles()), FILE, "100% of the paragraphs are in wiki.valid.tokens too"),
    "another part damaged": (add("valid", "<html>"), "wiki.valid.tokens", "is a web page"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGES)
def test_bad_data_is_refused_with_node_file_reason_and_advice(node, name, caplog):
    damage, file, reason = DAMAGES[name]
    damage(node)
    assert_refused(DatasetVerify, node, file, reason, caplog)


def save_as_utf8(path, original, said):
    content = path.read_bytes()
    path.write_text(content.decode("utf-16" if content[:1] in b"\xff\xfe" else "latin-1").rstrip("\0"), "utf-8")


CURES = {
    "Copy the text files there": restore,
    "Copy it there under this name": restore,
    "Give this node data": restore,
    "Download it again": restore,
    "Use WikiText's layout": restore,
    "Save it as UTF-8": save_as_utf8,
    "Save it as UTF-8, or copy it again": save_as_utf8,
    "Put each paragraph on a line of its own": restore,
    "Use English text, as the vocabulary does": restore,
    "Unpack it first": lambda path, original, said: (
        path.write_bytes(gzip.decompress(path.read_bytes())) if "gzip" in said else restore(path, original)
    ),
    "Copy it again": restore,
    "Give this node more text": restore,
    "Use the original text": restore,
    "Copy the text once": restore,
    "Keep the parts apart": lambda path, original, said: remove(path.with_name(said.split(" are in ")[1].split()[0])),
    "Move away what lies there, and put the data in its place": restore,
}


@pytest.mark.parametrize("name", DAMAGES)
def test_following_the_advice_leads_to_sound_data(node, name):
    assert_advice_helps(DatasetVerify, node, DAMAGES[name][0], CURES)


@pytest.mark.parametrize("locked", [FILE, "."])
def test_what_may_not_be_read_is_refused(locked):
    with open_folder() as folder:
        (folder / FILE).write_text(articles(), encoding="utf-8")
        assert_locked_is_refused(DatasetVerify, folder, locked)


def test_the_unforeseen_is_a_refusal_too(node, monkeypatch):
    monkeypatch.setattr(torch, "tensor", lambda values: 1 / 0)
    ok, text = check(node)
    assert not ok and text.startswith("hospital: ZeroDivisionError")
