"""Federated is centralised plus an average, to the last bit."""

import runpy
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from schedulers import BATCH_SIZE, LEARNING_RATE, MOMENTUM, Tiny, build_network, read_samples, write_data
from torch.optim import SGD
from torch.utils.data import DataLoader

from alphamed_tutorials.catalogue import find
from alphamed_tutorials.data.prepare import prepare
from alphamed_tutorials.engines.local import run_local

CENTRALISED = Path(__file__).parents[2] / "snippets" / "mnist" / "train_centralised.py"


@pytest.fixture(autouse=True)
def one_thread():
    """Train with as many threads here as in the engine: the last digits depend on it."""
    outer = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(outer)


def assert_same(state_dict, other):
    assert list(state_dict) == list(other)
    for name, value in state_dict.items():
        assert value.dtype == other[name].dtype and torch.equal(value, other[name]), name


@pytest.mark.parametrize("rounds", [1, 4])
def test_one_node_is_the_centralised_program(tmp_path, rounds):
    prepare("mnist", tmp_path / "data", num_nodes=1, seed=1)
    run = run_local(find("mnist").build_scheduler(rounds, seed=1), tmp_path / "data", tmp_path / "run")
    nodes = tmp_path / "data" / "nodes"
    train_centralised = runpy.run_path(str(CENTRALISED))["train_centralised"]
    model, accuracy = train_centralised(nodes / "node1", nodes / "aggregator", num_epochs=rounds, seed=1)
    assert_same(torch.load(run.path / "model.pt"), model.state_dict())
    assert run.metrics["test/accuracy"] == accuracy


def reference_average(folders: list[Path], rounds: int, seed: int, merge_epochs: int = 1) -> dict[str, torch.Tensor]:
    """Return what the SDK's federated averaging comes to, written down plainly."""
    nodes = []
    for folder in folders:
        torch.manual_seed(seed)
        model = build_network()
        optimizer = SGD(model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)
        loader = DataLoader(read_samples(folder), batch_size=BATCH_SIZE, shuffle=True)
        nodes.append([model, optimizer, loader, torch.get_rng_state()])
    average = {name: value.clone() for name, value in model.state_dict().items()}
    for _ in range(rounds):
        total = {name: torch.zeros_like(value) for name, value in average.items()}
        for node in nodes:
            model, optimizer, loader, random_state = node
            torch.set_rng_state(random_state)
            model.load_state_dict(average)
            for inputs, labels in (batch for _ in range(merge_epochs) for batch in loader):
                optimizer.zero_grad()
                F.cross_entropy(model(inputs), labels).backward()
                optimizer.step()
            node[3] = torch.get_rng_state()
            total = {name: value + model.state_dict()[name] for name, value in total.items()}
        for name, value in total.items():
            average[name] = value / len(nodes) if value.is_floating_point() else value // len(nodes)
    return average


@pytest.mark.parametrize("merge_epochs", [1, 2])
def test_engine_is_the_reference_average(tmp_path, merge_epochs):
    # 2, 3 and 6 batches: their mean of 3.67 is cut to 3 in BatchNorm's integer counter, not rounded to 4
    data = write_data(tmp_path / "data", node1=8, node2=12, node3=24)
    run = run_local(Tiny(seed=5, merge_epochs=merge_epochs), data, tmp_path / "run")
    folders = [data / "nodes" / f"node{number}" for number in (1, 2, 3)]
    result = torch.load(run.path / "model.pt")
    assert_same(result, reference_average(folders, 3, 5, merge_epochs))
    assert result["1.num_batches_tracked"].item() == {1: 9, 2: 21}[merge_epochs]


def test_involved_aggregator_is_one_more_node(tmp_path):
    data = write_data(tmp_path / "data", node1=8, node2=12)
    run = run_local(Tiny(seed=5, involve_aggregator=True, log_rounds=0, max_rounds=1), data, tmp_path / "run")
    folders = [data / "nodes" / name for name in ("aggregator", "node1", "node2")]
    assert_same(torch.load(run.path / "model.pt"), reference_average(folders, 1, 5))
    assert {row.node for row in run.rows if row.name == "train/loss"} == {"aggregator", "node1", "node2"}
