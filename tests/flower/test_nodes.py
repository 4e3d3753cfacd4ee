"""The aggregator and data owners of a run on Flower, speaking by Flower's messages within this process."""

import alphamed_tutorials  # noqa: F401  # isort: skip

import io
import json
import sys
import threading
from pathlib import Path

import pytest

pytest.importorskip("flwr", reason="Flower is not installed: pip install 'alphamed-tutorials[flower]'")

import torch
from flowerworld import Nodes, begin_run, go_on, node_settings
from flwr.app import Error, Message, RecordDict
from schedulers import Drawing, Tiny, write_data

from alphamed_tutorials.engines.failures import NodeFailed
from alphamed_tutorials.engines.local import run_local
from alphamed_tutorials.errors import TutorialError
from alphamed_tutorials.flower import supernodes
from alphamed_tutorials.flower.wire import BYTES, SAID, Turned, content, read, read_bytes
from alphamed_tutorials.runs.folder import Run

OWNERS = {"node1": 8, "node2": 12, "node3": 4}
RESULTS = ("model.pt", "metrics.csv")


@pytest.fixture(autouse=True)
def as_it_was(monkeypatch):
    """Leave the places where modules are found as they were: a ClientApp has a process of its own otherwise."""
    monkeypatch.setattr(sys, "path", list(sys.path))


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"), **OWNERS)


def results(path: Path) -> dict[str, bytes]:
    return {name: (path / name).read_bytes() for name in RESULTS}


@pytest.fixture(scope="module")
def expected(data, tmp_path_factory) -> dict[str, bytes]:
    return results(run_local(Drawing(), data, tmp_path_factory.mktemp("expected") / "run").path)


def test_numbers_are_those_of_the_local_engine(data, expected, tmp_path):
    begin_run(Drawing(), data, tmp_path / "run")
    grid = Nodes(node_settings(data, tmp_path / "kept"))
    run = go_on(tmp_path / "run", grid)
    assert run.state == "done" and results(run.path) == expected
    assert {name for name, _ in grid.asked} == set(OWNERS)


def test_a_node_knows_from_its_context_of_which_round_its_state_is(data, tmp_path):
    begin_run(Drawing(), data, tmp_path / "run")
    grid = Nodes(node_settings(data, tmp_path / "kept"))
    run = go_on(tmp_path / "run", grid)
    for context in grid.contexts.values():
        note = context.state["alphamed"]
        assert note["round"] == run.record["rounds_done"] and note["run"] == "0123456789abcdef"
        name = context.node_config["name"]
        assert note["file"] == f"{name}-{note['round']}.pt"
        receipt = json.loads((run.path / "states" / f"{name}-{note['round']}.json").read_text())
        assert receipt == {"file": note["file"], "sha256": note["sha256"]}


def stop_in_round(number: int, name: str):
    """Return what spoils the answer of a node: Flower says that it is gone."""

    def spoil(node: str, answer: Message) -> Message:
        if (
            node == name
            and answer.metadata.message_type.startswith("train")
            and answer.metadata.group_id == str(number)
        ):
            return Message(Error(5, "Node Unavailable"), reply_to=answer)
        return answer

    return spoil


def test_a_lost_answer_ends_the_run_and_resume_comes_to_the_same(data, expected, tmp_path):
    begin_run(Drawing(), data, tmp_path / "run")
    settings = node_settings(data, tmp_path / "kept")
    with pytest.raises(NodeFailed, match="node2 failed in round 2: Flower has no answer of it"):
        go_on(tmp_path / "run", Nodes(settings, stop_in_round(2, "node2")))
    failed = Run.open(tmp_path / "run")
    assert failed.state == "failed" and failed.record["rounds_done"] == 1 and failed.can_resume
    assert failed.record["failure"]["node"] == "node2"
    assert results(go_on(tmp_path / "run", Nodes(settings)).path) == expected


