"""MNIST's data: what `prepare` writes, and what `DatasetVerify` says about good and bad files."""

import gzip
import hashlib
import os
import shutil
import time
from functools import partial

import numpy as np
import pytest
import verifying
from verifying import assert_advice_helps, assert_locked_is_refused, assert_refused, open_folder, restore

from alphamed_tutorials.data.folders import find_nodes
from alphamed_tutorials.data.prepare import prepare as prepare_data
from alphamed_tutorials.errors import TutorialError
from alphamed_tutorials.examples.mnist import prepare as mnist
from alphamed_tutorials.examples.mnist.data import DigitDataset
from alphamed_tutorials.examples.mnist.dataset_verify import DatasetVerify

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def prepare(out, partition="iid", nodes=3, seed=1, source=None):
    return prepare_data("mnist", out, nodes, partition, source, seed)


def idx(array, kind=None, count=None):
    """Return an array as a file in MNIST's format, with a false kind or count if asked."""
    header = kind or bytes([0, 0, 8, array.ndim])
    sizes = (len(array) if count is None else count, *array.shape[1:])
    return header + b"".join(size.to_bytes(4, "big") for size in sizes) + array.astype(np.uint8).tobytes()


def digits(count=20, size=28):
    return np.random.default_rng(0).integers(1, 256, (count, size, size)), np.arange(count) % 10


def write(folder, images, labels, prefix="train", packed=True):
    """Write both files of a split and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in ((f"{prefix}-images-idx3-ubyte", images), (f"{prefix}-labels-idx1-ubyte", labels)):
        content = content if isinstance(content, bytes) else idx(content)
        (folder / (f"{name}.gz" if packed else name)).write_bytes(gzip.compress(content) if packed else content)
    return folder


check = partial(verifying.check, DatasetVerify)


@pytest.fixture
def node(tmp_path):
    """Return a node's data folder with twenty sound digits."""
    write(tmp_path / "MNIST" / "raw", *digits())
    return tmp_path


def raw(node):
    return node / "MNIST" / "raw"


def read(folder, train):
    """Return the images and labels of a node's folder as training sees them."""
    found = DigitDataset(folder, train)
    return found.images.numpy(), found.labels.numpy()


# ---- prepare


def test_embedded_data_is_dealt_out_and_sound(tmp_path):
    facts = prepare(tmp_path / "data", "dirichlet:0.3")
    folders = find_nodes(tmp_path / "data")
    assert list(folders) == ["aggregator", "node1", "node2", "node3"]
    for name, folder in folders.items():
        split = "test" if name == "aggregator" else "train"
        assert check(folder, (split,))[0]
        labels = read(folder, train=split == "train")[1]
        counts = facts["counts"][name][split]
        assert counts == {str(i): int((labels == i).sum()) for i in range(10)}
    assert sum(sum(facts["counts"][name]["train"].values()) for name in ("node1", "node2", "node3")) == 1437
    assert sum(facts["counts"]["aggregator"]["test"].values()) == 360


def test_test_data_is_with_the_aggregator_only_and_training_data_with_owners_only(tmp_path):
    prepare(tmp_path / "data", nodes=2)
    files = {str(path.relative_to(tmp_path / "data")) for path in (tmp_path / "data").rglob("*.gz")}
    assert files == {
        f"nodes/{node}/MNIST/raw/{prefix}-{kind}-ubyte.gz"
        for node, prefix in (("aggregator", "t10k"), ("node1", "train"), ("node2", "train"))
        for kind in ("images-idx3", "labels-idx1")
    }


def test_embedded_digits_look_like_mnist():
    (images, labels), (test_images, test_labels) = mnist.load_embedded()
    assert images.dtype == labels.dtype == np.uint8
    assert images.shape == (1437, 28, 28) and test_images.shape == (360, 28, 28)
    border = images.copy()
    border[:, 4:24, 4:24] = 0
    assert not border.any() and images.max() == 255
    assert 0.08 < images.mean() / 255 < 0.2  # MNIST: 0.13
    assert set(labels) == set(test_labels) == set(range(10))


