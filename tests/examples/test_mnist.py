"""What goes wrong when training is federated, as far as MNIST can show it: each hazard is a test of the example.

What holds for every example is in `test_every_example.py`.
"""

import gzip
import itertools
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from watching import SEEN, at_node

from alphamed_tutorials.data.prepare import prepare
from alphamed_tutorials.engines.local import run_local
from alphamed_tutorials.examples.mnist.data import DigitDataset
from alphamed_tutorials.examples.mnist.model import ConvNet
from alphamed_tutorials.examples.mnist.prepare import write
from alphamed_tutorials.examples.mnist.scheduler import MNISTScheduler


def scheduler_at(folder: Path) -> MNISTScheduler:
    """Return a scheduler as a node has it."""
    return at_node(MNISTScheduler(), folder)


@pytest.fixture(scope="module")
def nodes(make_small) -> Path:
    """Return the nodes' folders of a prepared data folder with two equal owners."""
    return make_small("mnist") / "nodes"


def write_node(folder: Path, labels: list[int], split: str = "train") -> Path:
    """Give a node one bright image for each label."""
    write(folder, split, [(np.full((28, 28), 255, np.uint8), np.uint8(label)) for label in labels], link=None)
    return folder


# 1. Classes and normalisation come with the task, not from a node's own data


def test_a_node_with_three_classes_numbers_and_scores_them_like_all_others(tmp_path, nodes):
    few = write_node(tmp_path, [7, 8, 9, 9])
    assert DigitDataset(few, train=True).labels.tolist() == [7, 8, 9, 9]
    models = [scheduler_at(folder).model for folder in (few, nodes / "node1")]
    shapes = [{name: value.shape for name, value in model.state_dict().items()} for model in models]
    assert shapes[0] == shapes[1] and models[0](torch.zeros(1, 1, 28, 28)).shape == (1, 10)


def test_no_node_normalises_by_its_own_data(tmp_path):
    bright, _ = DigitDataset(write_node(tmp_path, [1, 2]), train=True)[0]
    assert torch.allclose(bright, torch.tensor((1 - 0.1307) / 0.3081))  # its own mean would make this 0


# 2. Averaging treats every entry alike


def test_every_entry_that_is_averaged_is_a_float():
    assert {value.dtype for value in ConvNet().state_dict().values()} == {torch.float32}


# 4. Train and eval mode


def test_dropout_is_off_in_a_test(nodes):
    model = scheduler_at(nodes / "aggregator").model.eval()
    images = torch.rand(4, 1, 28, 28)
    assert torch.equal(model(images), model(images))
    assert not torch.equal(model.train()(images), model(images))  # and it does something in training


# 5. No digit is on two nodes, and no test digit is trained on


@pytest.mark.parametrize("partition", ["iid", "dirichlet:0.3"])
def test_every_digit_is_on_one_node_only(tmp_path, partition):
    prepare("mnist", tmp_path / "data", 3, partition, seed=1)
    digits = {}
    for folder in (tmp_path / "data/nodes").iterdir():
        dataset = DigitDataset(folder, train=folder.name != "aggregator")
        digits[folder.name] = {image.numpy().tobytes() for image in dataset.images}
        assert len(digits[folder.name]) == len(dataset)
    assert len(digits) == 4 and sum(map(len, digits.values())) == len(set().union(*digits.values())) == 1797


def test_only_the_aggregator_has_test_data_and_it_has_no_training_data(nodes):
    for folder in nodes.iterdir():
        prefixes = {file.name.split("-")[0] for file in folder.rglob("*ubyte*")}
        assert prefixes == ({"t10k"} if folder.name == "aggregator" else {"train"})


def test_test_data_holds_every_class(nodes):
    assert set(DigitDataset(nodes / "aggregator", train=False).labels.tolist()) == set(range(10))


# 6. The SDK's mean is unweighted: a node with few digits counts as much as one with many


class UpdateScheduler(MNISTScheduler):
    def train_an_epoch(self):
        super().train_an_epoch()
        SEEN.append((len(self.train_loader.dataset), {k: v.clone() for k, v in self.state_dict().items()}))


def test_unequal_nodes_count_equally(nodes, tmp_path):
    data = shutil.copytree(nodes.parent, tmp_path / "data")
    shutil.rmtree(data / "nodes/node2")
    write_node(data / "nodes/node2", [1] * 70)
    run = run_local(UpdateScheduler(max_rounds=1), data, tmp_path / "run")
    (many, first), (few, second) = SEEN
    assert many > 10 * few
    for name, value in torch.load(run.path / "model.pt", weights_only=True).items():
        weighted = (many * first[name] + few * second[name]) / (many + few)
        assert torch.allclose(value, (first[name] + second[name]) / 2, atol=1e-7)
        assert not torch.allclose(value, weighted, atol=1e-5)


# 8. Nothing is shared between nodes of one process


def test_nodes_of_one_process_read_their_own_data(tmp_path):
    folders = [write_node(tmp_path / "a", [1] * 5), write_node(tmp_path / "b", [2] * 7)]
    schedulers = [scheduler_at(folder) for folder in folders]
    found = [scheduler.train_loader.dataset.labels.tolist() for scheduler in schedulers]
    assert found == [[1] * 5, [2] * 7]
    assert schedulers[0].model is not schedulers[1].model
    assert MNISTScheduler.data_dir == "/data/alphamed-federated-dataset/tutorials/mnist"


# 11. Random numbers


def test_training_digits_come_in_a_new_order_each_epoch_and_test_digits_do_not(nodes):
    train, test = scheduler_at(nodes / "node1").train_loader, scheduler_at(nodes / "aggregator").test_loader
    orders = [[labels.tolist() for _, labels in loader] for loader in (train, train, test, test)]
    assert orders[0] != orders[1] and orders[2] == orders[3]
    assert sorted(itertools.chain(*orders[0])) == sorted(itertools.chain(*orders[1]))


# 12. Training does not diverge


def test_training_itself_stays_finite(nodes):
    scheduler = scheduler_at(nodes / "node1")
    for _ in range(3):
        scheduler.train_an_epoch()
    assert all(torch.isfinite(value).all() for value in scheduler.state_dict().values())


# The files are MNIST's own: packed or not, the same digits


def test_unpacked_files_give_the_same_digits(nodes, tmp_path):
    folder = shutil.copytree(nodes / "node1", tmp_path / "node1") / "MNIST/raw"
    for file in folder.glob("*.gz"):
        file.with_suffix("").write_bytes(gzip.decompress(file.read_bytes()))
        file.unlink()
    assert torch.equal(DigitDataset(tmp_path / "node1", True).images, DigitDataset(nodes / "node1", True).images)
