"""What the playground's messages cost: a task that trains next to nothing, beside what the SDK sleeps in any case.

**The floor** of a round, counted in the SDK's source. It sleeps 0.2 s after each message that it pushes
(`TaskMessageContractor._new_contract_normal`), and looks every 0.1 s whether a transfer is complete
(`SharedFileDataChannel`). The aggregator never waits for anything else than its own sleeps where messages take no time,
because the owners answer while it sleeps. Its round is:

    push   sync_state               the owners' answers are there when it has slept
    push   start_round
    push   apply_sf_sending_data    with the parameters; the owners' answers are there when it has slept
    look                            the answers are read a moment after a look: the next one sees it
    push   ready_for_aggregation    the owners' parameters are there when it has slept
    push   accept_sf_sending_data   to one owner after the other
    look                            as above
    push   close_round

which is (5 + owners) · 0.2 s + 2 · 0.1 s. The pushes are counted once more in the hub's log of the run.

Each owner, the aggregator and the hub are processes of their own, as on as many machines; times are medians over the
rounds. Where others use the cores too (`cores_of_others`), `--nice -15` puts the processes before them while rounds
run, which root may do.

    python benchmarks/playground.py --json
    python benchmarks/playground.py --record      (writes what the page shows, with the pages open once more)
"""

import argparse
import contextlib
import json
import os
import sqlite3
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import hub
import psutil
from trivial import Trivial
from watching import watching

from alphamed_tutorials.catalogue import find
from alphamed_tutorials.engines.local import pickled
from alphamed_tutorials.experiments.record import IDLE
from alphamed_tutorials.playground.agent.children import direct_children
from alphamed_tutorials.playground.agent.client import Agent
from alphamed_tutorials.playground.processes import federation
from alphamed_tutorials.playground.source import source
from alphamed_tutorials.runs.machine import machine, versions
from alphamed_tutorials.runs.writing import write_json

RECORDING = Path(__file__).parents[1] / "docs" / "results" / "playground" / "speed.json"
NUM_OWNERS = (2, 5, 20)
NUM_ROUNDS = 8
SEED = 0
PUSH, LOOK = 0.2, 0.1  # seconds that the SDK sleeps
AGGREGATOR = "aggregator"


def pushes(num_owners: int) -> int:
    """Return how many messages the aggregator pushes in a round."""
    return 5 + num_owners


def floor(num_owners: int) -> float:
    """Return the seconds that the SDK sleeps in a round."""
    return pushes(num_owners) * PUSH + 2 * LOOK


@contextlib.contextmanager
def started(folder: Path, num_owners: int, num_rounds: int) -> Iterator[tuple[dict[str, Agent], str, float]]:
    """Run a federation in which the task has been started.

    Yields:
        Its agents, the task's id, and the seconds until hub and agents were up.
    """
    names = [AGGREGATOR, *(f"node{number + 1}" for number in range(num_owners))]
    for name in names:
        (folder / "data" / name).mkdir(parents=True)
        (folder / "data" / name / "one.txt").write_text("1")
    scheduler = Trivial(max_rounds=num_rounds, schedule_timeout=300, calculation_timeout=300)
    code = source(find(Trivial), scheduler, pickled(scheduler), num_rounds, SEED, {})
    began = time.monotonic()
    with federation(folder / "playground", {name: folder / "data" / name for name in names}) as agents:
        first, up = agents[AGGREGATOR], time.monotonic() - began
        task = first.create("trivial", names[1:], settings={"rounds": num_rounds, "seed": SEED})["id"]
        first.put_code(task, "verify", code.verify)
        first.put_code(task, "train", code.train)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda name: verify_and_join(agents[name], task), names[1:]))
        first.start(task)
        yield agents, task, up


def verify_and_join(agent: Agent, task: str) -> None:
    """Let a node take part."""
    assert agent.verify(task, agent.code(task, "verify")["sha256"])["ok"]
    agent.join(task, agent.code(task, "train")["sha256"])


