"""What goes wrong on a node is told by node, round, file and line, and leaves the run folder in order."""

import io
import json
import linecache
import os
import threading

import pytest
import torch
from schedulers import Tiny, build_network, write_data
from torch import nn

from alphamed_tutorials.engines.failures import NodeFailed
from alphamed_tutorials.engines.local import resume_local, run_local
from alphamed_tutorials.errors import TutorialError
from alphamed_tutorials.runs.folder import Run


@pytest.fixture
def data(tmp_path):
    """Return a prepared data folder with two data owners of different size."""
    return write_data(tmp_path / "data", node1=8, node2=12)


class Broken(Tiny):
    """Raise in one method, on one node, in one round."""

    def __init__(self, method, node, number):
        super().__init__()
        self.place = method, node, number

    def meet(self, method):
        if self.place == (method, self.node, self.current_round):
            raise ValueError("broken on purpose")

    def train_an_epoch(self):
        self.meet("train_an_epoch")
        super().train_an_epoch()

    def run_test(self):
        self.meet("run_test")
        super().run_test()

    def build_train_dataloader(self):
        self.meet("build_train_dataloader")
        return super().build_train_dataloader()

    def load_state_dict(self, state_dict):
        self.meet("load_state_dict")
        super().load_state_dict(state_dict)


@pytest.mark.parametrize(
    ("method", "node", "number", "told"),
    [
        ("train_an_epoch", "node2", 2, 2),
        ("run_test", "aggregator", 2, 2),
        ("load_state_dict", "node1", 2, 2),
        ("build_train_dataloader", "node2", 1, 0),  # round 0: set-up
    ],
)
def test_failure_in_user_code(data, tmp_path, method, node, number, told):
    with pytest.raises(NodeFailed) as failed:
        run_local(Broken(method, node, number), data, tmp_path / "run")
    error, run = failed.value, Run.open(tmp_path / "run")
    assert (error.node, error.round, error.file) == (node, told, __file__)
    assert "broken on purpose" in linecache.getline(error.file, error.line)
    first, *_, last = str(error).splitlines()
    assert first.startswith(f"{node} failed ") and f"{__file__}, line {error.line}" in first
    assert last == "ValueError: broken on purpose"
    assert run.state == "failed"
    assert run.record["failure"] == {
        "node": node, "round": told, "file": __file__, "line": error.line, "error": "ValueError: broken on purpose",
    }  # fmt: skip
    assert run.record["rounds_done"] == max(told - 1, 0)
    assert (run.path / "checkpoint.pt").exists() == (told == 2)
    logs = {file.stem: file.read_text() for file in (run.path / "logs").iterdir()}
    assert [name for name, text in logs.items() if "Traceback (most recent call last)" in text] == [node]
    assert json.loads((run.path / "events.jsonl").read_text().splitlines()[-1])["event"] == "failed"


def in_torch(model, inputs):
    return model(inputs[:, :3]).sum()  # the user's line


def in_a_users_own_library(model, inputs):
    import some_library

    return some_library.fail()  # the user's line


@pytest.mark.parametrize("loss", [in_torch, in_a_users_own_library])
def test_innermost_line_is_the_users_own_not_a_librarys(data, tmp_path, monkeypatch, loss):
    class Misled(Tiny):
        def loss(self, inputs, labels):
            return loss(self.model, inputs)

    library = tmp_path / "home" / "site-packages" / "some_library.py"
    library.parent.mkdir(parents=True)
    library.write_text("def fail():\n    raise ValueError\n")
    monkeypatch.syspath_prepend(library.parent)
    with pytest.raises(NodeFailed) as failed:
        run_local(Misled(), data, tmp_path / "run")
    assert failed.value.file == __file__
    assert "# the user's line" in linecache.getline(__file__, failed.value.line)


def test_exit_in_user_code_is_a_failure(data, tmp_path):
    class Leaving(Tiny):
        def train_an_epoch(self):
            raise SystemExit(0)

    with pytest.raises(NodeFailed, match="SystemExit"):
        run_local(Leaving(), data, tmp_path / "run")
    assert Run.open(tmp_path / "run").state == "failed"


class BoolBuffer(Tiny):
    def build_model(self):
        model = super().build_model()
        model.register_buffer("mask", torch.ones(3, dtype=torch.bool))
        return model


class ExtraState(Tiny):
    class Network(nn.Sequential):
        def get_extra_state(self):
            return {"words": 3}

        def set_extra_state(self, state):
            pass

    def build_model(self):
        return self.Network(*build_network())