def test_embedded_digits_are_scaled_without_a_shift():
    from sklearn.datasets import load_digits

    original = load_digits().images
    order = np.random.RandomState(0).permutation(1797)
    images = mnist.load_embedded()[0][0].astype(float)
    for row in (0, 1):  # the centre of mass stays where it was, seen from the picture's centre
        before = (original.sum(2 - row) * (np.arange(8) - 3.5)).sum(1) / original.sum((1, 2)) * 20 / 8
        after = (images.sum(2 - row) * (np.arange(28) - 13.5)).sum(1) / images.sum((1, 2))
        assert np.abs(before[order[:1437]] - after).max() < 0.6


def test_no_digit_is_in_training_and_test(tmp_path):
    prepare(tmp_path / "data", nodes=3)
    folders = find_nodes(tmp_path / "data")
    pictures = [
        hashlib.md5(image.tobytes()).digest()
        for name, folder in folders.items()
        for image in read(folder, train=name != "aggregator")[0]
    ]
    assert len(pictures) == 1797
    assert len(set(pictures)) == len(set(pictures[:360])) + len(set(pictures[360:]))


def test_test_set_depends_on_nothing(tmp_path):
    contents = set()
    for i, (partition, nodes, seed) in enumerate(
        [("iid", 1, 0), ("iid", 3, 0), ("dirichlet:0.3", 3, 0), ("iid", 3, 9)]
    ):
        prepare(tmp_path / str(i), partition, nodes, seed)
        contents.add(b"".join(p.read_bytes() for p in sorted((tmp_path / str(i) / "nodes/aggregator").rglob("*.gz"))))
    assert len(contents) == 1


def test_same_seed_same_bytes(tmp_path, monkeypatch):
    prepare(tmp_path / "a", "dirichlet:0.5")
    monkeypatch.setattr(time, "time", lambda: 2e9)  # gzip writes the time unless it is told not to
    prepare(tmp_path / "b", "dirichlet:0.5")
    prepare(tmp_path / "c", "dirichlet:0.5", seed=2)
    a, b, c = ({p.relative_to(f): p.read_bytes() for p in f.rglob("*.gz")} for f in (tmp_path / x for x in "abc"))
    assert len(a) == 8 and a == b and a.keys() == c.keys() and a != c


@pytest.mark.parametrize("layout", ["MNIST/raw", "raw itself"])
@pytest.mark.parametrize("packed", [True, False])
def test_whole_set_keeps_its_own_split(tmp_path, layout, packed):
    source = tmp_path / "source"
    folder = source / "MNIST" / "raw" if layout == "MNIST/raw" else source
    write(folder, *digits(60), packed=packed)
    test_images, test_labels = digits(15)
    write(folder, test_images[::-1], test_labels[::-1], prefix="t10k", packed=packed)
    prepare(tmp_path / "data", nodes=2, source=source)
    images, labels = read(tmp_path / "data/nodes/aggregator", train=False)
    assert np.array_equal(images, test_images[::-1]) and np.array_equal(labels, test_labels[::-1])
    parts = [read(tmp_path / f"data/nodes/node{i}", train=True) for i in (1, 2)]
    assert sorted(int(image.sum()) for images, _ in parts for image in images) == sorted(digits(60)[0].sum((1, 2)))


@pytest.mark.parametrize("prefix", ["train", "t10k"])
def test_half_a_set_is_split_at_fixed_random(tmp_path, prefix):
    images, labels = digits(50)
    write(tmp_path / "source" / "MNIST" / "raw", images, labels, prefix)
    prepare(tmp_path / "data", nodes=1, source=tmp_path / "source")
    order = np.random.RandomState(0).permutation(50)
    found_images, found_labels = read(tmp_path / "data/nodes/node1", train=True)
    assert np.array_equal(found_images, images[order[:40]]) and np.array_equal(found_labels, labels[order[:40]])
    found_images, found_labels = read(tmp_path / "data/nodes/aggregator", train=False)
    assert np.array_equal(found_images, images[order[40:]]) and np.array_equal(found_labels, labels[order[40:]])


def test_images_keep_their_labels_when_dealt_out(tmp_path):
    images, labels = digits(60)
    images[:, 0, 0] = labels  # so that each image carries its label
    write(tmp_path / "source" / "MNIST" / "raw", images, labels)
    prepare(tmp_path / "data", "dirichlet:0.3", source=tmp_path / "source")
    for name, folder in find_nodes(tmp_path / "data").items():
        found_images, found_labels = read(folder, train=name != "aggregator")
        assert np.array_equal(found_images[:, 0, 0], found_labels)


