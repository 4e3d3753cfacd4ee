"""The page about many data owners: its formulas, what was recorded with them, and the code that returns less."""

import json
import sys
from unittest import mock

import numpy as np
import pytest
import torch
from alphafed.contractor import task_message_contractor
from recordings import recorded

import record_scale
import results_workers
from alphamed_tutorials import prepare, run
from alphamed_tutorials.engines.peers import PeerRefused, refuse_unlike
from alphamed_tutorials.examples.mnist.scheduler import MNISTScheduler
from pages import ROOT
from record_scale import OWNERS, SPREAD, averages, num_groups, slowest_in_theory
from results_scale import WORDS, show_bytes, show_seconds

sys.path.insert(0, str(ROOT / "snippets" / "scale"))
sys.path.append(str(ROOT / "benchmarks"))  # some of its modules have the names of others here
import workers
from compress import HalfMNIST, LargestMNIST, largest
from estimate import PUSH, queued, round_in_groups, round_seconds
from sample import SampledMNIST

RECORD = json.loads(record_scale.FILE.read_text("utf-8"))
COMPRESSED = {each["name"]: each for each in RECORD["experiments"] if "runs" in each}


def test_without_training_and_waiting_a_round_is_what_goes_over_the_link():
    seconds = round_seconds(message=1e6, megabits=8, training=np.zeros(10), push=0)
    assert seconds == pytest.approx(2 * (10 + 1))  # a second a message: up and down for each owner and the aggregator


def test_with_messages_of_nothing_a_round_is_training_and_the_sdk_s_pushes():
    assert round_seconds(0, 100, np.full(30, 7.0)) == pytest.approx(7 + (5 + 30) * PUSH)


def test_who_comes_late_is_served_at_once_and_who_comes_together_queues():
    assert queued([0, 0, 0, 100], each=2) == 102
    assert queued([100, 1, 1, 1], each=40) == 1 + 4 * 40  # in any order: the late one finds two before it
    assert queued([[0, 0], [5, 9]], each=1).tolist() == [2, 10]


def test_one_group_of_all_costs_one_more_message_each_way():
    training = np.array([3.0, 5.0, 4.0])
    alone, within = round_seconds(1e6, 8, training, push=0), round_in_groups(1e6, 8, training, groups=1, push=0)
    assert within == pytest.approx(alone + 4)


def test_groups_are_equal_and_about_the_square_root():
    for owners in OWNERS:
        groups = num_groups(owners)
        assert owners % groups == 0 and groups**2 <= owners < 5 * groups**2
    assert num_groups(10_000) == 100


def test_stragglers_are_as_slow_as_theory_says():
    assert slowest_in_theory(1) == pytest.approx(1)
    for each in RECORD["stragglers"]:
        assert each["theory"] == pytest.approx(slowest_in_theory(each["owners"]), abs=0.01)
        assert each["slowest"] == pytest.approx(each["theory"], rel=0.05)
        assert each["slowest"] < each["slowest_95"]
        assert each["nine_tenths"] == pytest.approx(np.exp(1.2816 * SPREAD), rel=0.15 if each["owners"] < 100 else 0.04)
        assert each["all_last"]["0.99"] == pytest.approx(0.99 ** each["owners"])


def test_means_by_size_are_the_mean_and_unweighted_ones_are_not():
    states = np.random.default_rng(0).standard_normal((10, 50)).astype("f4")
    found = averages(states, 100)
    assert max(found["flat_error"], found["by_size_error"]) < 1e-6 < 1e-2 < found["unweighted_error"]
    assert found["smallest"] < found["largest"]


def test_rounding_is_small_beside_what_unweighted_groups_do():
    for each in RECORD["averages"]:
        assert each["by_size_error"] < each["unweighted_error"] / 100
    many = RECORD["averages"][-1]
    assert many["by_size_error"] < many["flat_error"]  # as the page says


@pytest.mark.parametrize("row", RECORD["messages"], ids=lambda row: row["name"])
def test_the_recorded_seconds_are_those_of_the_page_s_code(row):
    assert row["bytes"] == recorded(row["example"], row["experiment"])["federated"]["bytes_per_message"]
    again = record_scale.rounds(row["bytes"], row["training_seconds"])
    for before, now in zip(row["rounds"], again, strict=True):
        assert {key: before[key] for key in ("owners", "bytes_in", "bytes_out")} == {
            "owners": now["owners"],
            "bytes_in": (now["owners"] + 1) * row["bytes"],
            "bytes_out": 2 * now["owners"] * row["bytes"],
        }
        for way in ("seconds", "grouped_seconds"):
            assert before[way] == pytest.approx(now[way], rel=1e-3, abs=0.01)


