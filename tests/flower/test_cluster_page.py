"""What the page says of Flower's average and of its costs is what was recorded, and what comes out again."""

import alphamed_tutorials  # noqa: F401  # isort: skip

import json

import pytest

pytest.importorskip("flwr", reason="Flower is not installed: pip install 'alphamed-tutorials[flower]'")

import torch
from flwr.common.constant import HEARTBEAT_DEFAULT_INTERVAL, HEARTBEAT_PATIENCE

from record_flower import COUNTER, FILE, difference, flowers, sdks

STATES = [{"weight": torch.linspace(-1, 1, 1000) * scale + 0.1} for scale in (0.3, 0.7, 1.1)]
EQUAL = [1, 1, 1]


@pytest.fixture(scope="module")
def recorded() -> dict[str, dict]:
    return {each["name"]: each for each in json.loads(FILE.read_text("utf-8"))["experiments"]}


def test_flowers_average_weighs(recorded):
    mean = flowers(STATES, [1, 2, 3])["weight"]
    weighted = sum(share * state["weight"] for share, state in zip((1 / 6, 2 / 6, 3 / 6), STATES))
    assert torch.allclose(mean, weighted) and not torch.allclose(mean, sdks(STATES)["weight"])
    assert recorded["fedavg"]["weighted_error"] > 1e-3


def test_flowers_average_differs_in_the_last_digits_and_with_the_order_of_answers(recorded):
    assert 0 < difference(flowers(STATES, EQUAL), sdks(STATES)) < 1e-5
    assert 0 < difference(flowers(STATES[::-1], EQUAL), flowers(STATES, EQUAL)) < 1e-5
    assert 0 < recorded["fedavg"]["order_error"] < 1e-5 and 0 < recorded["fedavg"]["equal_error"] < 1e-5


def test_flowers_average_loses_a_counter(recorded):
    counters = [{"batches": torch.tensor(COUNTER)}] * 3
    assert int(sdks(counters)["batches"]) == recorded["fedavg"]["sdk_counter"] == COUNTER
    assert int(flowers(counters, EQUAL)["batches"]) == recorded["fedavg"]["flower_counter"] == COUNTER - 1


def test_a_supernode_is_missed_as_soon_as_the_page_says(recorded):
    assert recorded["mnist"]["gone_seconds"] == HEARTBEAT_DEFAULT_INTERVAL * HEARTBEAT_PATIENCE
