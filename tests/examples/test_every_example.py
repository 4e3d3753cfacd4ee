"""What holds for every example that is discovered: hazards of federating it that do not depend on what is learned."""

import inspect
import math
import random
import runpy
from pathlib import Path

import cloudpickle
import numpy as np
import pytest
import torch
import watching
from contributions import contribution_of
from tasks import at, build, same, state_of

from alphamed_tutorials.engines.local import run_local
from alphamed_tutorials.engines.node import NodeFailed
from alphamed_tutorials.experiments.intervals import outcomes_of

SNIPPETS = Path(__file__).parents[2] / "snippets"


def is_plain(value) -> bool:
    """Return whether a value is a setting and no model, data, file or function."""
    if isinstance(value, list):
        return all(map(is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)


# Before it runs


def test_the_submitted_scheduler_holds_plain_settings_only(example):
    scheduler = example.build_scheduler(2, 1)
    assert [name for name, value in vars(scheduler).items() if not is_plain(value)] == []
    words = sum(len(word) + 4 for word in getattr(scheduler, "words", []))  # the language model's vocabulary travels
    assert len(cloudpickle.dumps(scheduler)) < 2000 + words


def test_making_a_scheduler_draws_no_random_numbers(example):
    states = torch.get_rng_state(), np.random.get_state()[1].tobytes(), random.getstate()
    example.build_scheduler(2, 5)
    assert torch.equal(states[0], torch.get_rng_state())
    assert states[1:] == (np.random.get_state()[1].tobytes(), random.getstate())


def test_data_is_read_when_it_is_asked_for_and_not_before(example, tmp_path):
    scheduler = at(example, tmp_path / "not there")
    scheduler.validate_context()
    with pytest.raises((FileNotFoundError, ValueError), match="not there"):
        _ = scheduler.train_loader


def test_the_seed_reaches_every_node(example, small):
    models = []
    for seed, node in ((5, "node1"), (5, "node2"), (6, "node1")):
        torch.manual_seed(len(models))  # each machine starts somewhere else
        models.append(at(example, small / "nodes" / node, seed=seed).state_dict())
    assert same(models[0], models[1]) and not same(models[0], models[2])


def test_every_entry_that_travels_can_be_averaged(example, small):
    """The SDK adds entry by entry in place and divides by a number: bool cannot, and shared memory counts twice."""
    state_dict = at(example, small / "nodes/node1").state_dict()
    assert {value.dtype for value in state_dict.values()} <= {torch.float32, torch.int64}
    places = [value.data_ptr() for value in state_dict.values() if value.numel()]
    assert len(places) == len(set(places))


def test_nodes_of_one_process_have_their_own_models(example, small):
    first, second = (at(example, small / "nodes" / name) for name in ("node1", "node2"))
    before = {name: value.clone() for name, value in second.state_dict().items()}
    first.train_an_epoch()
    assert same(second.state_dict(), before) and not same(first.state_dict(), before)


# Training and testing


def test_modes_are_right_when_training_follows_a_test(example, small):
    scheduler = at(example, small / "nodes/node1")
    _ = scheduler.model, scheduler.train_loader
    scheduler.data_dir = str(small / "nodes/aggregator")
    _ = scheduler.test_loader  # before modes are watched: an example may compute features here
    seen = [
        watching.modes_of(scheduler.model, work)
        for work in (scheduler.train_an_epoch, scheduler.run_test, scheduler.train_an_epoch, scheduler.run_test)
    ]
    assert any(is_training for _, is_training, _ in seen[0]) and all(gradients for *_, gradients in seen[0])
    assert seen[1] and not any(is_training or gradients for _, is_training, gradients in seen[1])
    assert seen[2:] == seen[:2]


def test_a_test_leaves_the_model_as_it_is_and_says_the_same_twice(example, small):
    scheduler = at(example, small / "nodes/aggregator")
    before = {name: value.clone() for name, value in scheduler.model.state_dict().items()}
    scheduler.run_test()
    first = dict(scheduler.tb_writer.scalars)
    scheduler.run_test()
    assert same(scheduler.model.state_dict(), before) and first == scheduler.tb_writer.scalars
    assert set(example.facts.metrics) <= set(first)
    assert all(math.isfinite(value) for value in first.values())


def test_momentum_survives_rounds_on_its_own_node(example, small, tmp_path):
    """What the optimizer remembers, momentum or Adam's means, is neither lost between rounds nor averaged."""

    class Watched(example.scheduler_class):
        def build_optimizer(self, model):
            optimizer = super().build_optimizer(model)
            watching.watch_memory(optimizer, self.data_dir)
            return optimizer

    scheduler = build(example)
    scheduler.__class__ = Watched
    run_local(scheduler, small, tmp_path / "run", seed=1)
    last = []
    for name in ("node1", "node2"):
        steps = [(optimizer, memory) for node, optimizer, memory in watching.SEEN if node.endswith(name)]
        assert len({id(optimizer) for optimizer, _ in steps}) == 1  # not one for each round
        memories = [memory for _, memory in steps]
        before, after = memories[::2], memories[1::2]
        assert len(before) >= 2 and before[0] == []  # a step in each round at least
        for kept, left in zip(before[1:], after):
            assert left and len(kept) == len(left) and all(map(torch.equal, kept, left))
        last.append(memories[-1])
    assert not all(map(torch.equal, *last))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_spoilt_update_stops_the_run_and_names_the_node(example, small, tmp_path, value):
    class Spoilt(example.scheduler_class):
        def train_an_epoch(self):
            if self.data_dir.endswith("node2"):
                next(iter(self.state_dict().values())).view(-1)[0] = value
                self.tb_writer.add_scalar("train/loss", 0.0, self.current_round)
            else:
                super().train_an_epoch()

    scheduler = build(example)
    scheduler.__class__ = Spoilt
    with pytest.raises(NodeFailed, match="node2 failed in round 1"):
        run_local(scheduler, small, tmp_path / "run", seed=1)
    assert not (tmp_path / "run/model.pt").exists()


# Whole runs


@pytest.mark.parametrize("rounds", [1, 2])
def test_one_node_is_the_centralised_program(example, make_small, tmp_path, rounds):
    program = SNIPPETS / example.name / "train_centralised.py"
    if not program.exists():
        pytest.skip(f"there is nothing to compare with: {program} is missing")
    data = make_small(example.name, 1)
    run = run_local(build(example, rounds), data, tmp_path / "run", seed=1)
    assert_centralised(example, program, data, run, rounds)


def assert_centralised(example, program, data, run, rounds, **settings):
    """Check that a run over one data owner ended where the centralised program ends."""
    train_centralised = runpy.run_path(str(program))["train_centralised"]
    settings = {**contribution_of(example.name).settings, **settings}
    known = {name: settings[name] for name in inspect.signature(train_centralised).parameters if name in settings}
    nodes = data / "nodes"
    model, score = train_centralised(nodes / "node1", nodes / "aggregator", rounds, seed=1, **known)
    federated = at(example, nodes / "aggregator", **settings)
    federated.load_state_dict(state_of(run))
    assert same(federated.model.state_dict(), model.state_dict())
    quoted = example.facts.metrics[0]
    score = score[quoted.removeprefix("test/")] if isinstance(score, dict) else score
    assert run.metrics[quoted] == pytest.approx(score, rel=1e-6)


def test_the_same_seed_gives_the_same_bytes(example, finished, small, tmp_path):
    again = run_local(build(example), small, tmp_path / "again", seed=1)
    for file in ("model.pt", "metrics.csv"):
        assert (again.path / file).read_bytes() == (finished.path / file).read_bytes(), file


def test_every_metric_of_its_facts_is_recorded_with_every_round(example, finished):
    for name in example.facts.metrics:
        rounds = {row.round for row in finished.rows if row.name == name and row.node == "aggregator"}
        assert {1, 2} <= rounds, name


def test_nothing_but_the_models_entries_travels(example, finished, small):
    assert list(state_of(finished)) == list(at(example, small / "nodes/aggregator").state_dict())
    assert all(value.isfinite().all() for value in state_of(finished).values())


def test_it_learns(example, learn):
    run = learn(example.name)
    assert contribution_of(example.name).has_learned(run), run.metrics


def test_outcomes_unit_by_unit_make_the_metric(example, learn):
    run = learn(example.name)
    found = outcomes_of(run, example)
    if found is None:
        pytest.skip(f"{example.name} has no outcomes.py: its recorded results have no intervals")
    metric = run.metrics[example.facts.metrics[0]]
    assert found.metric(found.outcomes) == pytest.approx(metric, rel=1e-5)
    low, high = found.interval()
    assert low <= metric * 1.00001 and metric <= high * 1.00001
    by_class = found.by_class()
    if by_class:
        assert np.mean([by_class[name] for name in found.classes]) == pytest.approx(metric, abs=1e-5)


def test_the_exported_model_predicts_what_python_predicts(example, export_learned):
    _, report = export_learned(example.name)
    assert report["torchscript"]["max_difference"] <= 1e-5, report