def test_every_example_has_a_row():
    assert {row["example"] for row in RECORD["messages"]} == {task.name for task in record_scale.find_all()}


def test_the_limits_are_the_sdk_s(monkeypatch):
    limits = next(each for each in RECORD["experiments"] if each["name"] == "limits")
    assert record_scale.limits() == limits
    slept: list[float] = []
    monkeypatch.setattr(task_message_contractor.time, "sleep", slept.append)
    contractor = task_message_contractor.TaskMessageContractor("a-task")
    answer = mock.Mock(status_code=200, json=lambda: {"code": 0, "data": {"message_uuid": "a"}})
    monkeypatch.setattr(task_message_contractor.requests, "post", lambda **_: answer)
    contractor.accept_sending_data(target="owner", session_id="a", receiver="aggregator")
    assert slept == [PUSH]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scale") / "data"
    prepare("mnist", folder, num_nodes=2, seed=1)
    return folder


def parameters(done):
    state = torch.load(done.path / "model.pt", weights_only=True)
    return {name: value for name, value in state.items() if name != "is_change"}


def greatest_difference(one, other):
    return max((one[name] - other[name]).abs().max().item() for name in one)


def test_half_precision_is_near_full_precision_and_stays_float32_at_the_aggregator(data, tmp_path):
    full = run(MNISTScheduler(max_rounds=1, seed=1), data, seed=1, out=tmp_path / "full")
    half = run(HalfMNIST(max_rounds=1, seed=1), data, seed=1, out=tmp_path / "half")
    assert {value.dtype for value in parameters(half).values()} == {torch.float32}
    assert 0 < greatest_difference(parameters(full), parameters(half)) < 1e-3


def test_all_changes_returned_are_the_same_as_all_parameters(data, tmp_path):
    class All(LargestMNIST):
        share = 1.0

    full = run(MNISTScheduler(max_rounds=2, seed=1), data, seed=1, out=tmp_path / "full")
    changes = run(All(max_rounds=2, seed=1), data, seed=1, out=tmp_path / "changes")
    assert greatest_difference(parameters(full), parameters(changes)) < 1e-5
    assert torch.load(changes.path / "model.pt", weights_only=True)["is_change"] == 0  # a model, that can be loaded


def owner(share=0.1):
    class Owner(LargestMNIST):
        data_dir = "nowhere"

    scheduler = Owner(seed=1)
    scheduler.share, scheduler.is_aggregator = share, False
    _ = scheduler.model
    return scheduler


