"""The whole life of a task on this machine: a hub, a node a data folder, every step that AlphaMed's users take by hand.

It ends in the run folder of the local engine, with the same parameters.
"""

import contextlib
import shutil
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from alphafed.fed_avg import FedAvgScheduler

from ..data.folders import AGGREGATOR
from ..engines.failures import NodeFailed, failure_record
from ..engines.journal import Listener
from ..engines.local import begin, pickled
from ..engines.traps import missing_metrics
from ..errors import TutorialError, WrongUse
from ..runs.folder import Metric, Run
from ..runs.writing import write_json, write_together
from ..target import Target
from .agent.client import Agent
from .processes import federation
from .source import Source, source

LOOK_SECONDS = 0.2  # between two looks at what happened on the nodes
LATE_SECONDS = 60  # for results that are on their way when the task has finished
RESULTS = ("model.pt", "report.zip")


def run_playground(
    scheduler: FedAvgScheduler,
    task: Target,
    folders: Mapping[str, Path],
    run: Run,
    seed: int,
    num_threads: int,
    num_rounds: int | None,
    settings: Mapping[str, Any],
    on_event: Listener,
) -> Run:
    """Run a federated task with the unmodified SDK, in a process for each node.

    Args:
        scheduler: The task, made as for `submit()`.
        task: Its code.
        folders: Each node's data, `aggregator` among them.
        run: A run folder just made.
        seed: Start of all random numbers that the scheduler does not seed itself.
        num_threads: Torch's, in each process.
        num_rounds: Rounds to run; the target's own number if None.
        settings: Arguments of the scheduler that differ from their defaults.
        on_event: Called with each event of the run.

    Returns:
        The finished run.

    Raises:
        NodeFailed: Code on a node raised; the run folder says `failed`, and keeps logs and the nodes' folders.
        WrongUse: A node's data were refused.
        TutorialError: The task cannot be submitted.
    """
    entry = pickled(scheduler)
    code = source(task, scheduler, entry, num_rounds, seed, settings)
    with run.lock():
        begin(run, "playground", scheduler, entry, folders, seed, num_threads, task.key)
        on_event({"event": "created", "path": str(run.path)})
        life = Life(run, on_event)
        with life.recorded(), federation(run.path.resolve() / "playground", folders) as agents:
            life.live(agents, code)
        shutil.rmtree(run.path / "playground")
    return run


