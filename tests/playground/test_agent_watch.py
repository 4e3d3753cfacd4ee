"""What the agent's watch ends, past all that the child itself may forbid; an honest task beside it ends right."""

import hashlib
from pathlib import Path

import psutil
import pytest
from playgroundworld import World, code, ready_task, wait_for
from test_agent_life import IDLE

from alphamed_tutorials.playground.agent.children import MARK

SECONDS = 40  # that a child may take
# Bounded, so that a watch that fails does not take the machine with it.
ATTACKS = {
    "processes, more than 8": "import os, time\nfor _ in range(40):\n    if not os.fork(): time.sleep(60)\ntime.sleep(60)",
    "processes, more than 8 (orphans)": """
import os, time
for _ in range(40):
    if not os.fork():
        os.setsid()
        if os.fork():
            os._exit(0)
        time.sleep(60)
    os.wait()
time.sleep(60)
""",
    "files take more than 50 MiB": """
import time
with open(folder / "work" / "junk", "wb") as file:
    for _ in range(200):
        file.write(bytes(1 << 20)); file.flush()
time.sleep(60)
""",
    "MiB of memory": "import time\nheld = bytearray(b'x') * (600 << 20)\ntime.sleep(60)",
    f"did not end within {SECONDS} seconds": IDLE,
}


# A computation whose every round depends on all before, and which ends when the test says so.
HONEST = """
import hashlib, time
from pathlib import Path
state = hashlib.sha256()
line.post("/playground/rewind", position=0)
others = [each["node_id"] for each in line.post("/task/nodelist")["records"]]
if assignment["role"] == "aggregator":
    number = 0
    while not (Path(assignment["data"]) / "enough").exists():
        line.push(["*"], type="ping", file_url=line.upload(state.digest()))
        state.update(bytes.fromhex(line.pop()["answer"]))
        line.event("round_done", round=number, rows=[["rounds", number + 1]])
        number += 1
        time.sleep(0.2)
    line.push(["*"], type="finish_task")
    for kind in ("report", "model"):
        line.push(["*"], "task_file_upload", type="task_file_upload", file_type=kind, file_url=line.upload(state.digest()))
    line.push(["*"], "task_finish", type="notice_task_completion", result=True)
else:
    import requests
    while (ping := line.pop())["type"] != "finish_task":
        answer = hashlib.sha256(b"owner" + requests.get(ping["file_url"]).content)
        line.push([others[0]], type="pong", answer=answer.hexdigest())
"""


def honest_parameters(rounds: int) -> bytes:
    """Return what the honest task ends with after so many rounds."""
    state = hashlib.sha256()
    for _ in range(rounds):
        state.update(hashlib.sha256(b"owner" + state.digest()).digest())
    return state.digest()


@pytest.mark.slow
def test_a_child_that_takes_too_much_is_ended_and_an_honest_task_beside_it_ends_right(lasting_world: World) -> None:
    limits = {"processes": 8, "disk": 50 << 20, "memory": 500 << 20, "seconds": SECONDS}
    owner, aggregator = lasting_world.far_node("guarded", **limits), lasting_world.node("initiator")

    def ready(behaviour: str) -> str:
        return ready_task(aggregator, {"guarded": owner}, code(behaviour))

    def has_failed(task: str) -> bool:
        return aggregator.agent.show(task)["state"] == "failed"

    honest = ready(HONEST)
    attacks = {
        reason: ready(f"if assignment['role'] == 'owner':\n{indented(attack)}\n{IDLE}")
        for reason, attack in ATTACKS.items()
    }
    aggregator.agent.start(honest)
    wait_for(lambda: aggregator.agent.metrics(honest))
    for task in attacks.values():
        aggregator.agent.start(task)
    *at_once, lasting = attacks.values()
    for task in at_once:
        wait_for(lambda task=task: has_failed(task))
    assert not has_failed(lasting), "the honest task is to end beside it"
    (aggregator.place.data / "enough").touch()
    assert aggregator.agent.wait(honest, 30)["state"] == "finished"
    rounds = len(aggregator.agent.metrics(honest))
    wait_for(lambda: len(aggregator.agent.show(honest)["here"]["results"]) == 2)
    assert aggregator.agent.results(honest, "model.pt") == honest_parameters(rounds)
    assert not [event for event in owner.agent.events(honest) if event["kind"] in ("restart", "failed", "alarm")]
    wait_for(lambda: has_failed(lasting), 2 * SECONDS)
    for reason, task in attacks.items():
        assert aggregator.agent.show(task)["why"].endswith("LimitExceeded")
        assert reason.removesuffix(" (orphans)") in owner.agent.show(task)["failures"][0]["text"]
    wait_for(lambda: not left_behind(owner.place.folder), what="something goes on")
    assert owner.agent.status()["running"] == []


def left_behind(folder: Path) -> list[int]:
    """Return the processes of children below a folder that live."""
    found = []
    for process in psutil.process_iter():
        try:
            if MARK in process.environ() and str(folder) in process.environ()["HOME"]:
                found.append(process.pid)
        except (psutil.Error, KeyError):
            continue
    return found


def indented(text: str) -> str:
    """Return a block."""
    return "".join(f"    {line}\n" for line in text.strip().splitlines())


def test_a_child_inherits_no_secret(lasting_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "hidden")
    owner, aggregator = lasting_world.node("a"), lasting_world.node("aggregator")
    task = ready_task(aggregator, {"a": owner}, code("import os, time\nprint(sorted(os.environ))\ntime.sleep(60)"))
    aggregator.agent.start(task)
    wait_for(lambda: "HOME" in owner.agent.log(task))
    assert "SECRET" not in owner.agent.log(task)
