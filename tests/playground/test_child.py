"""The child program: the parameters of the local engine, to the last bit, also when its processes are killed."""

import os
import random
import re
import signal
import sys
import time
from functools import partial
from pathlib import Path

import pytest
import torch
from playgroundworld import wait_for
from schedulers import Drawing, pickled, read_samples, write_data
from standin import StandIn, start_child, write_child
from torch.utils.data import DataLoader

from alphamed_tutorials.data.folders import find_nodes
from alphamed_tutorials.engines.local import run_local

TESTS = Path(__file__).parents[1]
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]),
    "OMP_NUM_THREADS": "1",
}


class Task:
    """One task whose nodes are real children."""

    def __init__(self, folder: Path, scheduler, data: Path, seed: int = 0, **said):
        self.folders = find_nodes(data)
        pseudonyms = {name: f"p-{number:08x}" for number, name in enumerate(self.folders)}
        self.pseudonyms, self.standin = pseudonyms, StandIn(*pseudonyms.values())
        entry = pickled(scheduler, sys.modules[__name__], sys.modules[type(scheduler).__module__])
        self.places = {
            name: write_child(
                folder / name,
                entry,
                base=self.standin.base(pseudonyms[name]),
                pseudonym=pseudonyms[name],
                name=name,
                role="aggregator" if name == "aggregator" else "owner",
                data=path.resolve(),
                seed=seed,
                **said,
            )
            for name, path in self.folders.items()
        }
        self.children = {}

    def start(self, *names: str) -> None:
        for name in names or self.places:
            self.children[name] = start_child(self.places[name], ENVIRONMENT)

    def running(self) -> list[str]:
        return [name for name, child in self.children.items() if child.poll() is None]

    def round(self) -> int:
        """The last round that any node began, 0 before the first."""
        started = [event for name in self.pseudonyms.values() for event in self.standin.events(name, "round_started")]
        return max((event["round"] for event in started), default=0)

    def wait(self, seconds: float = 120) -> dict[str, int]:
        until = time.monotonic() + seconds
        try:
            return {name: child.wait(until - time.monotonic()) for name, child in self.children.items()}
        finally:
            self.end()

    def end(self) -> None:
        for child in self.children.values():
            child.kill()

    def said(self) -> str:
        return "\n".join(f"--- {name}\n{self._text(place)}" for name, place in self.places.items())

    def _text(self, place: Path) -> str:
        logs = [file.read_text() for file in (place / "logs").glob("*.log")] if (place / "logs").exists() else []
        return "\n".join([(place / "output.txt").read_text(), *logs])

    def model(self) -> bytes:
        return self.standin.results["model"]

    def rows(self) -> list[tuple]:
        """All metrics, in the order of the local engine's."""
        rows: dict[tuple[int, str], list] = {}
        for name in self.folders:
            for event in self.standin.events(self.pseudonyms[name], "round_done"):
                rows[event["round"], name] = event["rows"]
        order = list(self.folders)
        return [
            (number, name, *row)
            for number, name in sorted(rows, key=lambda key: (key[0], order.index(key[1])))
            for row in rows[number, name]
        ]


@pytest.fixture
def data(tmp_path):
    return write_data(tmp_path / "data", node1=8, node2=12, node3=24)


def test_children_end_like_the_local_engine(tmp_path, data):
    expected = run_local(Drawing(involve_aggregator=False), data, tmp_path / "expected", seed=3)
    task = Task(tmp_path / "task", Drawing(), data, seed=3)
    task.start()
    assert set(task.wait().values()) == {0}, task.said()
    assert task.model() == (expected.path / "model.pt").read_bytes()
    assert task.rows() == [tuple(row) for row in expected.rows]


class WithWorkers(Drawing):
    """Load data in processes of their own."""

    def build_train_dataloader(self):
        return DataLoader(read_samples(self.data_dir), batch_size=4, shuffle=True, num_workers=1)


def test_workers_of_loaders_hand_over_tensors_however_long_the_path_is(tmp_path, data):
    expected = run_local(WithWorkers(), data, tmp_path / "expected", seed=3)
    task = Task(tmp_path / ("很长的 名字" * 10), WithWorkers(), data, seed=3)
    task.start()
    assert set(task.wait().values()) == {0}, task.said()
    assert task.model() == (expected.path / "model.pt").read_bytes()


class SlowDrawing(Drawing):
    """Let a round last long enough to be hit in its middle."""

    def train_an_epoch(self):
        time.sleep(0.5)
        super().train_an_epoch()