class Life:
    """One task from its creation to its end.

    Args:
        run: The run folder.
        on_event: Called with each event of the run.
    """

    def __init__(self, run: Run, on_event: Listener):
        self.run, self.on_event = run, on_event
        self.started = time.monotonic()
        self.agents: dict[str, Agent] = {}
        self.task = ""
        self.rows: dict[tuple[int, str], list[Metric]] = {}
        self.begun: set[tuple[str, int, str]] = set()
        self.warned: set[tuple[str, str]] = set()
        self.last: dict[str, int] = {}

    @contextlib.contextmanager
    def recorded(self) -> Iterator[None]:
        """Write how it ended, whatever comes."""
        try:
            yield
        except BaseException as error:
            state = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
            self._close(state, failure=failure_record(error))
            raise
        self._close("done", finished_early=self.run.record["rounds_done"] < self.run.record["rounds"])

    def live(self, agents: dict[str, Agent], code: Source) -> None:
        """Take each step: create, verify, join, start, wait for the end."""
        self.agents, initiator = agents, agents[AGGREGATOR]
        owners = [name for name in agents if name != AGGREGATOR]
        record = self.run.record
        settings = {name: record[name] for name in ("seed", "num_threads", "rounds")}
        self.task = initiator.create(record["scheduler"], owners, settings=settings)["id"]
        try:
            initiator.put_code(self.task, "verify", code.verify)
            initiator.put_code(self.task, "train", code.train)
            with ThreadPoolExecutor(len(owners)) as pool:
                self._refuse(dict(zip(owners, pool.map(self._verify_and_join, owners))))
            initiator.start(self.task)
            self._event("started", nodes=owners, round=0, rounds=record["rounds"])
            self._wait(initiator)
        except KeyboardInterrupt:
            with contextlib.suppress(TutorialError):
                initiator.stop(self.task)
            raise
        finally:
            self._keep_folders()
        self._keep_results(initiator)

    def _verify_and_join(self, owner: str) -> str:
        """Let an owner's operator approve the code that was just given; return why its data were refused."""
        agent = self.agents[owner]
        verdict = agent.verify(self.task, agent.code(self.task, "verify")["sha256"])
        if not verdict["ok"]:
            return str(verdict["reason"])
        agent.join(self.task, agent.code(self.task, "train")["sha256"])
        return ""

    def _refuse(self, reasons: Mapping[str, str]) -> None:
        refused = [f"{name}: {reason}" for name, reason in reasons.items() if reason]
        if refused:
            raise WrongUse("the data verification refused\n" + "\n".join(refused))

    def _wait(self, initiator: Agent) -> None:
        """Follow what the nodes tell until the task has ended."""
        while True:
            self._follow()
            found = initiator.show(self.task)
            if found["state"] == "finished" and (self._is_complete() or self._is_over()):
                self._follow()
                return
            if found["state"] == "failed":
                raise self._failure(found)
            if found["state"] == "stopped":
                raise TutorialError(f"the task was stopped: {found['why']}")
            time.sleep(LOOK_SECONDS)

    def _follow(self) -> None:
        for name, agent in self.agents.items():
            for event in agent.events(self.task, self.last.get(name, 0)):
                self.last[name] = event["number"]
                handle = getattr(self, f"_on_{event['kind']}", None)
                if handle is not None:
                    handle(name, event)
        self._finish_rounds()

    def _on_round_started(self, node: str, event: dict[str, Any]) -> None:
        if node == AGGREGATOR:
            self._once("round_started", event["round"])

    def _on_training(self, node: str, event: dict[str, Any]) -> None:
        self._once("training", event["round"], node)

    def _on_trained(self, node: str, event: dict[str, Any]) -> None:
        self._once("trained", event["round"], node)

    def _on_warning(self, node: str, event: dict[str, Any]) -> None:
        if (node, event["text"]) not in self.warned:
            self.warned.add((node, event["text"]))
            self._event("warning", node=node, text=event["text"])

    def _on_restart(self, node: str, event: dict[str, Any]) -> None:
        self._event("warning", node=node, text=event["text"])

    def _on_distributed(self, node: str, event: dict[str, Any]) -> None:
        if node == AGGREGATOR:
            self.run.record["bytes_per_message"] = event["bytes"]

    def _on_round_done(self, node: str, event: dict[str, Any]) -> None:
        number = event["round"]
        self.rows[number, node] = [Metric(number, node, name, value) for name, value in event["rows"]]

    def _once(self, kind: str, number: int, node: str = "") -> None:
        """Tell something that a child started again says again."""
        if (kind, number, node) not in self.begun:
            self.begun.add((kind, number, node))
            self._event(kind, round=number, **({"node": node} if node else {}))

    def _finish_rounds(self) -> None:
        """Write down the rounds that all nodes have done."""
        number = self.run.record["rounds_done"] + 1
        while all((number, name) in self.rows for name in self.agents):
            self.run.rows += [row for name in self.agents for row in self.rows[number, name]]
            self.run.write_with({}, rounds_done=number, seconds=self._seconds())
            if number == 1:
                for text in missing_metrics({row.name for row in self.run.rows}, self.run.record["target"]):
                    self._on_warning(AGGREGATOR, {"text": text})
            self._event("round_done", round=number, metrics=self.run.metrics)
            number += 1

    def _is_complete(self) -> bool:
        """Return whether all that the nodes had to tell of their rounds has come."""
        last = max((number for number, _ in self.rows), default=0)
        return self.run.record["rounds_done"] == last

    def _is_over(self) -> bool:
        """Return whether nothing more will come."""
        return all(agent.show(self.task)["here"]["ended"] for agent in self.agents.values())

    def _failure(self, found: dict[str, Any]) -> TutorialError:
        """Return what failed on which node, in the words that stayed there."""
        for name, agent in self.agents.items():
            for event in agent.show(self.task)["failures"]:
                if event["kind"] == "failed":
                    return NodeFailed.reported(name, event)
        return TutorialError(f"the task failed: {found['why']}")

    def _keep_results(self, initiator: Agent) -> None:
        until = time.monotonic() + LATE_SECONDS
        for name in RESULTS:
            while True:
                try:
                    content = initiator.results(self.task, name)
                    break
                except WrongUse:
                    if time.monotonic() > until:
                        raise
                    time.sleep(LOOK_SECONDS)
            write_together({self.run.path.resolve() / name: partial(_write, content)})
        write_json(self.run.path / "audit.json", initiator.audit(self.task))

    def _keep_folders(self) -> None:
        """Put logs and what the nodes wrote where the local engine has them."""
        folder = self.run.path.resolve()
        (folder / "logs").mkdir(exist_ok=True)
        for name in self.agents:
            attempts = sorted((folder / "playground" / name / "tasks" / self.task).glob("attempt-*"))
            for attempt in attempts[-1:]:
                with contextlib.suppress(FileNotFoundError):
                    shutil.copyfile(attempt / "logs" / f"{name}.log", folder / "logs" / f"{name}.log")
                    shutil.copytree(attempt / "root", folder / "nodes" / name, dirs_exist_ok=True)

    def _event(self, kind: str, **fields: Any) -> None:
        event = {"event": kind, **fields}
        self.run.add_event(event)
        self.on_event(event)

    def _close(self, state: str, **fields: Any) -> None:
        self.run.update(state=state, seconds=self._seconds(), metrics=self.run.metrics, **fields)
        self.run.write_metrics()
        self._event(state)

    def _seconds(self) -> float:
        return round(time.monotonic() - self.started, 2)


def _write(content: bytes, file: Any) -> None:
    file.write(content)
