"""Hub, agents and children are killed at any moment: every task ends finished, with the parameters of an undisturbed run."""

import contextlib
import io
import os
import random
import signal
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil
import pytest
import torch
from playgroundworld import free_port, wait_for
from schedulers import BATCH_SIZE, Drawing, pickled, read_samples, write_data
from torch.utils.data import DataLoader

from alphamed_tutorials.data.folders import AGGREGATOR, find_nodes
from alphamed_tutorials.engines.local import run_local
from alphamed_tutorials.errors import TutorialError
from alphamed_tutorials.playground.agent.client import Agent
from alphamed_tutorials.playground.processes import Process, processes
from alphamed_tutorials.playground.source import DEFAULT_VERIFICATION

SEED = 3
OWNERS = ("node1", "node2", "node3")
LONG = 600  # seconds until something that should happen is given up; the machine may be busy with other things


class Toy(Drawing):
    """Trains with momentum, dropout and batch statistics, and shuffles with a generator of its own.

    Args:
        pause: Seconds that an epoch takes longer, so that it can be hit in its middle.
        closing: Seconds that a data owner takes longer to end the last round.
        settings: Those of `FedAvgScheduler`.
    """

    def __init__(self, pause: float = 0, closing: float = 0, **settings: Any):
        super().__init__(**settings)
        self.pause, self.closing = pause, closing

    def build_train_dataloader(self) -> DataLoader:
        own = torch.Generator().manual_seed(7)
        return DataLoader(read_samples(self.data_dir), batch_size=BATCH_SIZE, shuffle=True, generator=own)

    def train_an_epoch(self) -> None:
        time.sleep(self.pause / 2)
        super().train_an_epoch()
        time.sleep(self.pause / 2)

    def _wait_for_closing_round(self) -> None:
        if self.current_round == self.max_rounds:
            time.sleep(self.closing)
        super()._wait_for_closing_round()


class Federation:
    """A hub and four nodes, which can be killed."""

    def __init__(self, folder: Path, hub: Process, agents: dict[str, Process]):
        self.folder, self.hub, self.agents = folder, hub, agents
        self.clients = {name: Agent(folder / name) for name in agents}

    @property
    def initiator(self) -> Agent:
        return self.clients[AGGREGATOR]

    def start(self, scheduler: Toy, *modules: ModuleType) -> str:
        """Make a task, let all join it, and start it; other modules of tests that it is made of go along."""
        task = str(self.initiator.create("a toy", list(OWNERS), settings={"seed": SEED, "num_threads": 1})["id"])
        self.initiator.put_code(task, "verify", DEFAULT_VERIFICATION.encode())
        self.initiator.put_code(task, "train", packed(scheduler, *modules))

        def join(name: str) -> None:
            owner = self.clients[name]
            verdict = owner.verify(task, owner.code(task, "verify")["sha256"])
            assert verdict["ok"], verdict
            owner.join(task, owner.code(task, "train")["sha256"])

        with ThreadPoolExecutor(len(OWNERS)) as side_by_side:
            list(side_by_side.map(join, OWNERS))
        self.initiator.start(task)
        return task

    def child(self, name: str) -> int | None:
        """Return the process of a node's child."""
        pid = self.agents[name].pid
        if pid is None:
            return None
        with contextlib.suppress(psutil.Error):
            living = [each for each in psutil.Process(pid).children() if each.status() != psutil.STATUS_ZOMBIE]
            return living[0].pid if living else None
        return None

    def kill_child(self, name: str) -> bool:
        """Kill a node's child, which its agent starts again; return whether there was one."""
        pid = self.child(name)
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return pid is not None

    def happened(self, name: str, task: str, kind: str, number: int = 0) -> bool:
        """Return whether a node told something of a round."""
        with contextlib.suppress(TutorialError):
            return any(
                event["kind"] == kind and event.get("round", 0) >= number for event in self.clients[name].events(task)
            )
        return False

    def state(self, task: str) -> str:
        """Return a task's state, as far as it can be known now."""
        with contextlib.suppress(TutorialError):
            return str(self.initiator.show(task)["state"])
        return "unknown"

    def wait_until_finished(self, task: str) -> None:
        """Wait for the end, and tell what all nodes did where it does not come."""
        try:
            wait_for(lambda: self.state(task) in ("finished", "failed", "stopped"), LONG, "the task does not end")
            assert self.state(task) == "finished"
        except BaseException:
            self.tell(task)
            raise

    def tell(self, task: str) -> None:
        """Print what happened."""
        print(self.state(task))
        for name, client in self.clients.items():
            with contextlib.suppress(TutorialError):
                print(f"--- {name}\n{client.log(task, 60)}")
                for event in client.events(task)[-25:]:
                    print(event)
            print("agent:", (self.folder / name / "agent.log").read_text()[-3000:])