def test_no_average_of_the_survivors_is_ever_taken(data, tmp_path):
    begin_run(Drawing(), data, tmp_path / "run")
    with pytest.raises(NodeFailed):
        go_on(tmp_path / "run", Nodes(node_settings(data, tmp_path / "kept"), stop_in_round(1, "node3")))
    assert not (tmp_path / "run" / "model.pt").exists() and not (tmp_path / "run" / "checkpoint.pt").exists()


def test_a_supernode_that_was_started_anew_does_not_keep_the_run_waiting(data, tmp_path, monkeypatch):
    monkeypatch.setattr(supernodes, "NODE_SECONDS", 0)
    monkeypatch.setattr(supernodes, "LOOK_SECONDS", 0)
    begin_run(Drawing(), data, tmp_path / "run")
    grid = Nodes(node_settings(data, tmp_path / "kept"))

    def restart(node: str, answer: Message) -> Message | None:
        if node == "node1" and answer.metadata.message_type.startswith("train"):
            grid.nodes[0] = type(grid.nodes[0])(**{**vars(grid.nodes[0]), "last_activated_at": "again"})
            return None
        return answer

    grid.spoil = restart
    with pytest.raises(NodeFailed, match="its SuperNode was started anew"):
        go_on(tmp_path / "run", grid)


def test_a_scheduler_that_fails_on_a_node_names_node_and_line(data, tmp_path):
    begin_run(FailsOnNode2(), data, tmp_path / "run")
    with pytest.raises(NodeFailed, match="node2 failed in round 1.*line") as caught:
        go_on(tmp_path / "run", Nodes(node_settings(data, tmp_path / "kept")))
    assert caught.value.node == "node2" and caught.value.line and "no light" in str(caught.value)


class FailsOnNode2(Drawing):
    def train_an_epoch(self):
        if self.node == "node2":
            raise RuntimeError("no light")
        super().train_an_epoch()


@pytest.mark.parametrize("missing", ["name", "data", "folder"])
def test_a_setting_that_a_node_lacks_is_named(data, tmp_path, missing):
    begin_run(Drawing(), data, tmp_path / "run")
    settings = node_settings(data, tmp_path / "kept")
    del settings["node2"][missing]
    with pytest.raises(NodeFailed, match=f"--node-config lacks {missing}"):
        go_on(tmp_path / "run", Nodes(settings))


def test_a_key_that_was_registered_for_another_is_refused(data, tmp_path):
    begin_run(Drawing(), data, tmp_path / "run")
    settings = node_settings(data, tmp_path / "kept")
    settings["node2"]["name"] = "node1"
    with pytest.raises(NodeFailed, match="registered at the SuperLink under --name node2"):
        go_on(tmp_path / "run", Nodes(settings))


class Evil:
    def __reduce__(self):
        return Path.touch, (Path("/nonexistent/never"),)


def evil_bytes() -> bytes:
    file = io.BytesIO()
    torch.save({"0.weight": Evil()}, file)
    return file.getvalue()


def changed(answer: Message, **fields: object) -> Message:
    """Return an answer that says something else."""
    said = json.loads(answer.content[SAID]["Turned"])
    answer.content[SAID]["Turned"] = json.dumps({**said, **fields})
    return answer


def without(answer: Message, record: str) -> Message:
    del answer.content[record]
    return answer


def with_bytes(answer: Message, data: bytes) -> Message:
    return Message(content(read(answer, Turned), data), reply_to=answer)


