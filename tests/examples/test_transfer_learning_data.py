"""Ants and bees: what `prepare` writes, and what `DatasetVerify` says about good and bad pictures."""

import hashlib
import io
import os
import shutil
import zipfile
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import verifying
from PIL import Image
from verifying import assert_advice_helps, assert_locked_is_refused, assert_refused, open_folder, remove, restore

from alphamed_tutorials.data.folders import find_nodes
from alphamed_tutorials.data.prepare import prepare as prepare_data
from alphamed_tutorials.errors import TutorialError
from alphamed_tutorials.examples.transfer_learning import data, dataset_verify, model
from alphamed_tutorials.examples.transfer_learning import prepare as preparing
from alphamed_tutorials.examples.transfer_learning.dataset_verify import DatasetVerify


def prepare(out, partition="iid", nodes=3, seed=1, source=None):
    return prepare_data("transfer_learning", out, nodes, partition, source, seed)


def picture(number=0, size=(64, 48), mode="RGB", form="JPEG", **options):
    """Return the bytes of a picture of random pixels."""
    pixels = np.random.default_rng(number).integers(0, 256, (size[1], size[0], 3), np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(content, form, **options)
    return content.getvalue()


def write(folder, ants=3, bees=4, start=0):
    """Write a split of random pictures and return its folder."""
    for name, count in (("ants", ants), ("bees", bees)):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            start += 1
            (folder / name / f"{i}.jpg").write_bytes(picture(start))
    return folder


check = partial(verifying.check, DatasetVerify)


@pytest.fixture
def node(tmp_path):
    """Return a node's data folder with sound pictures of both splits."""
    write(tmp_path / "train")
    write(tmp_path / "val", start=100)
    return tmp_path


def contents(folder, split):
    """Return the SHA-256 of every picture of a split, by class."""
    return {
        name: Counter(hashlib.sha256(path.read_bytes()).hexdigest() for path in (folder / split / name).iterdir())
        for name in ("ants", "bees")
    }


# ---- prepare


@pytest.mark.parametrize("partition", ["iid", "skew:0.9", "dirichlet:0.5"])
def test_embedded_data_is_dealt_out_and_sound(tmp_path, partition):
    facts = prepare(tmp_path / "data", partition)
    folders = find_nodes(tmp_path / "data")
    assert list(folders) == ["aggregator", "node1", "node2", "node3"]
    for name, folder in folders.items():
        split = "test" if name == "aggregator" else "train"
        assert check(folder, (split,))[0]
        assert os.listdir(folder) == [dataset_verify.FOLDERS[split]]  # test pictures are with the aggregator only
        found = {kind: c.total() for kind, c in contents(folder, dataset_verify.FOLDERS[split]).items()}
        assert facts["counts"][name][split] == found
    assert sum(sum(facts["counts"][f"node{i}"]["train"].values()) for i in (1, 2, 3)) == 84
    assert facts["counts"]["aggregator"]["test"] == {"ants": 18, "bees": 18}


def test_same_seed_same_bytes_another_seed_another_split(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        prepare(tmp_path / name, "dirichlet:0.5", seed=seed)
    a, b, c = ({p.relative_to(f): p.read_bytes() for p in f.rglob("*.jpg")} for f in (tmp_path / x for x in "abc"))
    assert len(a) == 120 and a == b and a != c
    assert contents(tmp_path / "a/nodes/aggregator", "val") == contents(tmp_path / "c/nodes/aggregator", "val")


def test_no_picture_is_on_two_nodes_or_in_training_and_test(tmp_path):
    prepare(tmp_path / "data", "skew:0.9")
    found = [hashlib.sha256(path.read_bytes()).digest() for path in (tmp_path / "data").rglob("*.jpg")]
    assert len(found) == len(set(found)) == 120


@pytest.mark.parametrize("layout", ["itself", "inside", "archive"])
def test_every_official_layout_is_taken(tmp_path, layout):
    folder = tmp_path / "hymenoptera_data"
    write(folder / "train", 9, 9)
    write(folder / "val", start=100)
    (folder / "train/ants/imageNotFound.gif").write_bytes(b"GIF89a")  # as in the official set
    source = folder if layout == "itself" else tmp_path
    if layout == "archive":
        source = tmp_path / "downloads"
        source.mkdir()
        with zipfile.ZipFile(source / "hymenoptera_data.zip", "w") as archive:
            for path in folder.rglob("*"):
                archive.write(path, path.relative_to(tmp_path))
    facts = prepare(tmp_path / "data", nodes=2, source=source)
    nodes = tmp_path / "data/nodes"
    assert contents(nodes / "aggregator", "val") == contents(folder, "val")
    (folder / "train/ants/imageNotFound.gif").unlink()
    parts = [contents(nodes / f"node{i}", "train") for i in (1, 2)]
    assert {name: parts[0][name] + parts[1][name] for name in parts[0]} == contents(folder, "train")
    assert not list(nodes.rglob("*.gif")) and facts["counts"]["aggregator"]["test"] == {"ants": 3, "bees": 4}


def test_pictures_are_linked_where_possible_and_copied_elsewhere(tmp_path, monkeypatch):
    write(tmp_path / "source/train")
    write(tmp_path / "source/val", start=100)
    prepare(tmp_path / "linked", nodes=1, source=tmp_path / "source")
    file = Path("nodes/node1/train/bees/0.jpg")
    assert (tmp_path / "linked" / file).samefile(tmp_path / "source/train/bees/0.jpg")

    def refuse(*_):
        raise OSError("Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    prepare(tmp_path / "copied", nodes=1, source=tmp_path / "source")
    assert (tmp_path / "copied" / file).read_bytes() == (tmp_path / "linked" / file).read_bytes()
    assert not (tmp_path / "copied" / file).samefile(tmp_path / "source/train/bees/0.jpg")


def test_a_damaged_source_is_refused_with_everything_that_is_wrong(tmp_path):
    source = tmp_path / "source"
    write(source / "train")
    (source / "train/ants/0.jpg").write_bytes(b"<html>")
    write(source / "val")  # the same pictures as in train
    with pytest.raises(TutorialError) as error:
        prepare(tmp_path / "data", source=source)
    assert "train/ants/0.jpg: is a web page" in str(error.value)
    assert str(error.value).count("is the same picture as") == 6
    assert os.listdir(tmp_path) == ["source"]


def test_a_source_without_pictures_is_refused(tmp_path):
    (tmp_path / "source").mkdir()
    with pytest.raises(TutorialError, match="holds neither train and val nor hymenoptera_data"):
        prepare(tmp_path / "data", source=tmp_path / "source")
    assert os.listdir(tmp_path) == ["source"]


@pytest.mark.real_data
def test_the_real_pictures(tmp_path, shared_data):
    facts = prepare(tmp_path / "data", "skew:0.9", nodes=2, source=shared_data / "hymenoptera_data")
    assert facts["counts"] == {
        "aggregator": {"test": {"ants": 70, "bees": 83}},
        "node1": {"train": {"ants": 111, "bees": 12}},
        "node2": {"train": {"ants": 12, "bees": 109}},
    }
    ok, reason = check(shared_data / "hymenoptera_data", ("train", "test"))  # the stray gif is skipped, not refused
    assert ok and "123 ants, 121 bees" in reason and "70 ants, 83 bees" in reason


# ---- DatasetVerify


def test_verification_and_training_agree_on_classes_and_files():
    assert dataset_verify.CLASSES == model.CLASSES  # DatasetVerify travels alone


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("UPPER.JPG", picture(9)),
        ("formica.jpeg", picture(9)),
        ("progressive.jpg", picture(9, progressive=True)),
        ("lossless.png", picture(9, form="PNG")),
        ("grey.jpg", picture(9, mode="L")),
        ("a jpeg.png", picture(9)),
        ("蚂蚁.jpg", picture(9)),
        ("just large enough.jpg", picture(9, size=(32, 32))),
        ("imageNotFound.gif", picture(9, form="GIF")),
        ("Thumbs.db", b"\0"),
        (".hidden.jpg", picture(9)),
    ],
)
def test_sound_pictures_are_accepted_and_read_and_other_files_skipped(node, name, content):
    (node / "train/ants" / name).write_bytes(content)
    ok, reason = check(node, ("train", "test"))
    assert ok, reason
    count = len(data.PictureDataset(node, "train", augment=False))
    assert f"hospital: the train pictures are sound: {count - 4} ants, 4 bees (数据可用)" == reason.splitlines()[0]
    assert all(image.shape == (3, 224, 224) for image, _ in data.PictureDataset(node, "train", augment=False))


def test_a_node_with_one_class_only_is_accepted_when_it_says_so(node):
    for path in (node / "train/bees").iterdir():
        path.unlink()
    assert check(node)[1] == "hospital: the train pictures are sound: 3 ants, 0 bees (数据可用)"


def put(content, name="bees/1.jpg"):
    """Return a damage: put other bytes in place of a picture, or remove them."""

    def damage(node):
        (node / "train" / name).write_bytes(content(picture(5)) if callable(content) else content)

    return damage


def large_head(content):
    """Return a picture that claims to be 60,000 on each side."""
    if content[:4] == b"\x89PNG":
        return content[:16] + (60000).to_bytes(4, "big") * 2 + content[24:]
    place = content.index(b"\xff\xc0") + 5
    return content[:place] + (60000).to_bytes(2, "big") * 2 + content[place + 4 :]


def nothing_left(node):
    for path in (node / "train").rglob("*.jpg"):
        path.unlink()


FOLDER = "Is a directory"
DAMAGES = {
    "data folder missing": (shutil.rmtree, "train", "the folder is missing"),
    "split missing": (lambda node: shutil.rmtree(node / "train"), "train", "the folder is missing"),
    "class folder missing": (
        lambda node: shutil.rmtree(node / "train/bees"), "train/bees", "the class folder is missing",
    ),
    "unknown class folder": (
        lambda node: (node / "train/wasps").mkdir(), "train/wasps", "is no class of this task",
    ),
    "class folder misspelt": (
        lambda node: (node / "train/ants").rename(node / "train/Ants"), "train/Ants", "is no class of this task",
    ),
    "empty split": (nothing_left, "train", "holds no picture"),
    "pictures of another kind only": (
        lambda node: [p.rename(p.with_suffix(".bmp")) for p in (node / "train").rglob("*.jpg")],
        "train", "holds no picture",
    ),
    "file for a folder": (
        lambda node: (shutil.rmtree(node / "train"), (node / "train").write_text("")), "train", "cannot be read: Not a",
    ),
    "folder for a file": (lambda node: (node / "train/bees/x.jpg").mkdir(), "bees/x.jpg", f"cannot be read: {FOLDER}"),
    "empty file": (put(b""), "bees/1.jpg", "the file is empty"),
    "web page": (put(b"\xef\xbb\xbf\r\n <!DOCTYPE html><p>Please log in"), "bees/1.jpg", "is a web page"),
    "truncated": (put(lambda good: good[:-300]), "bees/1.jpg", "the picture is cut off"),
    "truncated to its head": (put(lambda good: good[:300]), "bees/1.jpg", "the picture is cut off"),
    "truncated png": (put(picture(5, form="PNG")[:-500], "bees/x.png"), "bees/x.png", "the picture is cut off"),
    "last bytes missing": (put(lambda good: good[:-2]), "bees/1.jpg", "the picture is cut off"),
    "text": (put(b"nothing to see here"), "bees/1.jpg", "is no JPEG or PNG picture"),
    "zeros": (put(bytes(2000)), "bees/1.jpg", "is no JPEG or PNG picture"),
    "bmp under a false name": (put(picture(5, form="BMP")), "bees/1.jpg", "is no JPEG or PNG picture"),
    "cmyk": (put(picture(5, mode="CMYK")), "bees/1.jpg", "is CMYK, not RGB"),
    "alpha": (put(picture(5, mode="RGBA", form="PNG"), "bees/x.png"), "bees/x.png", "is transparent, not RGB"),
    "grey alpha": (put(picture(5, mode="LA", form="PNG"), "bees/x.png"), "bees/x.png", "is transparent, not RGB"),
    "16 bits": (put(picture(5, mode="I;16", form="PNG"), "bees/x.png"), "bees/x.png", "has 16 bits a colour, not 8"),
    "animated": (put(picture(5, form="GIF")), "bees/1.jpg", "is no JPEG or PNG picture"),
    "a bomb": (put(large_head(picture(5))), "bees/1.jpg", "is 60000×60000, too large"),
    "a bomb of png": (put(large_head(picture(5, form="PNG")), "bees/x.png"), "bees/x.png", "is 60000×60000, too large"),
    "head of a png": (put(b"\x89PNG\r\n\x1a\n", "bees/x.png"), "bees/x.png", "the picture is cut off"),
    "tiny": (put(picture(5, size=(40, 31))), "bees/1.jpg", "is 40×31, too small"),
    "both classes": (put(picture(1)), "bees/1.jpg", "is the same picture as"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGES)
def test_bad_data_is_refused_with_node_file_reason_and_advice(node, name, caplog):
    damage, file, reason = DAMAGES[name]
    damage(node)
    assert_refused(DatasetVerify, node, file, reason, caplog)


CURES = {
    "Copy the pictures there": restore,
    "Make it, and leave it empty if this node has none": lambda path, original, said: path.mkdir(),
    "Move the folder away": remove,
    "Give this node data": restore,
    "Copy it again": restore,
    "Download it again": restore,
    "Convert or remove it": remove,
    "Convert it to RGB with 8 bits a colour": lambda path, *_: Image.open(path).convert("RGB").save(path),
    "Remove it or take a larger one, 32 at least": remove,
    "Scale it down, or remove it": remove,
    "Keep it in one place only": remove,
    "Move away what lies there, and put the data in its place": restore,
}


@pytest.mark.parametrize("name", DAMAGES)
def test_following_the_advice_leads_to_sound_data(node, name):
    assert_advice_helps(DatasetVerify, node, DAMAGES[name][0], CURES)


# Which quarter of a picture as it is stored lies top left once it is upright, by EXIF's orientation: row, column.
FIRST_QUARTERS = {1: (0, 0), 2: (0, 1), 3: (1, 1), 4: (1, 0), 5: (0, 0), 6: (1, 0), 7: (1, 1), 8: (0, 1)}


@pytest.mark.parametrize("orientation", FIRST_QUARTERS)
def test_a_picture_is_turned_upright_wherever_it_is_read(node, orientation):
    row, column = FIRST_QUARTERS[orientation]
    stored, exif = np.zeros((48, 64, 3), np.uint8), Image.Exif()
    stored[24 * row : 24 * row + 24, 32 * column : 32 * column + 32] = 255, 0, 0
    exif[0x0112] = orientation
    for number, name in ((0, "0.jpg"), (3, "a.png")):
        Image.fromarray(stored).save(node / "val/ants" / name, exif=exif)
        pixels = data.read_picture(node / "val/ants" / name)
        assert pixels.shape == ((3, 64, 48) if orientation > 4 else (3, 48, 64))
        assert pixels[0, 4, 4] > 200 and pixels[0].float().mean() < 70
        assert data.sample_inputs(node, 9)[number, 0, 4, 4] > 200
    for name in ("0.jpg", "a.png"):
        (node / "val/ants" / name).write_bytes(picture(40 + orientation, exif=exif))
    assert check(node, ("test",))[0]


def test_a_name_in_another_encoding_is_read_and_can_be_shown(node):
    name = os.fsdecode("蚂蚁.jpg".encode("gbk"))
    (node / "train/ants" / name).write_bytes(picture(9))
    assert check(node)[0] and len(list(data.PictureDataset(node, "train", augment=False))) == 8
    (node / "train/ants" / name).write_bytes(b"")
    text = check(node)[1]
    assert text.isprintable() and "train/ants/\\udcc2\\udcec\\udcd2\\udccf.jpg: the file is empty" in text


def test_what_the_system_leaves_is_no_picture_anywhere(node):
    for name in ("._0.jpg", ".hidden.jpg"):
        (node / "train/ants" / name).write_bytes(b"x")
    (node / "train/__MACOSX").mkdir()
    assert check(node)[0] and len(list(data.PictureDataset(node, "train", augment=False))) == 7


def test_a_picture_in_training_and_test_is_refused(node):
    shutil.copy(node / "train/ants/0.jpg", node / "val/ants/another name.jpg")
    assert check(node)[0] and check(node, ("test",))[0]  # each split alone is sound
    ok, text = check(node, ("train", "test"))
    assert not ok and "val/ants/another name.jpg: is the same picture as" in text and "train/ants/0.jpg" in text


def test_the_same_picture_twice_in_one_class_is_harmless(node):
    shutil.copy(node / "train/ants/0.jpg", node / "train/ants/copy.jpg")
    assert check(node)[0]


def test_only_the_splits_a_node_needs_are_looked_at(node):
    shutil.rmtree(node / "val")
    assert check(node)[0] and not check(node, ("test",))[0] and not check(node, ("train", "test"))[0]


def test_every_problem_is_reported_once(node):
    put(b"")(node)
    put(b"<p>", "ants/2.jpg")(node)
    (node / "val/wasps").mkdir()
    assert len(check(node, ("train", "test"))[1].splitlines()) == 3


@pytest.mark.parametrize("locked", ["train/ants/1.jpg", "train/ants", "train", "."])
def test_what_may_not_be_read_is_refused(locked):
    with open_folder() as folder:
        write(folder / "train")
        assert_locked_is_refused(DatasetVerify, folder, locked)


def test_the_unforeseen_is_a_refusal_too(node):
    ok, text = check(node, ("validation",))
    assert not ok and text.startswith("hospital: KeyError: 'validation'")


# ---- data.py


def test_embedded_tiles_are_cut_from_where_they_should_be(tmp_path):
    from sklearn.datasets import load_sample_image

    folder = preparing.write_embedded(tmp_path)
    tile = data.read_picture(folder / "val/bees/2_9.jpg").float()
    original = torch.from_numpy(load_sample_image("flower.jpg").copy()).permute(2, 0, 1).float()
    assert (tile - original[:, 128:192, 576:640]).abs().mean() < 6  # JPEG loses a little


def test_the_middle_is_cut_out_at_the_right_scale():
    pixels = torch.zeros(1, 3, 100, 300, dtype=torch.uint8)
    pixels[..., 100:200] = 255  # the middle third
    image = model.crop_centre(pixels)
    assert image.shape == (1, 3, 224, 224) and image.min() > 0.99
    assert model.crop_centre(pixels.transpose(2, 3)).min() > 0.99
    assert torch.allclose(model.crop_centre(pixels[..., :100] + 51), torch.tensor(0.2))


def test_sample_inputs_are_squares_of_both_classes(node):
    inputs = data.sample_inputs(node, 4)
    assert inputs.shape == (4, 3, 256, 256) and inputs.dtype == torch.uint8
    assert len({tuple(pixels.flatten()[:9].tolist()) for pixels in inputs}) == 4
