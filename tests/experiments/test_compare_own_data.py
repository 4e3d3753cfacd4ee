"""Comparing on data that the reader brings: centralised training draws from all owners' folders."""

import json
import re
from pathlib import Path

import pytest
import torch
from schedulers import Tiny, read_samples, write_data
from torch.utils.data import (
    BatchSampler,
    ChainDataset,
    ConcatDataset,
    DataLoader,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    TensorDataset,
    WeightedRandomSampler,
)

from alphamed_tutorials import compare
from alphamed_tutorials.catalogue import find
from alphamed_tutorials.data.prepare import prepare
from alphamed_tutorials.engines.local import run_local
from alphamed_tutorials.errors import TutorialError, WrongUse
from alphamed_tutorials.experiments.pooled import CannotPool, join, pooled
from alphamed_tutorials.faults import CannotWrite
from alphamed_tutorials.runs.folder import Run

OWNERS = {"东院 1": 8, "b": 12}  # a name in Chinese, with a blank


@pytest.fixture
def data(tmp_path) -> Path:
    return write_data(tmp_path / "数据", **OWNERS)


def folders(data: Path) -> list[Path]:
    return [data / "nodes" / name for name in OWNERS]


def loader(**options) -> DataLoader:
    return DataLoader(TensorDataset(torch.arange(6.0)), **{"batch_size": 2, **options})


# One loader over several data sets


def test_joined_loaders_hold_every_sample_once_and_keep_their_options():
    generator, collate = torch.Generator().manual_seed(3), torch.utils.data.default_convert
    options = {"batch_size": 4, "drop_last": True, "collate_fn": collate, "generator": generator, "shuffle": True}
    joined = join([loader(**options), loader(**options)])
    assert isinstance(joined.dataset, ConcatDataset) and sorted(x.item() for (x,) in joined.dataset) == sorted(
        [*range(6)] * 2
    )
    assert (joined.batch_size, joined.drop_last, joined.collate_fn, joined.generator) == (4, True, collate, generator)
    assert isinstance(joined.sampler, RandomSampler) and len(joined) == 3


def test_what_was_in_order_stays_in_order():
    joined = join([loader(), loader()])
    assert isinstance(joined.sampler, SequentialSampler)
    assert [x.tolist() for (x,) in joined] == [[0, 1], [2, 3], [4, 5]] * 2


class Counting(IterableDataset):
    def __iter__(self):
        yield from range(3)


def test_data_sets_without_an_index_are_chained():
    joined = join([DataLoader(Counting(), batch_size=2)] * 2)
    assert isinstance(joined.dataset, ChainDataset) and [x.tolist() for x in joined] == [[0, 1], [2, 0], [1, 2]]


def test_single_samples_stay_single():
    assert [x.item() for (x,) in join([loader(batch_size=None)] * 2)] == [0, 1, 2, 3, 4, 5] * 2


class OwnLoader(DataLoader): ...


class OwnData(TensorDataset):
    def collate(self, samples):
        return samples


OWN_DATA = OwnData(torch.arange(6.0))


@pytest.mark.parametrize(
    ("loaders", "words"),
    [
        ([[1, 2]], "returns a list, no plain DataLoader"),
        ([OwnLoader(OWN_DATA)], "returns a OwnLoader, no plain DataLoader"),
        ([loader(sampler=WeightedRandomSampler([1.0] * 6, 6))], "sampler of its own, WeightedRandomSampler"),
        ([DataLoader(OWN_DATA, sampler=RandomSampler(OWN_DATA, replacement=True))], "of its own, RandomSampler"),
        ([DataLoader(OWN_DATA, sampler=RandomSampler(OWN_DATA, num_samples=3))], "of its own, RandomSampler"),
        ([DataLoader(OWN_DATA, sampler=SequentialSampler(range(3)))], "of its own, SequentialSampler"),
        (
            [DataLoader(OWN_DATA, batch_sampler=type("Own", (BatchSampler,), {})(range(6), 2, False))],
            "sampler of its own",
        ),
        ([DataLoader(OWN_DATA, collate_fn=OWN_DATA.collate)], "collate_fn is a method of the data set"),
        ([loader(), loader(batch_size=3)], "batch_size differs (2, 3)"),
        ([loader(), DataLoader(Counting(), batch_size=2)], "others only an order"),
    ],
)
def test_what_cannot_be_joined_honestly_is_refused(loaders, words):
    with pytest.raises(CannotPool) as caught:
        join(loaders)
    assert words in str(caught.value)