@pytest.mark.parametrize(
    ("task", "reason"),
    [(BoolBuffer, "mask .* is of bool, which the SDK cannot average"), (ExtraState, "_extra_state .* is no tensor")],
)
def test_state_the_sdk_cannot_average_is_met_before_round_1(data, tmp_path, task, reason):
    with pytest.raises(NodeFailed, match=f"{reason}.*: leave it out"):
        run_local(task(), data, tmp_path / "run")
    assert "round_started" not in (tmp_path / "run" / "events.jsonl").read_text()


@pytest.mark.parametrize("value", ["nan", "inf"])
@pytest.mark.parametrize("node", ["node2", "aggregator"])
def test_diverged_parameters_stop_the_run_at_their_node(data, tmp_path, node, value):
    class Diverging(Tiny):
        def train_an_epoch(self):
            super().train_an_epoch()
            if self.node == node and self.current_round == 2:
                self.model[3].bias.data[1] = float(value)

    with pytest.raises(NodeFailed, match="after local training 3.bias holds NaN or infinity") as failed:
        run_local(Diverging(involve_aggregator=True), data, tmp_path / "run")
    assert (failed.value.node, failed.value.round) == (node, 2)


@pytest.mark.parametrize("value", [7.0, float("nan")])
def test_sparse_numbers_are_summed_as_the_sdk_does_and_looked_at_as_others_are(data, tmp_path, value):
    class Sparse(Tiny):
        def state_dict(self):
            entries = super().state_dict()
            if self.is_aggregator:
                return entries
            floats = {name: entry for name, entry in entries.items() if entry.is_floating_point()}
            return entries | {name: torch.full_like(entry, value).to_sparse() for name, entry in floats.items()}

    def run():
        return run_local(Sparse(max_rounds=1), data, tmp_path / "run")

    if value == 7:
        assert torch.load(run().path / "model.pt")["3.bias"].unique().tolist() == [7]
    else:
        with pytest.raises(NodeFailed, match="after local training .* holds NaN or infinity"):
            run()


def test_infinity_in_a_buffer_is_allowed(data, tmp_path):
    class Masked(Tiny):
        def build_model(self):
            model = super().build_model()
            model.register_buffer("mask", torch.full((2, 2), float("-inf")).triu(1))
            return model

    mask = torch.load(run_local(Masked(), data, tmp_path / "run").path / "model.pt")["mask"]
    assert mask.tolist() == [[0, float("-inf")], [0, 0]]


def test_disk_so_full_that_the_failure_cannot_be_recorded(data, tmp_path, monkeypatch):
    def fail(self, **fields):
        raise OSError(28, "No space left on device")

    def fill_disk(event):
        if event["event"] == "training":
            monkeypatch.setattr(Run, "update", fail)

    with pytest.raises(NodeFailed, match="broken on purpose"):
        run_local(Broken("train_an_epoch", "node1", 1), data, tmp_path / "run", on_event=fill_disk)


class Holding(Tiny):
    """Keep what cannot be pickled: an iterator over the loader, and a file."""

    def train_an_epoch(self):
        self.batches = iter(self.train_loader)
        self.protocol = io.FileIO(os.devnull, "w")
        super().train_an_epoch()


def test_attribute_that_cannot_be_pickled(data, tmp_path):
    run = run_local(Holding(), data, tmp_path / "run")
    assert run.state == "done"
    events = [json.loads(line) for line in (run.path / "events.jsonl").read_text().splitlines()]
    told = sorted((event["node"], event["attribute"]) for event in events if event["event"] == "not_kept")
    assert told == [(node, name) for node in ("node1", "node2") for name in ("batches", "protocol")]
    for node in ("node1", "node2"):
        log = (run.path / "logs" / f"{node}.log").read_text()
        assert log.count("self.batches cannot be pickled: if this run is resumed, it starts afresh") == 1
    assert "cannot be pickled" not in (run.path / "logs" / "aggregator.log").read_text()


def test_model_that_cannot_be_pickled_runs_but_does_not_resume(data, tmp_path):
    class Locked(Tiny):
        def build_model(self):
            model = super().build_model()
            model.lock = threading.Lock()
            return model

    assert run_local(Locked(), data, tmp_path / "done").state == "done"

    def interrupt(event):
        if event["event"] == "training" and event["round"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_local(Locked(), data, tmp_path / "run", on_event=interrupt)
    assert "self._model cannot be pickled: this run cannot be resumed" in (tmp_path / "run/logs/node1.log").read_text()
    with pytest.raises(
        TutorialError, match="checkpoint.pt is missing .*self._model cannot be pickled.*: start the run again"
    ):
        resume_local(tmp_path / "run")
