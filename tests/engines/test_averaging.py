"""What the SDK's sum in place would get wrong is refused before round 1; what it gets right is not."""

import json

import pytest
import torch
from alphafed.fed_avg import DPFedAvgScheduler
from schedulers import Tiny, TinyTask, write_data
from torch import nn

from alphamed_tutorials.engines.failures import NodeFailed
from alphamed_tutorials.engines.local import run_local


@pytest.fixture
def data(tmp_path):
    """Return a prepared data folder with three data owners."""
    return write_data(tmp_path / "data", node1=4, node2=4, node3=4)


class Standing(Tiny):
    """Train without a step: whatever the number of owners and rounds, each entry has to stay as it is."""

    def build_model(self):
        model = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False), nn.Linear(4, 2))
        for layer in model[:2]:
            nn.init.ones_(layer.weight)
        return model

    def train_an_epoch(self):
        self.optimizer.step()


class Tied(Standing):
    def build_model(self):
        model = super().build_model()
        model[1].weight = model[0].weight
        return model


class LeftOut(Tied):
    def state_dict(self):
        return {name: value for name, value in super().state_dict().items() if name != "1.weight"}

    def load_state_dict(self, state_dict):
        self.model.load_state_dict(state_dict, strict=False)


class Untied(Tied):
    def build_model(self):
        model = super().build_model()
        model[1].weight = nn.Parameter(model[0].weight.detach().clone())
        return model


class Named(Tied):
    """The SDK's average, reached by a method of one's own."""

    def _process_aggregation(self):
        self.push_log("averaging")
        super()._process_aggregation()


class Copied(Standing):
    def state_dict(self):
        return {name: value.clone() for name, value in super().state_dict().items()}


class Parameters(Standing):
    def state_dict(self):
        return dict(self.model.named_parameters())


class Interlaced(Standing):
    """Two columns of one table, which have no number in common."""

    def build_model(self):
        model, table = super().build_model(), torch.arange(8.0).reshape(4, 2)
        model.register_buffer("left", table[:, 0])
        model.register_buffer("right", table[:, 1])
        return model


def holding(**buffers):
    """Return a task whose network has buffers, each made by a function of its first weight."""

    class Holding(Standing):
        def build_model(self):
            model = super().build_model()
            for name, make in buffers.items():
                model.register_buffer(name, make(model[0].weight.detach()))
            return model

    return Holding


def constant(value, dtype, number=3):
    return lambda _: torch.full((number,), value, dtype=dtype)