def test_mnist_pooled_is_mnist_prepared_in_one_place_but_for_the_order(tmp_path):
    mnist = find("mnist")
    prepare(mnist, tmp_path / "split", 3, "dirichlet:0.3")
    prepare(mnist, tmp_path / "whole", 1)
    whole = mnist.build_scheduler()
    whole.data_dir = str(tmp_path / "whole/nodes/node1")
    split = pooled(mnist.build_scheduler(), sorted((tmp_path / "split/nodes").glob("node*")))
    one, all_ = (scheduler.build_train_dataloader() for scheduler in (whole, split))
    assert (all_.batch_size, all_.drop_last, len(all_)) == (one.batch_size, one.drop_last, len(one))
    assert samples(all_.dataset) == samples(one.dataset) and len(one.dataset) == 1437


def samples(dataset) -> list[bytes]:
    return sorted(image.numpy().tobytes() + bytes([label]) for image, label in dataset)


# The runs


class Averaging(Tiny):
    """Log what a node's training data sum to; end early where it is told so."""

    last = 0

    def train_an_epoch(self):
        super().train_an_epoch()
        self.log("train/samples", len(self.train_loader.dataset))

    def is_task_finished(self):
        return self.current_round == self.last or super().is_task_finished()


def test_all_ways_of_training_on_folders_named_one_by_one(data, tmp_path):
    events = []
    nodes = dict(zip(OWNERS, folders(data)))
    result = compare(
        Averaging,
        nodes=nodes,
        aggregator=data / "nodes/aggregator",
        num_rounds=2,
        out=tmp_path / "out",
        on_event=events.append,
    )
    assert [run["name"] for run in result["runs"]] == ["centralised", "b", "东院 1", "federated"]
    assert {event["run"] for event in events} == {"centralised", *OWNERS, "federated"}
    counts = {
        name: {row.node: row.value for row in Run.open(tmp_path / "out" / name).rows if row.name == "train/samples"}
        for name in ("centralised", *OWNERS, "federated")
    }
    assert counts == {"centralised": {"all": 20}, "东院 1": {"东院 1": 8}, "b": {"b": 12}, "federated": OWNERS}
    assert [(run["rounds"], run["finished_early"]) for run in result["runs"]] == [(2, False)] * 4
    assert result["metrics"] == [{"name": "test/correct", "zh": "test/correct", "en": "test/correct", "format": ".3g"}]
    assert all(len(run["metrics"]["test/correct"]) == 2 for run in result["runs"])
    assert (tmp_path / "out/compare.png").exists() and result["nodes"] == 2
    written = json.loads((tmp_path / "out/compare.json").read_text())
    assert {**written, "folder": str(tmp_path / "out")} == json.loads(json.dumps(result))


def test_centralised_on_folders_is_training_on_their_samples_in_one_folder(data, tmp_path):
    """The same owner's name gives the same random numbers; the order of samples is that of the folders."""
    parts = [read_samples(folder).tensors for folder in folders(data)]
    (tmp_path / "whole/all").mkdir(parents=True)
    torch.save(tuple(map(torch.cat, zip(*parts))), tmp_path / "whole/all/samples.pt")
    nodes = {"aggregator": data / "nodes/aggregator", "all": tmp_path / "whole/all"}
    whole = run_local(Tiny(), nodes, tmp_path / "one", seed=4)
    split = run_local(pooled(Tiny(), folders(data)), {**nodes, "all": folders(data)[0]}, tmp_path / "two", seed=4)
    assert whole.rows == split.rows and len(whole.rows) > 3
    first, second = (torch.load(run.path / "model.pt") for run in (whole, split))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_what_cannot_be_pooled_is_left_out_and_the_rest_is_run(data, tmp_path):
    class Weighted(Averaging):
        def build_train_dataloader(self):
            dataset = read_samples(self.data_dir)
            return DataLoader(dataset, batch_size=4, sampler=WeightedRandomSampler([1.0] * len(dataset), len(dataset)))

    result = compare(Weighted, data, num_rounds=1, out=tmp_path / "out")
    first, *others = result["runs"]
    assert first == {
        "name": "centralised", "left_out": "the training loader has a sampler of its own, WeightedRandomSampler",
    }  # fmt: skip
    assert all(run["metrics"]["test/correct"] for run in others) and len(others) == 3
    assert not (tmp_path / "out/centralised").exists() and (tmp_path / "out/compare.png").exists()


def test_an_aggregator_that_trains_too_adds_its_data_to_the_pool(data, tmp_path):
    result = compare(Averaging(involve_aggregator=True), data, num_rounds=1, out=tmp_path / "out")
    rows = Run.open(tmp_path / "out/centralised").rows
    assert [row.value for row in rows if row.name == "train/samples"] == [28] and len(result["runs"]) == 4