def test_a_damaged_source_is_refused_with_everything_that_is_wrong(tmp_path):
    folder = write(tmp_path / "source" / "MNIST" / "raw", *digits())
    write(folder, b"<html>no</html>", digits()[1], "t10k")
    (folder / f"{IMAGES}.gz").write_bytes((folder / f"{IMAGES}.gz").read_bytes()[:1000])
    with pytest.raises(TutorialError) as error:
        prepare(tmp_path / "data", source=tmp_path / "source")
    assert f"{IMAGES}.gz: the archive is cut off" in str(error.value)
    assert "t10k-images-idx3-ubyte.gz: is a web page" in str(error.value)
    assert os.listdir(tmp_path) == ["source"]


@pytest.mark.parametrize("there", ["nothing", "images only"])
def test_a_source_without_the_files_is_refused(tmp_path, there):
    folder = write(tmp_path / "source" / "MNIST" / "raw", *digits())
    (folder / f"{LABELS}.gz").unlink()
    if there == "nothing":
        shutil.rmtree(tmp_path / "source" / "MNIST")
    with pytest.raises(TutorialError, match="missing") as error:
        prepare(tmp_path / "data", source=tmp_path / "source")
    assert str(folder) in str(error.value)
    assert os.listdir(tmp_path) == ["source"]


def test_more_nodes_than_digits_is_refused(tmp_path):
    write(tmp_path / "source" / "MNIST" / "raw", *digits(10))
    with pytest.raises(TutorialError, match="8 samples cannot be split over 9 nodes"):
        prepare(tmp_path / "data", nodes=9, source=tmp_path / "source")
    assert os.listdir(tmp_path) == ["source"]


@pytest.mark.real_data
def test_real_digits(tmp_path, shared_data):
    facts = prepare(tmp_path / "data", "dirichlet:0.3", source=shared_data / "mnist")
    folders = find_nodes(tmp_path / "data")
    assert all(check(folder, ("test" if name == "aggregator" else "train",))[0] for name, folder in folders.items())
    numbers = {
        node: sum(n for split in splits.values() for n in split.values()) for node, splits in facts["counts"].items()
    }
    assert numbers.pop("aggregator") == 2000 and sum(numbers.values()) == 8000
    published = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    totals = [sum(next(iter(s.values()))[str(digit)] for s in facts["counts"].values()) for digit in range(10)]
    assert totals == published
    ok, reason = check(shared_data / "mnist", ("test",))
    assert ok and "10000 test images of 10 classes" in reason


# ---- DatasetVerify


@pytest.mark.parametrize("packed", [True, False])
def test_sound_files_are_accepted(tmp_path, packed, caplog):
    write(raw(tmp_path), *digits(), packed=packed)
    write(raw(tmp_path), *digits(7), prefix="t10k", packed=packed)
    ok, reason = check(tmp_path, ("train", "test"))
    assert ok
    assert reason.splitlines() == [
        "hospital: 20 train images of 10 classes are sound (数据可用)",
        "hospital: 7 test images of 7 classes are sound (数据可用)",
    ]


def test_a_node_with_one_class_only_is_accepted(tmp_path):
    write(raw(tmp_path), digits()[0], np.full(20, 9))
    assert check(tmp_path)[0]


def test_only_the_splits_a_node_needs_are_looked_at(node):
    assert check(node)[0]
    assert not check(node, ("test",))[0]
    assert not check(node, ("train", "test"))[0]


def rewrite(name, change):
    """Return a damage: put changed bytes in place of a packed file."""

    def damage(node):
        file = raw(node) / f"{name}.gz"
        file.write_bytes(change(file.read_bytes()))

    return damage


def unpacked(change):
    """Return a change of the bytes inside an archive."""
    return lambda content: gzip.compress(change(gzip.decompress(content)))


def flip_a_bit(content):
    return content[:-20] + bytes([content[-20] ^ 1]) + content[-19:]


def relabel(value):
    return unpacked(lambda content: content[:-1] + bytes([value]))