def packed(scheduler: Any, *modules: ModuleType) -> bytes:
    """Return a task as `submit()` packs it, with what it is made of in modules of tests."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("entry.pickle", pickled(scheduler, sys.modules[__name__], *modules))
    return content.getvalue()


@contextlib.contextmanager
def federated(folder: Path, data: Path, *arguments: str) -> Iterator[Federation]:
    """Run a hub and a node for each data folder; no process of theirs is left behind."""
    with processes(folder, find_nodes(data), "--port", str(free_port()), *arguments) as (hub, agents):
        yield Federation(folder, hub, agents)
    wait_for(lambda: not left(folder), 30, f"processes are left: {left(folder)}")


def left(folder: Path) -> list[list[str]]:
    """Return the processes that work in a folder."""
    found = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    return [command for command in found if any(str(folder) in part for part in command[1:])]


def assert_undisturbed(federation: Federation, task: str, expected: Any) -> None:
    """Compare a finished task with the run of the local engine, on every node."""
    assert all(federation.child(name) is None for name in federation.agents) or wait_for(
        lambda: not any(map(federation.child, federation.agents)), 90, "children outlive their task"
    )
    model = (expected.path / "model.pt").read_bytes()
    for name, client in federation.clients.items():
        wait_for(lambda client=client: len(client.show(task)["here"]["results"]) == 2, 90, f"{name} has no results")
        assert client.results(task, "model.pt") == model, name
        audit = client.audit(task)
        assert audit["is_sound"], audit["faults"]
        own = {(row.round, row.name): row.value for row in expected.rows if row.node == name}
        assert {(row["round"], row["name"]): row["value"] for row in client.metrics(task)} == own, name


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_data(tmp_path / "data", node1=8, node2=12, node3=24)


@pytest.mark.slow
def test_a_kill_of_each_part(tmp_path: Path, data: Path) -> None:
    expected = run_local(Toy(max_rounds=6), data, tmp_path / "expected", seed=SEED)
    with federated(tmp_path / "federation", data) as federation:
        task = federation.start(Toy(pause=0.5, closing=3, max_rounds=6))

        def after(name: str, kind: str, number: int) -> None:
            wait_for(lambda: federation.happened(name, task, kind, number), LONG, f"{name}: no {kind} of {number}")

        after("node1", "training", 2)
        assert federation.kill_child("node1")
        after(AGGREGATOR, "round_started", 3)
        federation.hub.kill()
        time.sleep(1)
        federation.hub.begin()
        after("node2", "training", 4)
        assert federation.kill_child(AGGREGATOR)
        after("node3", "trained", 5)
        federation.agents["node3"].kill()
        federation.agents["node3"].begin()
        after(AGGREGATOR, "round_done", 6)
        assert federation.kill_child(
            "node2"
        )  # which starts again when the task has finished, and has a round to tell of
        federation.wait_until_finished(task)
        assert_undisturbed(federation, task, expected)


class Killer:
    """Kills at random moments what then stays away for a while.

    Attributes:
        killed: What was killed and when, for the reader of a failure.
    """

    def __init__(self, federation: Federation, task: str, draw: random.Random):
        self.federation, self.task, self.draw = federation, task, draw
        self.away: list[tuple[float, Process]] = []
        self.killed: list[str] = []
        self.told: dict[str, int] = {}
        self.started = time.monotonic()

    def kill(self, times: int, between: int, away: float) -> None:
        """Kill so many times, as long as the task runs.

        Args:
            times: How often.
            between: How much the nodes tell between two, at most: an owner tells 5 events a round, the aggregator 3.
            away: The most seconds that a hub or agent stays away.
        """
        while len(self.killed) < times and self._runs():
            told = self._told() + self.draw.randint(0, between)
            is_hasty = self.draw.random() < 0.2  # while others are still starting
            until = time.monotonic() + (self.draw.uniform(0, 10) if is_hasty else LONG)
            while self._told() < told and time.monotonic() < until and self._runs():
                self._bring_back()
                time.sleep(0.1)
            time.sleep(self.draw.uniform(0, 0.5))
            self._kill_one(self.draw.uniform(0, away))
        while self.away:
            self._bring_back()
            time.sleep(0.1)

    def _runs(self) -> bool:
        return self.federation.state(self.task) in ("running", "unknown")

    def _told(self) -> int:
        """Return how much the nodes have told so far."""
        for name, client in self.federation.clients.items():
            with contextlib.suppress(TutorialError):
                self.told[name] = len(client.events(self.task))
        return sum(self.told.values())

    def _kill_one(self, away: float) -> None:
        what = self.draw.choice(["hub", "aggregator's agent", "aggregator's child", "owner's agent", "owner's child"])
        name = AGGREGATOR if what.startswith(AGGREGATOR) else self.draw.choice(OWNERS)
        if what.endswith("child"):
            if not self.federation.kill_child(name):
                return
        else:
            process = self.federation.hub if what == "hub" else self.federation.agents[name]
            if process.pid is None:
                return
            process.kill()
            self.away.append((time.monotonic() + away, process))
        where = f" of {name}" if what.startswith("owner") else ""
        self.killed.append(f"{time.monotonic() - self.started:6.1f} s, {self.told}: {what}{where}")

    def _bring_back(self) -> None:
        now = time.monotonic()
        for _, process in [each for each in self.away if each[0] <= now]:
            process.begin()
        self.away = [each for each in self.away if each[0] > now]


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(5))
def test_kills_at_random_moments(tmp_path: Path, data: Path, seed: int) -> None:
    rounds, kills = 10, 9
    expected = run_local(Toy(max_rounds=rounds), data, tmp_path / "expected", seed=SEED)
    with federated(tmp_path / "federation", data) as federation:
        task = federation.start(Toy(pause=0.5, max_rounds=rounds))
        killer = Killer(federation, task, random.Random(seed))
        killer.kill(kills, between=16, away=4)
        print(*killer.killed, sep="\n")
        federation.wait_until_finished(task)
        assert len(killer.killed) == kills, "the task was too short for so many"
        assert_undisturbed(federation, task, expected)


@pytest.mark.soak
def test_one_that_stays_away_is_reported_and_its_round_repeated(tmp_path: Path, data: Path) -> None:
    settings = {"max_rounds": 4, "calculation_timeout": 8, "schedule_timeout": 5}
    expected = run_local(Toy(**settings), data, tmp_path / "expected", seed=SEED)
    with federated(tmp_path / "federation", data, "--away", "3") as federation:
        task = federation.start(Toy(pause=0.5, **settings))
        wait_for(lambda: federation.happened("node2", task, "training", 2), LONG)
        federation.agents["node2"].kill()
        show: Callable[[], Any] = lambda: federation.initiator.show(task)  # noqa: E731
        wait_for(lambda: any(member["away_since"] for member in show()["members"]), LONG, "nobody is reported away")
        assert "node2 has not been heard of since" in show()["why"]
        wait_for(lambda: "Too few results gathered" in federation.initiator.log(task), LONG, "it waits for ever")
        federation.agents["node2"].begin()
        wait_for(lambda: not any(member["away_since"] for member in show()["members"]), LONG, "it is not back")
        federation.wait_until_finished(task)
        assert_undisturbed(federation, task, expected)
        timeline = "\n".join(federation.initiator.audit(task)["timeline"])
        assert " is away\n" in timeline and " is back\n" in timeline


@pytest.mark.soak
def test_a_laptop_whose_lid_is_closed_for_a_while_goes_on(tmp_path: Path, data: Path) -> None:
    expected = run_local(Toy(max_rounds=4), data, tmp_path / "expected", seed=SEED)
    with federated(tmp_path / "federation", data, "--away", "3") as federation:
        task = federation.start(Toy(pause=0.5, max_rounds=4))
        wait_for(lambda: federation.happened("node2", task, "training", 2), LONG)
        asleep = [pid for pid in (federation.agents["node2"].pid, federation.child("node2")) if pid]
        assert len(asleep) == 2
        for pid in asleep:
            os.kill(pid, signal.SIGSTOP)
        wait_for(lambda: "node2 has not been heard of since" in federation.initiator.show(task)["why"], LONG)
        time.sleep(30)
        for pid in asleep:
            os.kill(pid, signal.SIGCONT)
        federation.wait_until_finished(task)
        assert_undisturbed(federation, task, expected)


@pytest.mark.soak
def test_an_aggregator_that_stays_away_is_waited_for(tmp_path: Path, data: Path) -> None:
    """It comes back later than the SDK's data owners wait for an answer, and their round goes on as if nothing was."""
    expected = run_local(Toy(max_rounds=3), data, tmp_path / "expected", seed=SEED)
    with federated(tmp_path / "federation", data) as federation:
        task = federation.start(Toy(pause=0.5, max_rounds=3))
        wait_for(lambda: federation.happened("node1", task, "trained", 2), LONG)
        federation.agents[AGGREGATOR].kill()
        time.sleep(45)  # the SDK gives up after 30
        federation.agents[AGGREGATOR].begin()
        federation.wait_until_finished(task)
        assert_undisturbed(federation, task, expected)
        assert all("Failed to send" not in client.log(task) for client in federation.clients.values())