def kill_at_random(task: Task, kills: int, rounds: int, draw: random.Random) -> list[str]:
    """Kill running children at random moments and start each again; return whom and when.

    The kills are spread over the rounds, not over time: a fast machine has fewer seconds and as many rounds. The first
    may come while the children still start.
    """
    killed: list[str] = []
    for kill in range(kills):
        after = max(min(kill, 1), kill * (rounds - 4) // kills)
        wait_for(lambda after=after: task.round() >= after or not task.running(), 600, f"no round {after}: {killed}")
        time.sleep(draw.uniform(0.05, 1.5))
        if not task.running():
            break
        name = draw.choice(task.running())
        task.children[name].send_signal(signal.SIGKILL)
        task.children[name].wait()
        killed.append(f"{name} in round {task.round()}")
        task.start(name)
    return killed


@pytest.mark.parametrize(
    "kills, rounds, seed",
    [pytest.param(3, 4, 1, marks=pytest.mark.slow), pytest.param(24, 20, 2, marks=pytest.mark.soak)],
)
def test_children_that_are_killed_end_alike(tmp_path, data, kills, rounds, seed):
    expected = run_local(Drawing(max_rounds=rounds), data, tmp_path / "expected", seed=3)
    task = Task(tmp_path / "task", SlowDrawing(max_rounds=rounds), data, seed=3)
    task.start()
    killed = kill_at_random(task, kills, rounds, random.Random(seed))
    print(killed)
    assert set(task.wait(600).values()) == {0}, f"{killed}\n{task.said()}"
    assert len(killed) == kills
    assert task.model() == (expected.path / "model.pt").read_bytes(), killed
    assert task.rows() == [tuple(row) for row in expected.rows], killed
    assert not [m for m in task.standin.members.values() if hasattr(m, "mismatches")]


class Dishonest(Drawing):
    """Let node2 send what no honest node sends, past all that looks at it there.

    Args:
        sent: What it is.
        trace: The file that code which is sent would leave behind.
        settings: Those of `FedAvgScheduler`.
    """

    def __init__(self, sent, trace, **settings):
        super().__init__(**settings)
        self.sent, self.trace = sent, trace

    def _wait_for_uploading_model(self):
        super()._wait_for_uploading_model()
        if self.node == "node2":
            state = {name: value.clone() for name, value in self.state_dict().items()}
            if self.sent == "NaN":
                state["0.weight"][0, 0] = torch.nan
            elif self.sent == "code":
                state["0.weight"] = Code(self.trace)
            else:
                state["0.weight"] = state["0.weight"][:1]
            self.state_dict = lambda: state


class Code:
    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return Path.touch, (self.trace,)


@pytest.mark.slow
@pytest.mark.parametrize(
    "sent, said",
    [
        ("NaN", "NaN in 0.weight"),
        ("code", "what cannot be read safely"),
        ("part", r"0.weight of shape \(1, 4\), and \(8, 4\) is expected"),
    ],
)
def test_what_a_dishonest_node_sends_is_refused_by_its_pseudonym(tmp_path, data, sent, said):
    trace = tmp_path / "task" / "aggregator" / "work" / "ran"  # where the aggregator's code may write
    task = Task(tmp_path / "task", Dishonest(sent, trace), data)
    task.start()
    try:
        assert task.children["aggregator"].wait(120) == 1, task.said()
    finally:
        task.end()
    [failed] = task.standin.events(task.pseudonyms["aggregator"], "failed")
    assert failed["peer"] == task.pseudonyms["node2"] and failed["type"] == "PeerRefused"
    assert re.search(f"{task.pseudonyms['node2']} sent {said}", failed["text"])
    assert trace.parent.is_dir() and not trace.exists()


@pytest.mark.slow
def test_a_round_that_a_node_held_up_is_repeated_from_its_start(tmp_path, data):
    settings = {"max_rounds": 3, "calculation_timeout": 8, "schedule_timeout": 5}
    expected = run_local(Drawing(**settings), data, tmp_path / "expected", seed=3)
    task = Task(tmp_path / "task", SlowDrawing(**settings), data, seed=3)
    task.start()
    until = time.monotonic() + 120
    while not task.standin.events(task.pseudonyms["node2"], "training") and time.monotonic() < until:
        time.sleep(0.02)
    task.children["node2"].send_signal(signal.SIGSTOP)
    time.sleep(12)  # longer than the aggregator waits for results
    task.children["node2"].send_signal(signal.SIGCONT)
    assert set(task.wait(240).values()) == {0}, task.said()
    assert "Too few results gathered" in task.said()
    assert task.model() == (expected.path / "model.pt").read_bytes()
    assert task.rows() == [tuple(row) for row in expected.rows]


class GivingUp(Drawing):
    """Have the aggregator give up the first round, since node1 is late, and die when it has said so."""

    def _distribute_model(self):
        if not Path("died").exists():
            self.data_channel.batch_send_stream = partial(self.data_channel.batch_send_stream, connection_timeout=1)
        super()._distribute_model()

    def _wait_for_updating_model(self):
        if not Path("late").exists():
            Path("late").touch()
            time.sleep(8)
        super()._wait_for_updating_model()

    def push_log(self, message):
        super().push_log(message)
        if message.startswith("WARNING: Reset") and self.is_aggregator and not Path("died").exists():
            Path("died").touch()
            os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
def test_an_aggregator_that_dies_when_it_has_given_up_a_round_repeats_it(tmp_path):
    """The late answer must not let it go on with a round that it told the others to leave: it would wait for ever."""
    data = write_data(tmp_path / "data", node1=8)
    settings = {"max_rounds": 2, "calculation_timeout": 0}
    expected = run_local(Drawing(**settings), data, tmp_path / "expected", seed=3)
    task = Task(tmp_path / "task", GivingUp(**settings), data, seed=3)
    owner = task.standin.members[task.pseudonyms["node1"]]
    task.start()
    try:
        assert task.children["aggregator"].wait(60) == -signal.SIGKILL, task.said()
        wait_for(lambda: any(key.startswith("accept_sf") for _, key, _ in owner.tape), 60, "node1 does not answer")
        task.start("aggregator")
        assert set(task.wait(60).values()) == {0}, task.said()
    finally:
        task.end()
    assert task.model() == (expected.path / "model.pt").read_bytes()
    assert task.rows() == [tuple(row) for row in expected.rows]
    assert not [m for m in task.standin.members.values() if hasattr(m, "mismatches")]
