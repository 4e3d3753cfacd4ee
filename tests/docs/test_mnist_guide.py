"""What the MNIST guide says in words, and no block of it prints, holds."""

import json
import math

import numpy as np
import pytest
import torch

from alphamed_tutorials.data.prepare import prepare
from alphamed_tutorials.examples.mnist.data import build_dataloader
from alphamed_tutorials.examples.mnist.model import ConvNet
from alphamed_tutorials.examples.mnist.prepare import hold_out
from alphamed_tutorials.examples.mnist.scheduler import MNISTScheduler
from pages import ROOT

RECORD = json.loads((ROOT / "docs/results/mnist.json").read_text("utf-8"))


def recorded(experiment: str) -> tuple[dict, dict[str, list[float]]]:
    """Return an experiment and the test accuracies of its runs, round by round."""
    found = next(each for each in RECORD["experiments"] if each["name"] == experiment)
    return found, {run["name"]: [value for _, value in run["metrics"]["test/accuracy"]] for run in found["runs"]}


def test_the_slow_start_is_no_matter_of_averaging():
    experiment, accuracy = recorded("iid")
    alone = [values[0] for name, values in accuracy.items() if name.startswith("node")]
    assert len(alone) == 3 and max(alone) < accuracy["federated"][0] < accuracy["centralised"][0]
    counts = experiment["counts"]
    digits = [sum(counts[node]["train"].values()) for node in ("node1", "node2", "node3")]
    size = experiment["settings"]["batch_size"]
    assert {math.ceil(count / size) for count in digits} == {42} and math.ceil(sum(digits) / size) == 125


def test_every_recorded_digit_is_one_of_the_official_test_file():
    data = RECORD["data"]
    assert (data["train"], data["test"]) == (8_000, 2_000)
    experiment, _ = recorded("iid")
    official = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]  # digits 0 to 9 of t10k
    splits = [split for node in experiment["counts"].values() for split in node.values()]
    assert [sum(split[str(digit)] for split in splits) for digit in range(10)] == official
    train, test = hold_out(np.arange(10_000), np.zeros(10_000))
    assert (len(train[0]), len(test[0])) == (8_000, 2_000)


def test_a_digit_may_sit_a_little_beside_the_middle_but_not_at_the_edge(tmp_path):
    prepare("mnist", tmp_path / "data", num_nodes=1, seed=1)
    task = MNISTScheduler(seed=1)
    torch.manual_seed(1)
    model = ConvNet()
    optimizer = task.build_optimizer(model)
    for _ in range(8):
        for images, labels in build_dataloader(tmp_path / "data/nodes/node1", train=True, batch_size=64):
            optimizer.zero_grad()
            torch.nn.functional.nll_loss(model(images), labels).backward()
            optimizer.step()
    model.eval()
    images, labels = next(iter(build_dataloader(tmp_path / "data/nodes/aggregator", train=False, batch_size=1000)))
    background = images.min()
    with torch.no_grad():
        right = [
            (model((images - background).roll(pixels, 3) + background).argmax(1) == labels).float().mean().item()
            for pixels in (0, 1, 4)  # the digits are 20 wide, 4 from each edge
        ]
    assert right[0] > 0.9 and right[1] > right[0] - 0.1 and right[2] < 0.5


def test_the_formula_of_the_interval_agrees_with_the_bootstrap():
    torch.manual_seed(1)
    for digits, share in ((360, 0.9), (2_000, 0.96)):
        right = (torch.arange(digits) < share * digits).float()
        drawn = right[torch.randint(digits, (2_000, digits))].mean(1)
        low, high = drawn.quantile(torch.tensor([0.025, 0.975])).tolist()
        assert (high - low) / 2 == pytest.approx(1.96 * math.sqrt(share * (1 - share) / digits), rel=0.1)


def gains(experiment: str) -> list[list[float]]:
    """Return by how much the federated run is above each node alone, for each of the three seeds, the least first."""
    found, accuracy = recorded(experiment)
    seeds = {
        run["name"]: [accuracy[run["name"]][-1], *(seed["test/accuracy"] for seed in run["more_seeds"])]
        for run in found["runs"]
    }
    assert [found["seed"], *found["more_seeds"]] == [1, 2, 3]
    nodes = [seeds[name] for name in seeds if name.startswith("node")]
    return [sorted(fed - one for one in alone) for fed, *alone in zip(seeds["federated"], *nodes, strict=True)]


def test_federation_gains_little_where_parts_are_equal():
    assert all(abs(least) < 0.01 for least, *_ in gains("iid"))


def test_federation_gains_with_skew_as_much_as_the_split_of_each_seed_leaves():
    first, second, third = gains("label_skew")
    assert first[0] == pytest.approx(0.2, abs=0.01)
    assert (second[0], third[0]) == (pytest.approx(0.06, abs=0.001), pytest.approx(0.045, abs=0.001))
    others = [*second[1:], *third[1:]]
    assert min(others) == pytest.approx(0.13, abs=0.005) and max(others) == pytest.approx(0.4, abs=0.011)


@pytest.mark.real_data
def test_another_seed_deals_another_split_and_may_leave_an_owner_some_of_every_digit(shared_data, tmp_path):
    for seed, rich in ((1, []), (2, ["node2"]), (3, ["node2"])):
        facts = prepare("mnist", tmp_path / str(seed), 3, "dirichlet:0.3", shared_data / "mnist", seed)
        digits = {node: splits["train"] for node, splits in facts["counts"].items() if "train" in splits}
        assert [node for node, counts in digits.items() if min(counts.values()) > 12] == rich
        assert all(min(counts.values()) < 8 for node, counts in digits.items() if node not in rich)


def test_what_an_owner_hardly_has_it_does_not_know_and_the_federation_does():
    experiment, _ = recorded("label_skew")
    shares = {run["name"]: run["by_class"] for run in experiment["runs"]}
    missing = [(node, digit) for node in ("node1", "node2", "node3") for digit in shares[node]
               if experiment["counts"][node]["train"].get(digit, 0) <= 3]  # fmt: skip
    assert len(missing) >= 6 and all(shares[node][digit] < 0.01 for node, digit in missing)
    distance = {digit: abs(share - shares["centralised"][digit]) for digit, share in shares["federated"].items()}
    assert min(shares["federated"].values()) > 0.85 and max(distance, key=distance.get) == "3"
    assert sum(each < 0.02 for each in distance.values()) >= 6
    assert [digit for _, digit in missing].count("3") == 2