def test_a_run_may_end_early_and_log_nothing(data, tmp_path):
    class Silent(Averaging):
        last = 1

        def run_test(self): ...

    result = compare(Silent, data, num_rounds=3, out=tmp_path / "out")
    assert [(run["rounds"], run["finished_early"], run["metrics"]) for run in result["runs"]] == [(1, True, {})] * 4
    assert result["metrics"] == [] and not (tmp_path / "out/compare.png").exists()


class OnlyAlone(Averaging):
    """Log a metric on one run only."""

    @torch.no_grad()
    def run_test(self):
        if set(self.participants) == {"aggregator", "b"}:
            self.log("test/alone", 0.25)
        self.log("test/correct", 1.0)


def test_a_metric_of_some_runs_only_is_shown_there(data, playground):
    path = write_task("only_alone", "OnlyAlone")
    finished = playground("compare", f"{path}:OnlyAlone", "--data", data, "--rounds", 1)
    assert finished.code == 0, finished.err
    lines = [re.findall(r"[\w.%/]+", line) for line in finished.out.splitlines()]
    rows = {words[0]: words[1:] for words in lines if words}
    assert rows["test/correct"][:1] == ["test/alone"] and "0.25" in rows["b"] and "0.25" not in rows["federated"]


def write_task(name: str, scheduler: str) -> Path:
    """Write a module that takes a scheduler from here, in the working folder, as a reader's own file."""
    path = Path(f"{name}.py")
    path.write_text(f"from test_compare_own_data import {scheduler} as Base\n\n\nclass {scheduler}(Base): ...\n")
    return path.resolve()


def test_the_command_takes_folders_one_by_one_and_settings(data, playground):
    path = write_task("my_task", "WithSetting")
    nodes = [f"--node={name}={folder}" for name, folder in zip(OWNERS, folders(data))]
    finished = playground(
        "compare", path, *nodes, "--aggregator", data / "nodes/aggregator", "--set", "learning_rate=0.25", "--json"
    )
    assert finished.code == 0, finished.err
    assert [run["name"] for run in finished.json["runs"]] == ["centralised", "b", "东院 1", "federated"]
    assert finished.json["settings"]["learning_rate"] == 0.25 and finished.json["rounds"] == 1


class WithSetting(Averaging):
    def __init__(self, learning_rate: float = 0.5):
        super().__init__(max_rounds=1)
        self.learning_rate = learning_rate


class Interrupted(Averaging):
    def train_an_epoch(self):
        if self.id == "b":
            raise KeyboardInterrupt


def test_a_comparison_that_is_stopped_says_where_its_runs_lie(data, playground, tmp_path):
    finished = playground("compare", write_task("stopped", "Interrupted"), "--data", data)
    assert finished.code == 1 and "stopped by Ctrl-C. The runs so far lie in runs/stopped-compare-1" in finished.err
    states = {name: Run.open(tmp_path / "runs/stopped-compare-1" / name).state for name in ("centralised", "b")}
    assert states == {"centralised": "done", "b": "interrupted"}


# What is refused, and what is said of what is left


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"num_nodes": 2}, "the data bring their own nodes"),
        ({"partition": "owners"}, "the data bring their own nodes"),
        ({"settings": {"momentom": 1}}, "has no argument momentom"),
        ({"nodes": {"federated": "."}}, "no node can be called federated"),
    ],
)
def test_wrong_use_leaves_nothing(data, tmp_path, arguments, words):
    with pytest.raises(WrongUse, match=words):
        compare(Tiny, data, out=tmp_path / "out", **arguments)
    assert not (tmp_path / "out").exists()


def test_an_existing_folder_is_refused_before_anything_runs(data, tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(WrongUse, match="out exists already"):
        compare(Tiny, data, out=tmp_path / "out", on_event=pytest.fail)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_failing_run_is_named_with_what_lies_where(data, tmp_path):
    class Failing(Averaging):
        def train_an_epoch(self):
            if self.node == "b" and len(self.train_loader.dataset) == 12:
                raise ValueError("my bug")

    with pytest.raises(TutorialError) as caught:
        compare(Failing, data, num_rounds=1, out=tmp_path / "out")
    text = str(caught.value)
    assert text.startswith("b: b failed in round 1") and "my bug" in text
    assert f"Logs: {tmp_path / 'out/b/logs'}. The runs so far lie in {tmp_path / 'out'}" in text
    assert Run.open(tmp_path / "out/centralised").state == "done" and Run.open(tmp_path / "out/b").state == "failed"


def test_where_no_run_could_be_kept_no_place_is_named(data, tmp_path, monkeypatch):
    def refuse(self, **_):
        raise CannotWrite("no room")

    monkeypatch.setattr(Run, "update", refuse)
    with pytest.raises(TutorialError) as caught:
        compare(Tiny, data, num_rounds=1, out=tmp_path / "out")
    assert str(caught.value) == "centralised: no room" and not (tmp_path / "out").exists()