def train(scheduler, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in scheduler.model.parameters():
            parameter += 0.01 * torch.randn(parameter.shape, generator=generator)


def test_what_is_not_sent_is_kept_however_often_the_state_is_asked_for():
    scheduler = owner()
    model = {name: value.clone() for name, value in scheduler.model.state_dict().items()}
    sent = {name: torch.zeros_like(value) for name, value in model.items()}
    changed = {name: torch.zeros_like(value) for name, value in model.items()}
    for seed in range(3):
        train(scheduler, seed)
        for name, value in scheduler.model.state_dict().items():
            changed[name] += value - model[name]
        for _ in range(3):
            state = scheduler.state_dict()
        assert state["is_change"] == 1
        for name in model:
            sent[name] += state[name].to_dense()
        scheduler.load_state_dict({**model, "is_change": torch.zeros(())})
    for name in model:
        torch.testing.assert_close(sent[name] + scheduler.rest[name], changed[name])


def test_the_largest_are_kept_in_their_places():
    value = torch.tensor([[0.5, -3.0, 0.1], [2.0, 0.0, -0.2]])
    assert largest(value, 0.34).to_dense().tolist() == [[0, -3, 0], [2, 0, 0]]
    assert largest(value, 0.0001).to_dense().count_nonzero() == 1


@pytest.fixture(scope="module")
def sampled(tmp_path_factory):
    """Return four owners' data, and a run in which two of them train in each round."""
    folder = tmp_path_factory.mktemp("sampled")
    prepare("mnist", folder / "data", num_nodes=4, seed=1)
    return folder / "data", run(SampledMNIST(max_rounds=4, seed=1), folder / "data", seed=1, out=folder / "run")


def trained_in(done):
    """Return who trained in each round."""
    nodes = [[row.node for row in done.rows if row.round == number + 1] for number in range(4)]
    return [sorted({*names} - {"aggregator"}) for names in nodes]


def test_a_scheduler_that_draws_does_what_the_option_does(sampled, tmp_path):
    data, drawn = sampled
    option = run(MNISTScheduler(max_rounds=4, seed=1), data, seed=1, out=tmp_path / "run", sample=0.5)
    assert trained_in(drawn) == trained_in(option)
    assert {len(names) for names in trained_in(drawn)} == {2} and len({*map(tuple, trained_in(drawn))}) > 1
    assert greatest_difference(parameters(drawn), parameters(option)) == 0


@pytest.mark.soak
def test_the_unmodified_sdk_lets_those_who_are_not_drawn_skip_the_round(sampled, tmp_path):
    data, drawn = sampled
    there = run(SampledMNIST(max_rounds=4, seed=1), data, seed=1, out=tmp_path / "run", engine="playground")
    assert trained_in(there) == trained_in(drawn)
    assert greatest_difference(parameters(drawn), parameters(there)) == 0


@pytest.mark.parametrize("kind", [HalfMNIST, LargestMNIST])
def test_the_playground_refuses_what_is_returned_in_another_form(kind):
    aggregator, owner = kind(seed=1), kind(seed=1)
    states = []
    for scheduler in (aggregator, owner):
        _ = scheduler.model
        scheduler.is_aggregator = scheduler is aggregator
        states.append(scheduler.state_dict())
    with pytest.raises(PeerRefused, match="and float32, strided is expected"):
        refuse_unlike("owner", states[1], states[0])


def test_half_precision_costs_nothing_and_dropped_changes_do():
    for name, sign in (("mnist", 1), ("language_modeling", -1)):  # accuracy and perplexity
        runs = {each["name"]: each for each in COMPRESSED[name]["runs"]}
        mean = {way: sign * np.mean(each["values"]) for way, each in runs.items()}
        size = {way: each["bytes_returned"] for way, each in runs.items()}
        for way in ("float16", "bfloat16"):
            assert mean[way] == pytest.approx(mean["full"], rel=0.01)
            assert 0.5 <= size[way] / size["full"] < 0.6
        assert mean["full"] > mean["largest-1"] > mean["largest-1-only"]
        assert mean["largest-10"] > mean["largest-1"]
        assert size["largest-1"] < size["largest-10"] < size["full"]
        assert size["largest-10"] / size["full"] > 0.3  # a tenth of the changes is no tenth of the bytes


@pytest.mark.parametrize(
    ("seconds", "zh", "en"),
    [(0.21, "0.21 秒", "0.21 s"), (59, "59 秒", "59 s"), (90, "1.5 分钟", "1.5 min"), (7200, "2 小时", "2 h"), (6e5, "6.9 天", "6.9 days")],
)  # fmt: skip
def test_spans_of_time_have_a_unit_that_fits(seconds, zh, en):
    shown = [show_seconds(seconds, WORDS[language]).replace("\N{NO-BREAK SPACE}", " ") for language in ("zh", "en")]
    assert shown == [zh, en]


def test_bytes_have_a_unit_that_fits():
    shown = [show_bytes(number).replace("\N{NO-BREAK SPACE}", " ") for number in (90701, 999, 16_722_212, 2e9, 3e12)]
    assert shown == ["91 kB", "999 B", "17 MB", "2 GB", "3 TB"]


# Many owners on one machine


WORKERS = {each["name"]: each for each in json.loads(workers.RECORDING.read_text("utf-8"))["experiments"]}


def test_several_processes_give_the_same_parameters_sooner():
    rows = WORKERS["workers"]["rows"]
    assert [(row["example"], row["nodes"]) for row in rows] == workers.TASKS
    for row in rows:
        assert row["is_equal"] and row["gain"] > 1.3 and row["set_up_seconds_more"] < 1.5
        assert row["gain"] == pytest.approx(row["one_seconds_a_round"] / row["several_seconds_a_round"], abs=0.02)


def test_memory_grows_with_the_data_and_a_round_with_the_samples():
    few, many = WORKERS["few"], WORKERS["many"]
    assert (few["nodes"], many["nodes"]) == (3, 1000)
    assert many["peak_mb"] - many["data_mb"] < 1.5 * few["peak_mb"]
    assert many["milliseconds_a_sample"] < 1.5 * few["milliseconds_a_sample"]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_tables_show_what_was_recorded(language):
    record = json.loads(workers.RECORDING.read_text("utf-8"))
    gains, many = (draw(record, language) for draw in (results_workers.gains, results_workers.many))
    assert all(f"{row['gain']:.2f}\N{NO-BREAK SPACE}×" in gains for row in WORKERS["workers"]["rows"])
    assert all(f"{WORKERS[name]['peak_mb']:,}\N{NO-BREAK SPACE}MB" in many for name in ("few", "many"))