def measure(num_owners: int, num_rounds: int, nice: int = 0, with_pages: bool = False) -> dict[str, Any]:
    """Return what a round and its processes take with this many owners; with the page of every node open, or not."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with started(folder, num_owners, num_rounds) as (agents, task, up):
            began = time.time()
            first, processes = agents[AGGREGATOR], Processes(folder / "playground", agents, nice)
            while with_pages and not first.show(task)["round"]:
                time.sleep(0.5)  # all children import torch on this one machine: on machines of their own nobody waits
            with watching(agents, task) if with_pages else contextlib.nullcontext() as watched:
                found = first.wait(task, look=lambda now: processes.look(now["round"]))
            assert found["state"] == "finished", found["why"]
            events = [event for event in first.events(task) if event["kind"] == "round_started"]
            first_round = events[0]["time"] - began
            seconds = statistics.median(later["time"] - event["time"] for event, later in pairwise(events))
            records = [json.loads(record) for record in first.audit(task)["records"]]
            sent = sent_in_a_round(records, found["me"]["pseudonym"], folder / "playground" / "hub" / "hub.sqlite")
    assert sent["pushes_of_aggregator"] == pushes(num_owners), sent
    return {
        "owners": num_owners,
        "agents_up_seconds": round(up, 1),
        "first_round_after_seconds": round(first_round, 1),
        "floor_seconds": round(floor(num_owners), 2),
        "round_seconds": round(seconds, 2),
        "ratio": round(seconds / floor(num_owners), 2),
        **sent,
        **processes.used(),
        **(watched.summary() if watched else {}),
    }


def sent_in_a_round(records: list[dict[str, Any]], aggregator: str, database: Path) -> dict[str, int]:
    """Return what the hub's log says of one round in the middle: what was pushed, delivered, and the bytes of it all."""
    starts = [number for number, record in enumerate(records) if record.get("type") == "sync_state"]
    middle = len(starts) // 2
    inside = records[starts[middle - 1] : starts[middle]]
    messages = {record["id"]: record for record in inside if record["event"] == "message"}
    with contextlib.closing(sqlite3.connect(database)) as connection:
        bodies = [body for (body,) in connection.execute("SELECT body FROM entries")]
    delivered = [len(body) for body in bodies if json.loads(body).get("id") in messages]
    return {
        "pushes_of_aggregator": sum(message["from"] == aggregator for message in messages.values()),
        "pushes": len(messages),
        "delivered": len(delivered),
        "bytes": sum(delivered) + sum(record["size"] for record in inside if record["event"] == "file"),
    }