def nan(answer: Message) -> Message:
    state = torch.load(io.BytesIO(read_bytes(answer)), weights_only=True)
    state["0.weight"][0, 0] = float("nan")
    file = io.BytesIO()
    torch.save(state, file)
    return with_bytes(answer, file.getvalue())


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda answer: without(answer, SAID), "a message that is none of"),
        (lambda answer: without(answer, BYTES), "without the parameters"),
        (lambda answer: changed(answer, scalars="many"), "scalars"),
        (lambda answer: changed(answer, state={"file": "../../x", "sha256": "0" * 64}), "state.file"),
        (lambda answer: changed(answer, more=1), "more"),
        (lambda answer: with_bytes(answer, b"no file of torch"), "no file of torch"),
        (lambda answer: with_bytes(answer, evil_bytes()), "cannot be read safely"),
        (nan, "NaN in 0.weight"),
        (lambda answer: Message(RecordDict(), reply_to=answer), "a message that is none of"),
    ],
)
def test_what_a_peer_sends_is_never_trusted(data, tmp_path, spoil, why):
    begin_run(Drawing(), data, tmp_path / "run")

    def spoil_node2(node: str, answer: Message) -> Message:
        return spoil(answer) if node == "node2" and answer.metadata.message_type.startswith("train") else answer

    with pytest.raises(NodeFailed, match=why) as caught:
        go_on(tmp_path / "run", Nodes(node_settings(data, tmp_path / "kept"), spoil_node2))
    assert caught.value.node == "node2"


@pytest.mark.parametrize("harm", ["gone", "another one"])
def test_a_state_that_is_not_what_the_checkpoint_means_is_refused(data, tmp_path, harm):
    begin_run(Drawing(), data, tmp_path / "run")
    settings = node_settings(data, tmp_path / "kept")
    with pytest.raises(NodeFailed):
        go_on(tmp_path / "run", Nodes(settings, stop_in_round(2, "node1")))
    state = tmp_path / "kept" / "node3" / "0123456789abcdef" / "states" / "node3-1.pt"
    if harm == "gone":
        state.unlink()
    else:
        state.write_bytes(state.read_bytes() + b"!")
    with pytest.raises(NodeFailed, match=f"node3-1.pt, from which node3 goes on, is {harm}"):
        go_on(tmp_path / "run", Nodes(settings))


def test_settings_change_from_the_next_round_on_as_on_the_local_engine(data, tmp_path):
    from alphamed_tutorials.engines.local import resume_local

    alone = run_local(Drawing(), data, tmp_path / "alone")
    resume_local(alone.path, {"max_rounds": alone.record["rounds"] + 1})
    begin_run(Drawing(), data, tmp_path / "run")
    settings = node_settings(data, tmp_path / "kept")
    run = go_on(tmp_path / "run", Nodes(settings))
    again = go_on(run.path, Nodes(settings), {"max_rounds": run.record["rounds"] + 1})
    assert again.record["rounds_done"] == run.record["rounds"] + 1 and results(again.path) == results(alone.path)


def test_a_sample_trains_as_on_the_local_engine(data, tmp_path):
    alone = run_local(Drawing(), data, tmp_path / "alone", sample=0.4)
    begin_run(Drawing(), data, tmp_path / "run").update(sample=0.4)
    run = go_on(tmp_path / "run", Nodes(node_settings(data, tmp_path / "kept")))
    assert results(run.path) == results(alone.path)


class Unkeepable(Tiny):
    def build_model(self):
        model = super().build_model()
        if self.node != "aggregator":
            model.lock = threading.Lock()
        return model


def test_a_state_that_cannot_be_written_between_messages_is_refused(data, tmp_path):
    begin_run(Unkeepable(), data, tmp_path / "run")
    with pytest.raises(TutorialError, match="--engine local or playground"):
        go_on(tmp_path / "run", Nodes(node_settings(data, tmp_path / "kept")))


def test_a_missing_supernode_is_named(data, tmp_path, monkeypatch):
    monkeypatch.setattr(supernodes, "ONLINE_SECONDS", 0)
    settings = node_settings(data, tmp_path / "kept")
    del settings["node3"]
    begin_run(Drawing(), data, tmp_path / "run")
    with pytest.raises(TutorialError, match="node3: no SuperNode of this name is online"):
        go_on(tmp_path / "run", Nodes(settings))
