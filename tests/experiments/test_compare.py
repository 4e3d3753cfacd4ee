"""Comparing and recording: every figure is one that a run wrote down."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from alphamed_tutorials.catalogue import EXAMPLES, Target, find, find_all
from alphamed_tutorials.data.partition import Partition
from alphamed_tutorials.errors import WrongUse
from alphamed_tutorials.experiments import record as recording
from alphamed_tutorials.experiments.record import record

RESULTS = Path(__file__).parents[2] / "docs" / "results"
OF_EXAMPLES = [file for file in sorted(RESULTS.glob("*.json")) if file.stem in {each.name for each in find_all()}]
NAMES = ["centralised", "node1", "node2", "federated"]


@pytest.fixture(scope="module")
def compared(start, tmp_path_factory) -> tuple[Path, dict, str]:
    """Return the folder, the JSON and the table of a comparison made by the command."""
    folder = tmp_path_factory.mktemp("compared")
    finished = start(
        *["compare", "mnist", "--nodes", "2", "--rounds", "2", "--partition", "dirichlet:0.3", "--json"], cwd=folder
    )
    assert finished.returncode == 0, finished.stderr
    return folder / "runs/mnist-compare-1", json.loads(finished.stdout), finished.stderr


def rows_of(run: Path) -> list[dict[str, str]]:
    with open(run / "metrics.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_each_way_of_training_is_there(compared):
    folder, result, _ = compared
    assert [run["name"] for run in result["runs"]] == NAMES
    assert (result["partition"], result["nodes"], result["rounds"], result["seed"]) == ("dirichlet:0.3", 2, 2, 0)
    assert result["settings"]["learning_rate"] == 0.05
    assert json.loads((folder / "compare.json").read_text()) == {k: v for k, v in result.items() if k != "folder"}
    assert (folder / "compare.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", NAMES)
def test_the_numbers_are_those_of_the_run(compared, name):
    folder, result, table = compared
    run = next(run for run in result["runs"] if run["name"] == name)
    for metric in ("test/accuracy", "test/loss"):
        written = [[int(r["round"]), float(r["value"])] for r in rows_of(folder / name) if r["name"] == metric]
        assert len(written) == 2 and run["metrics"][metric] == written
    accuracy, loss = (run["metrics"][metric][-1][1] for metric in ("test/accuracy", "test/loss"))
    assert [name, f"{accuracy:.1%}", f"{loss:.3g}", "2", f"{run['seconds']:.1f}"] in cells_of(table)
    assert run["bytes_per_message"] > 80_000


def cells_of(table: str) -> list[list[str]]:
    """Return the words of each line, without what rules a table."""
    return [re.findall(r"[\w.%/]+", line) for line in table.splitlines()]


def test_centralised_holds_all_samples_and_a_lone_node_only_its_own(compared):
    folder, result, _ = compared
    owners = {name: folder / "data/nodes" / name for name in ("node1", "node2")}
    trained = {name: json.loads((folder / name / "run.json").read_text())["nodes"] for name in NAMES}
    assert {name: Path(path) for name, path in trained["federated"].items() if name != "aggregator"} == owners
    for name, path in owners.items():
        assert list(trained[name]) == ["aggregator", name] and Path(trained[name][name]) == path
    pooled = samples(Path(trained["centralised"]["node1"]))
    assert len(trained["centralised"]) == 2
    assert pooled == sorted(sample for path in owners.values() for sample in samples(path))
    counts = result["counts"]
    assert len(pooled) == sum(sum(counts[name]["train"].values()) for name in owners) == 1437


def test_all_are_tested_on_the_same_samples(compared):
    folder, _, _ = compared
    tests = [folder / f"{data}/nodes/aggregator" for data in ("data", "data-in-one-place")]
    assert samples(tests[0], train=False) == samples(tests[1], train=False)


def samples(folder: Path, train: bool = True) -> list[bytes]:
    dataset = find("mnist").module("data").DigitDataset(folder, train)
    return sorted(image.numpy().tobytes() + bytes([label]) for image, label in zip(dataset.images, dataset.labels))


def test_the_threads_are_those_of_the_example(compared):
    folder, _, _ = compared
    assert {json.loads((folder / name / "run.json").read_text())["num_threads"] for name in NAMES} == {1}


# Recording


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Target:
    """Return a copy of MNIST whose experiments are small."""
    folder = tmp_path_factory.mktemp("examples") / "small_mnist"
    shutil.copytree(EXAMPLES / "mnist", folder, ignore=shutil.ignore_patterns("__pycache__"))
    facts = (folder / "example.toml").read_text()
    facts = re.sub(r"(?s)(\[\[experiment\]\].*?)rounds = \d+", r"\1rounds = 1", facts).replace("nodes = 3", "nodes = 2")
    facts = facts.replace("more_seeds = [2, 3]", "more_seeds = [2]", 1).replace("more_seeds = [2, 3]\n", "")
    (folder / "example.toml").write_text(facts)
    return find(str(folder))


@pytest.fixture(scope="module")
def recorded(small, tmp_path_factory) -> tuple[Path, list[dict], list[dict]]:
    """Record twice; return the folder of results, both contents and the events."""
    results, contents, events = tmp_path_factory.mktemp("results"), [], []
    for _ in range(2):
        file = record(small, results, tmp_path_factory.mktemp("work") / "new", None, events.append)
        contents.append(json.loads(file.read_text(encoding="utf-8")))
    return results, contents, events


def without_times(content):
    if isinstance(content, dict):
        return {
            key: without_times(value) for key, value in content.items() if key not in ("seconds", "recorded", "idle")
        }
    return [without_times(item) for item in content] if isinstance(content, list) else content


def test_the_recorded_file_has_what_the_pages_read(recorded):
    content = recorded[1][0]
    assert content.keys() == {
        "example",
        "metric",
        "metrics",
        "recorded",
        "seconds",
        "machine",
        "versions",
        "data",
        "independent",
        "experiments",
    }
    assert content["example"] == "small_mnist" and content["metric"] == "test/accuracy" and content["seconds"] > 0
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", content["recorded"])
    assert content["machine"].keys() == {"cpu", "cores", "memory_gib", "system"}
    assert content["versions"]["torch"] == torch.__version__.split("+")[0]
    assert content["data"] == {
        "source": "embedded", "train": 1437, "test": 360, "classes": ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
    }  # fmt: skip
    assert [(x["name"], x["partition"], x["rounds"]) for x in content["experiments"]] == [
        ("iid", "iid", 1), ("label_skew", "dirichlet:0.3", 1),
    ]  # fmt: skip
    facts = {metric.name: metric for metric in find("mnist").facts.metric}
    assert content["metrics"] == [facts[name].model_dump() for name in ("test/accuracy", "test/loss")]
    for experiment in content["experiments"]:
        assert not {"folder", "metrics"} & experiment.keys() and isinstance(experiment["idle"], bool)
        assert {"nodes", "seed", "settings", "counts", "runs"} <= experiment.keys()
        assert [run["name"] for run in experiment["runs"]] == NAMES
        for run in experiment["runs"]:
            assert run["seconds"] > 0 and run["metrics"].keys() == {"test/accuracy", "test/loss"}
            assert [point[0] for point in run["metrics"]["test/accuracy"]] == [1]


def test_work_of_other_processes_is_seen():
    others, children = recording._seconds_of_others(), os.times().children_user
    subprocess.run([sys.executable, "-c", "sum(range(2 * 10**7))"], check=True)
    taken = os.times().children_user - children
    assert recording._seconds_of_others() - others > taken / 2 > 0.05


def test_every_run_has_an_interval_and_the_first_experiment_more_seeds(recorded):
    content = recorded[1][0]
    assert content["independent"] == {"zh": "个数字", "en": "digits"}
    for experiment in content["experiments"]:
        for run in experiment["runs"]:
            (low, high), accuracy = run["interval"], run["metrics"]["test/accuracy"][-1][1]
            assert low <= accuracy <= high and len(run["outcomes"]) == run["units"] == 360
            assert run["outcomes"].count("1") == round(360 * accuracy)
            assert ("federated_less_this" in run) == (run["name"] != "federated")
            tested = experiment["counts"]["aggregator"]["test"]
            right = sum(run["by_class"][digit] * count for digit, count in tested.items())
            assert right == pytest.approx(360 * accuracy, abs=0.01), "by class, they are as many"
    again = [run["more_seeds"] for run in content["experiments"][0]["runs"]]
    assert all(len(seeds) == 1 and seeds[0].keys() == {"test/accuracy", "test/loss"} for seeds in again)
    assert not any("more_seeds" in run for run in content["experiments"][1]["runs"])


def test_recording_again_gives_the_same_but_for_times(recorded):
    first, second = recorded[1]
    assert without_times(first) == without_times(second) and first["experiments"]


def test_a_recording_is_one_file(recorded):
    assert [path.name for path in recorded[0].rglob("*")] == ["small_mnist.json"]


def test_progress_names_the_experiment_and_its_rounds(recorded):
    started = [event for event in recorded[2] if event["event"] == "started"]
    assert [event["run"] for event in started[:8]] == [f"{x}, {name}" for x in ("iid", "iid-seed-2") for name in NAMES]
    assert {event["rounds"] for event in started} == {1}


def test_an_interrupted_record_leaves_the_old_one(recorded, small, tmp_path, monkeypatch):
    results = shutil.copytree(recorded[0], tmp_path / "results")
    before = {path: path.read_bytes() for path in results.rglob("*") if path.is_file()}
    experiments = []

    def interrupted(example, out, **_):
        experiments.append(out.name)
        if len(experiments) == 3:
            raise KeyboardInterrupt
        return {"counts": {}, "runs": []}

    monkeypatch.setattr(recording, "compare", interrupted)
    with pytest.raises(KeyboardInterrupt):
        record(small, results, tmp_path / "work", None)
    assert experiments == ["iid", "iid-seed-2", "label_skew"]
    assert {path: path.read_bytes() for path in results.rglob("*") if path.is_file()} == before


def copy_of_results(recorded, tmp_path, **changed) -> Path:
    results = shutil.copytree(recorded[0], tmp_path / "results")
    file = results / "small_mnist.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changed))
    return results


def test_one_experiment_can_be_recorded_again_and_the_others_stay(recorded, small, tmp_path):
    kept = {"name": "iid", "counts": {}, "runs": [{"seconds": 1000}]}
    results = copy_of_results(recorded, tmp_path, experiments=[kept, {"name": "label_skew", "old": True}])
    content = json.loads(record(small, results, tmp_path / "work", None, only=["label_skew"]).read_text())
    assert content["experiments"][0] == kept
    assert without_times(content["experiments"][1]) == without_times(recorded[1][0]["experiments"][1])
    assert content["seconds"] == pytest.approx(
        1000 + sum(x["seconds"] for x in content["experiments"][1]["runs"]), 1e-3
    )
    assert content["data"] == recorded[1][0]["data"]


@pytest.mark.parametrize(
    ("changed", "what"),
    [({"machine": {}}, "machine"), ({"versions": {}}, "versions"), ({"data": {"source": "mnist"}}, "source")],
)
def test_results_of_other_conditions_are_not_mixed(recorded, small, tmp_path, changed, what):
    results = copy_of_results(recorded, tmp_path, **changed)
    before = (results / "small_mnist.json").read_bytes()
    with pytest.raises(WrongUse, match=f"another {what} .*record everything again"):
        record(small, results, tmp_path / "work", None, only=["iid"])
    assert (results / "small_mnist.json").read_bytes() == before and not (tmp_path / "work").exists()


def test_an_unknown_experiment_is_refused(small, tmp_path):
    with pytest.raises(WrongUse, match="small_mnist has no experiment owners, only iid, label_skew"):
        record(small, tmp_path, tmp_path / "work", None, only=["owners"])


def test_classes_keep_the_order_of_the_counts():
    counts = {"node1": {"train": {str(i): 1 for i in range(12)}}, "aggregator": {"test": {"other": 2}}}
    assert recording._size(counts) == {"train": 12, "test": 2, "classes": [*map(str, range(12)), "other"]}


def test_the_name_of_the_source_is_its_folders(small, tmp_path, monkeypatch):
    (tmp_path / "digits").mkdir()
    monkeypatch.chdir(tmp_path / "digits")
    monkeypatch.setattr(recording, "compare", lambda example, **_: {"counts": {}, "runs": []})
    file = record(small, tmp_path, tmp_path / "work", Path("."))
    assert json.loads(file.read_text())["data"]["source"] == "digits"


def test_an_experiment_sets_arguments_of_the_scheduler(tmp_path, monkeypatch):
    given = []

    def compare(example, settings, **_):
        given.append(settings)
        return {"counts": {}, "runs": []}

    monkeypatch.setattr(recording, "compare", compare)
    record(find("transfer_learning"), tmp_path, tmp_path / "work", None)
    plans = find("transfer_learning").facts.experiment
    assert given == [plan.settings for plan in plans for _ in (plan.seed, *plan.more_seeds)]
    assert given[-1] == {"freeze_backbone": False, "learning_rate": 0.005}
    scheduler = find("transfer_learning").build_scheduler(4, 1, given[-1])
    assert (scheduler.freeze_backbone, scheduler.learning_rate, scheduler.max_rounds) == (False, 0.005, 4)


def test_fewer_rounds_of_one_experiment_make_a_recording_of_their_own(small, tmp_path, monkeypatch):
    rounds = []
    monkeypatch.setattr(
        recording, "compare", lambda _, num_rounds, **__: rounds.append(num_rounds) or {"counts": {}, "runs": []}
    )
    content = json.loads(record(small, tmp_path, tmp_path / "work", None, only=["iid"], num_rounds=7).read_text())
    assert set(rounds) == {7} and [one["name"] for one in content["experiments"]] == ["iid"]


def test_a_metric_that_no_table_names_is_recorded_under_its_own_name():
    runs = [{"metrics": {"test/new": [[1, 0.5]], "test/loss": [[1, 2.0]]}}, {"left_out": "why"}]
    named = recording.metrics_of(find("mnist").facts, runs)
    assert [(metric["name"], metric["en"], metric["format"]) for metric in named] == [
        ("test/loss", "Test loss", ".3g"), ("test/new", "test/new", ".3g"),
    ]  # fmt: skip


@pytest.mark.parametrize("file", OF_EXAMPLES, ids=lambda file: file.stem)
def test_every_recorded_metric_is_named_as_its_example_names_it(file):
    content = json.loads(file.read_text(encoding="utf-8"))
    runs = [run for experiment in content["experiments"] for run in experiment["runs"]]
    facts = find(content["example"]).facts
    assert content["metrics"] == recording.metrics_of(facts, runs)
    assert {metric["name"] for metric in content["metrics"]} <= set(facts.metrics)


@pytest.mark.parametrize("example", find_all(), ids=lambda example: example.name)
def test_the_experiments_of_every_example_can_be_made(example):
    for plan in example.facts.experiment:
        example.build_scheduler(plan.rounds, plan.seed, plan.settings)
        assert str(Partition.parse(plan.partition)) == plan.partition