IMAGE_BYTES = 20 * 28 * 28
PAGE = b"\xef\xbb\xbf\r\n <!DOCTYPE html><html>Please log in</html>"
DAMAGES = {
    "missing folder": (lambda node: shutil.rmtree(raw(node)), "raw", "the folder is missing"),
    "missing data folder": (shutil.rmtree, "raw", "the folder is missing"),
    "missing images": (lambda node: (raw(node) / f"{IMAGES}.gz").unlink(), f"{IMAGES}.gz", "the file is missing"),
    "missing labels": (lambda node: (raw(node) / f"{LABELS}.gz").unlink(), f"{LABELS}.gz", "the file is missing"),
    "truncated gz": (rewrite(IMAGES, lambda content: content[:-100]), f"{IMAGES}.gz", "the archive is cut off"),
    "truncated to nothing": (rewrite(LABELS, lambda content: b""), f"{LABELS}.gz", "0 bytes are too few"),
    "damaged gz": (rewrite(IMAGES, flip_a_bit), f"{IMAGES}.gz", "no sound gzip archive"),
    "damaged inside": (
        rewrite(LABELS, lambda content: content[:10] + b"\7" + content[11:]),
        f"{LABELS}.gz",
        "no sound gzip archive",
    ),
    "web page": (rewrite(LABELS, lambda content: PAGE), f"{LABELS}.gz", "is a web page, not data"),
    "packed web page": (
        rewrite(LABELS, lambda content: gzip.compress(PAGE)),
        f"{LABELS}.gz",
        "is a web page, not data",
    ),
    "wrong magic number": (
        rewrite(IMAGES, unpacked(lambda content: b"\0\0\x0d\3" + content[4:])),
        f"{IMAGES}.gz",
        "starts with 0x00000d03, not 0x00000803",
    ),
    "labels for images": (
        rewrite(IMAGES, unpacked(lambda _: idx(np.zeros(20)))),
        f"{IMAGES}.gz",
        "starts with 0x00000801",
    ),
    "short file": (
        rewrite(IMAGES, unpacked(lambda content: content[:-5])),
        f"{IMAGES}.gz",
        f"{IMAGE_BYTES - 5} bytes follow a header that says {IMAGE_BYTES}",
    ),
    "long file": (
        rewrite(LABELS, unpacked(lambda content: content + b"x")),
        f"{LABELS}.gz",
        "more than 20 bytes follow a header that says 20",
    ),
    "header only": (rewrite(IMAGES, unpacked(lambda content: content[:9])), f"{IMAGES}.gz", "9 bytes are too few"),
    "wrong size": (
        lambda node: write(raw(node), digits(size=8)[0], np.arange(20) % 10),
        f"{IMAGES}.gz",
        "images are (8, 8), not (28, 28)",
    ),
    "empty set": (lambda node: write(raw(node), *(a[:0] for a in digits())), f"{IMAGES}.gz", "holds no sample"),
    "fewer labels": (
        lambda node: write(raw(node), digits()[0], np.arange(9)),
        f"{LABELS}.gz",
        "9 labels for 20 images",
    ),
    "more labels": (
        lambda node: write(raw(node), digits()[0], np.arange(30) % 10),
        f"{LABELS}.gz",
        "30 labels for 20 images",
    ),
    "label 10": (rewrite(LABELS, relabel(10)), f"{LABELS}.gz", "label 10 is not among 0 to 9"),
    "label 255": (rewrite(LABELS, relabel(255)), f"{LABELS}.gz", "label 255 is not among 0 to 9"),
    "zeros at the end": (
        rewrite(IMAGES, unpacked(lambda content: content[: -3 * 784] + bytes(3 * 784))),
        f"{IMAGES}.gz",
        "3 images are blank",
    ),
    "folder for a file": (
        lambda node: ((raw(node) / f"{IMAGES}.gz").unlink(), (raw(node) / IMAGES).mkdir()),
        IMAGES,
        "cannot be read: Is a directory",
    ),
    "more than there can be": (
        rewrite(IMAGES, lambda _: gzip.compress(idx(digits()[0], count=1_000_001))),
        f"{IMAGES}.gz",
        "the header says 1000001 samples, 1000000 is the most",
    ),
    "file for the folder": (
        lambda node: (shutil.rmtree(raw(node)), raw(node).write_text("")),
        f"raw/{IMAGES}",
        "cannot be read: Not a directory",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_bad_data_is_refused_with_node_file_reason_and_advice(node, name, caplog):
    damage, file, reason = DAMAGES[name]
    damage(node)
    assert_refused(DatasetVerify, node, file, reason, caplog)


def scale(path, original, said):
    images = np.frombuffer(gzip.decompress(path.read_bytes())[16:], np.uint8).reshape(-1, 8, 8)
    path.write_bytes(gzip.compress(idx(images.repeat(4, 1).repeat(4, 2)[:, 2:30, 2:30])))


CURES = {
    "Copy MNIST's files there": restore,
    "Copy it there under this name": restore,
    "Download it again": restore,
    "Copy it again": restore,
    "Give this node data": restore,
    "Put MNIST's file of this name there": restore,
    "Use the labels of these images": restore,
    "Copy both files from one place": lambda path, original, said: restore(path.parent, original.parent),
    "Move away what lies there, and put the data in its place": lambda path, original, said: (
        restore(path.parent, original.parent) if path.parent.is_file() else restore(path, original.with_suffix(".gz"))
    ),
    "Scale them first": scale,
}


@pytest.mark.parametrize("name", DAMAGES)
def test_following_the_advice_leads_to_sound_data(node, name):
    assert_advice_helps(DatasetVerify, node, DAMAGES[name][0], CURES)


def test_a_plain_file_is_taken_before_a_packed_one_as_training_does(node):
    (raw(node) / LABELS).write_bytes(idx(np.full(20, 7)))
    assert "1 classes" in check(node)[1]
    assert DigitDataset(node, train=True).labels.unique().tolist() == [7]


NAMES = {
    "plain, named as packed": lambda path: path.write_bytes(gzip.decompress(path.read_bytes())),
    "packed, named as plain": lambda path: path.rename(path.with_suffix("")),
    "unpacked by 7-Zip": lambda path: (
        path.with_name(path.stem.replace("-idx", ".idx")).write_bytes(gzip.decompress(path.read_bytes())),
        path.unlink(),
    ),
    "unpacked into a folder": lambda path: (
        path.with_suffix("").mkdir(),
        path.rename(path.with_suffix("") / path.name),
        shutil.move(path.with_suffix("") / path.name, path.with_name(path.stem.replace("-idx", ".idx"))),
    ),
}


@pytest.mark.parametrize("name", NAMES)
def test_files_are_read_as_they_are_whatever_they_are_called(node, name, tmp_path):
    images = DigitDataset(node, train=True).images
    for file in list(raw(node).iterdir()):
        NAMES[name](file)
    assert check(node)[0]
    assert DigitDataset(node, train=True).images.equal(images)
    prepare(tmp_path / "data", nodes=1, source=node)


def test_a_bomb_takes_no_memory(node, tmp_path):
    import tracemalloc

    for content in (bytes(300 << 20), idx(np.ones((20, 28, 28)))[:4] + bytes(300 << 20)):
        (raw(node) / f"{IMAGES}.gz").write_bytes(gzip.compress(content, 1))
        tracemalloc.start()
        ok, text = check(node)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert not ok and f"{IMAGES}.gz: " in text and peak < 10 << 20


@pytest.mark.parametrize("locked", [f"MNIST/raw/{IMAGES}.gz", "MNIST/raw", "."])
def test_what_may_not_be_read_is_refused(locked):
    with open_folder() as folder:
        write(raw(folder), *digits())
        assert_locked_is_refused(DatasetVerify, folder, locked)


def test_every_problem_is_reported_once(node):
    write(raw(node), digits()[0], np.arange(30))
    write(raw(node), b"<html>", idx(digits()[1], kind=b"\1\2\3\4"), prefix="t10k")
    lines = check(node, ("train", "test"))[1].splitlines()
    assert len(lines) == 4
    for line, part in zip(
        lines, ("30 labels for 20", "label 29", "t10k-images-idx3-ubyte.gz: is a web", "t10k-labels")
    ):
        assert part in line
    shutil.rmtree(raw(node))
    assert len(check(node, ("train", "test"))[1].splitlines()) == 1


def test_the_unforeseen_is_a_refusal_too(node):
    ok, text = check(node, ("validation",))
    assert not ok and text.startswith("hospital: KeyError: 'validation'")