REFUSED = {
    "tied": (Tied, "0.weight and 1.weight .* same memory.*summed and divided twice: leave one.* or untie"),
    "named": (Named, "0.weight and 1.weight .* same memory"),
    "view": (holding(rows=lambda weight: weight[1:3]), "0.weight and rows|rows and 0.weight"),
    "column": (holding(column=lambda weight: weight[:, 1]), "0.weight and column|column and 0.weight"),
    "bytes": (holding(raw=lambda weight: weight.view(torch.int32)), "0.weight and raw|raw and 0.weight"),
    "expanded": (holding(mean=lambda _: torch.ones(1).expand(3)), "mean .* many numbers in one place.*clone"),
    "windows": (holding(windows=lambda _: torch.arange(9.0).unfold(0, 4, 1)), "windows .* many numbers in one place"),
    "uint8": (holding(ages=constant(200, torch.uint8)), "ages .* uint8.* 200 from each of 3 nodes comes out as 29"),
    "int8": (holding(ages=constant(-100, torch.int8)), "-100 from each of 3 nodes comes out as -14: make it int64"),
    "int16": (holding(ages=constant(20000, torch.int16)), "of int16, which is too small"),
    "int32": (holding(ages=constant(2**30, torch.int32)), "of int32, which is too small"),
    "float16": (holding(mask=constant(-65504, torch.float16)), "comes out as -inf: make it float32"),
    "float32": (holding(mask=constant(-3e38, torch.float32)), "comes out as -inf: keep smaller numbers in it"),
    "bool": (holding(mask=constant(True, torch.bool)), "mask .* of bool, which the SDK cannot average"),
    "uint16": (holding(ages=constant(1, torch.uint16)), "ages .* of uint16, which the SDK cannot average"),
    "sparse": (holding(graph=lambda _: torch.eye(2).to_sparse()), "graph .* stored as torch.sparse_coo"),
    "copied": (Copied, "0.weight .* is a copy: .*return the tensors themselves"),
    "parameters": (Parameters, r"0.weight .* requires gradients, .*detach\(\)"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_sum_in_place_would_spoil_is_refused_before_round_1(data, tmp_path, name):
    task, reason = REFUSED[name]
    with pytest.raises(NodeFailed, match=reason) as failed:
        run_local(task(max_rounds=2), data, tmp_path / "run")
    assert (failed.value.node, failed.value.round, failed.value.file) == ("aggregator", 0, __file__)
    assert "round_started" not in (tmp_path / "run" / "events.jsonl").read_text()


@pytest.mark.parametrize("name", ["tied", "view", "uint8"])
def test_an_aggregator_that_trains_changes_nothing_in_that(data, tmp_path, name):
    task, reason = REFUSED[name]
    with pytest.raises(NodeFailed, match=reason.replace("3 nodes comes out as 29", "4 nodes comes out as 8")):
        run_local(task(max_rounds=2, involve_aggregator=True), data, tmp_path / "run")


ALLOWED = {
    "left out": LeftOut,
    "untied": Untied,
    "small": holding(ages=constant(60, torch.uint8), halves=constant(0.1, torch.float16)),
    "counters": holding(count=constant(2**40, torch.int64), rough=constant(1, torch.bfloat16)),
    "interlaced": Interlaced,
    "transposed": holding(turned=lambda _: torch.arange(8.0).reshape(4, 2).t()),
    "masked": holding(mask=constant(float("-inf"), torch.float32)),
    "complex": holding(phases=constant(1j, torch.complex64)),
    "empty": holding(none=lambda _: torch.empty(0), nothing=lambda _: torch.empty(0)),
}


@pytest.mark.parametrize("name", ALLOWED)
@pytest.mark.parametrize("involve", [False, True])
def test_what_is_not_refused_comes_out_as_it_was(data, tmp_path, name, involve):
    task = ALLOWED[name](max_rounds=2, involve_aggregator=involve)
    expected = {name: value.clone() for name, value in ALLOWED[name]().model.state_dict().items()}
    found = torch.load(run_local(task, data, tmp_path / "run").path / "model.pt")
    for entry, value in found.items():
        if not entry.startswith("2."):  # which is drawn
            torch.testing.assert_close(value, expected[entry], rtol=1e-2, atol=0)


def test_a_type_that_becomes_too_small_stops_the_run_before_the_average(data, tmp_path):
    class Counting(holding(steps=constant(0, torch.uint8))):
        def train_an_epoch(self):
            super().train_an_epoch()
            self.model.steps += 60  # in round 2, 120 on each of three nodes

    with pytest.raises(NodeFailed, match="steps .* of uint8.* add up to 360: make it int64") as failed:
        run_local(Counting(), data, tmp_path / "run")
    assert (failed.value.node, failed.value.round) == ("node3", 2)
    events = [json.loads(line) for line in (tmp_path / "run" / "events.jsonl").read_text().splitlines()]
    assert [event["round"] for event in events if event["event"] == "round_done"] == [1]


def test_an_average_of_ones_own_may_do_with_memory_what_it_likes(data, tmp_path):
    class Private(TinyTask, DPFedAvgScheduler):
        train_an_epoch = Standing.train_an_epoch

        def build_model(self):
            return Tied().build_model()

        def train_a_batch(self, inputs, labels):
            pass

    task = Private(w_cap=1, q=1.0, S=1.0, z=0.0, max_rounds=1)
    assert torch.load(run_local(task, data, tmp_path / "run").path / "model.pt")["1.weight"].eq(1).all()