class Processes:
    """What the processes of a federation take: memory at most, and processor time in each of the rounds seen."""

    def __init__(self, folder: Path, agents: dict[str, Agent], nice: int):
        self.nice = nice
        self.hub = psutil.Process(json.loads((folder / "hub" / "hub.json").read_text())["pid"])
        self.agents = [psutil.Process(agent.status()["pid"]) for agent in agents.values()]
        self.memory: Counter[str] = Counter()
        self.share: Counter[str] = Counter()
        self.seconds: dict[int, Counter[str]] = {}
        self.number = len(self.agents)

    def look(self, number: int) -> None:
        """Look at them in a round, the first one excepted, in which much is new."""
        seconds: Counter[str] = Counter(clock=time.monotonic(), machine=busy_seconds())
        for kind, process in self._all():
            with contextlib.suppress(psutil.NoSuchProcess):
                self.memory[kind] = max(self.memory[kind], process.memory_info().rss)
                seconds[kind] += sum(process.cpu_times()[:2])
                if number and self.nice:
                    put_before(process.pid, self.nice)
        if number > 1 and seconds["child"]:
            self.seconds.setdefault(number, seconds)
            if not self.share:
                self._look_at_shares()

    def _look_at_shares(self) -> None:
        """Look, once since it takes long, at memory in which pages that several processes have count once for all."""
        for kind, process in self._all():
            with contextlib.suppress(psutil.NoSuchProcess):
                self.share[kind] += process.memory_full_info().pss

    def _all(self) -> Iterator[tuple[str, psutil.Process]]:
        yield "hub", self.hub
        for agent in self.agents:
            yield "agent", agent
            for child in direct_children(agent.pid):
                with contextlib.suppress(psutil.NoSuchProcess):
                    yield "child", psutil.Process(child)

    def used(self) -> dict[str, float]:
        """Return the memory and the processor time of a round that one of each kind took, and the load by others."""
        first, last = min(self.seconds), max(self.seconds)
        spent = {kind: self.seconds[last][kind] - value for kind, value in self.seconds[first].items()}
        rounds, kinds = last - first, {"hub": 1, "agent": self.number, "child": self.number}
        others = spent["machine"] - sum(spent[kind] for kind in kinds)
        return {
            **{f"{kind}_mb": round(self.memory[kind] / 1e6) for kind in kinds},
            **{f"{kind}_share_mb": round(self.share[kind] / number / 1e6) for kind, number in kinds.items()},
            **{f"{kind}_cpu_ms": round(spent[kind] / rounds / number * 1000) for kind, number in kinds.items()},
            "cores_of_others": round(others / spent["clock"], 2),
        }


def put_before(pid: int, nice: int) -> None:
    """Give all threads of a process a priority; Linux knows none of the process."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(ProcessLookupError):
            os.setpriority(os.PRIO_PROCESS, int(thread.name), nice)


def busy_seconds() -> float:
    """Return the processor time that all of the machine has spent at work."""
    times = psutil.cpu_times()
    return times.user + times.nice + times.system


def record(num_rounds: int, nice: int) -> dict[str, Any]:
    """Measure, and return what the page shows: each number of owners, the largest with its pages open, and the hub."""
    found = {f"owners-{number}": measure(number, num_rounds, nice) for number in NUM_OWNERS}
    found["pages"] = measure(max(NUM_OWNERS), num_rounds, nice, with_pages=True)
    is_idle = all(each["cores_of_others"] < IDLE for each in found.values())
    found |= {f"hub-{receivers}": hub.measure(receivers) for receivers in hub.RECEIVERS}
    shared = {"seed": SEED, "rounds": num_rounds, "idle": is_idle}
    return {
        "recorded": time.strftime("%Y-%m-%d"),
        "machine": machine(),
        "versions": versions(),
        "experiments": [{"name": name, **shared, **each} for name, each in found.items()],
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--owners", type=int, nargs="+", default=NUM_OWNERS, metavar="N", help="other numbers of them")
    parser.add_argument("--rounds", type=int, default=NUM_ROUNDS, metavar="N", help="rounds of each task, at least 4")
    parser.add_argument("--nice", type=int, default=0, metavar="N", help="priority of the processes while rounds run")
    parser.add_argument("--page", action="store_true", help="with the page of every node open, and the hub asked")
    parser.add_argument("--record", action="store_true", help="measure all that the page shows, and write it there")
    arguments = parser.parse_args()
    if arguments.record:
        content = record(arguments.rounds, arguments.nice)
        write_json(RECORDING, content)
        print(json.dumps(content))
        return
    result: dict[str, Any] = {"cores": psutil.cpu_count(), "rounds": arguments.rounds, "playground": []}
    for number in arguments.owners:
        found = measure(number, arguments.rounds, arguments.nice, arguments.page)
        result["playground"].append(found)
        if not arguments.json:
            print(", ".join(f"{name} {value}" for name, value in found.items()), flush=True)
    result["hub"] = [hub.measure(receivers) for receivers in hub.RECEIVERS]
    if arguments.json:
        print(json.dumps(result))
        return
    for found in result["hub"]:
        print(", ".join(f"{name} {value}" for name, value in found.items()))


if __name__ == "__main__":
    main()
