"""What the agent's watch ends, past all that the child itself may forbid; an honest task beside it goes on."""

from pathlib import Path

import psutil
import pytest
from playgroundworld import World, code, ready_task, wait_for
from test_agent_life import IDLE, TALK

from alphamed_tutorials.playground.agent.children import MARK

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
    "did not end within 12 seconds": IDLE,
}


@pytest.mark.slow
def test_a_child_that_takes_too_much_is_ended_and_an_honest_task_goes_on(lasting_world: World) -> None:
    world = lasting_world
    limits = {"processes": 8, "disk": 50 << 20, "memory": 500 << 20, "seconds": 12.0}
    owner, aggregator = world.far_node("guarded", **limits), world.node("initiator")
    for reason, attack in ATTACKS.items():
        behaviour = f"if assignment['role'] == 'owner':\n{indented(attack)}\n{IDLE}"
        task = ready_task(aggregator, {"guarded": owner}, code(behaviour))
        aggregator.agent.start(task)
        wait_for(lambda task=task: aggregator.agent.show(task)["state"] == "failed", what=reason)
        assert aggregator.agent.show(task)["why"].endswith("LimitExceeded")
        assert reason.removesuffix(" (orphans)") in owner.agent.show(task)["failures"][0]["text"]
        wait_for(lambda: not left_behind(owner.place.folder), what=f"{reason}: something goes on")
        assert owner.agent.status()["running"] == []
    honest = ready_task(aggregator, {"guarded": owner}, code(TALK.replace("ROUNDS", "2")))
    aggregator.agent.start(honest)
    assert aggregator.agent.wait(honest, 30)["state"] == "finished"


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
