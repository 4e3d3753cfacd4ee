"""A task's life on its nodes, through deaths of all parts."""

import json
import random
import sqlite3
import time
from typing import Any

import psutil
import pytest
from playgroundworld import VERIFY, World, code, ready_task, wait_for

from alphamed_tutorials.errors import TutorialError

TALK = """
line.post("/playground/rewind", position=0)
others = [each["node_id"] for each in line.post("/task/nodelist")["records"]]
if assignment["role"] == "aggregator":
    for number in range(ROUNDS):
        line.event("round_started", round=number)
        line.push(["*"], type="ping", number=number, file_url=line.upload(b"parameters %d" % number))
        answers = sorted(line.pop()["number"] for _ in others[1:])
        assert answers == [number] * (len(others) - 1), answers
        line.event("round_done", round=number, rows=[["accuracy", number / 10]])
    line.push(["*"], type="finish_task")
    for kind in ("report", "model"):
        line.push(["*"], "task_file_upload", type="task_file_upload", file_type=kind, file_url=line.upload(kind.encode()))
    line.push(["*"], "task_finish", type="notice_task_completion", result=True)
else:
    import requests
    for number in range(ROUNDS):
        ping = line.pop()
        assert ping["number"] == number, ping
        assert requests.get(ping["file_url"]).content == b"parameters %d" % number
        line.push([others[0]], type="pong", number=number)
    assert line.pop()["type"] == "finish_task"
"""
IDLE = "import time\nwhile True: time.sleep(1)\n"


def talk(rounds: int) -> bytes:
    """Return code that talks for some rounds."""
    return code(TALK.replace("ROUNDS", str(rounds)))


def state(node: Any, task: str) -> str:
    """Return a task's state."""
    return str(node.agent.show(task)["state"])


def child_of(node: Any) -> int | None:
    """Return the process of a far node's child."""
    found = [each.pid for each in psutil.Process(node.process.pid).children() if each.status() != psutil.STATUS_ZOMBIE]
    return found[0] if found else None


@pytest.mark.slow
def test_a_task_lives_through_the_deaths_of_agents_children_and_the_hub(world: World) -> None:
    owners = {name: world.far_node(name) for name in ("a", "b")}
    aggregator = world.far_node("aggregator")
    task = ready_task(aggregator, owners, talk(30))
    aggregator.agent.start(task)
    dice, nodes = random.Random(0), [aggregator, *owners.values()]
    for _ in range(7):
        time.sleep(dice.uniform(0.2, 0.8))
        victim, what = dice.choice(nodes), dice.choice(["agent", "child", "hub"])
        if what == "hub":
            world.kill_hub()
            time.sleep(dice.uniform(0, 0.5))
            world.start_hub()
        elif what == "agent":
            victim.kill()
            victim.start()
        elif pid := child_of(victim):
            psutil.Process(pid).kill()
    assert aggregator.agent.wait(task, 120)["state"] == "finished", aggregator.agent.show(task)
    for node in nodes:
        wait_for(lambda node=node: node.agent.show(task)["here"]["results"] == ["model.pt", "report.zip"])
        assert node.agent.results(task, "report.zip") == b"report"
        assert node.agent.audit(task)["is_sound"]
    assert len(aggregator.agent.metrics(task)) == 30


def test_what_is_sent_while_the_hub_is_away_arrives_when_it_is_back(world: World) -> None:
    owner, aggregator = world.node("a"), world.node("aggregator")
    task = ready_task(aggregator, {"a": owner}, code(IDLE))
    aggregator.agent.start(task)
    services = [wait_for(lambda node=node: node.parts.tasks.running.get(task)).service for node in (aggregator, owner)]
    world.kill_hub()
    for number in range(5):
        push(services[0], ["*"], number=number)
    wait_for(lambda: aggregator.agent.status()["hub_is_away"])
    shown = aggregator.agent.show(task)
    assert shown["here"]["waiting_to_be_sent"] == 5 and "cannot be reached" in shown["hub_is_away"]
    with pytest.raises(TutorialError, match="cannot be reached"):
        aggregator.agent.stop(task)
    world.start_hub()
    body = {"task_id": task, "channel": "federated"}
    got = [wait_for(lambda: services[1].pop(body).get("message_content"))["number"] for _ in range(5)]
    assert got == list(range(5))


def push(service: Any, to: list[str], **content: Any) -> None:
    """Send a message."""
    body = {"task_id": service.task, "node_id_list": to, "message_title": "task_inside", "channel": "federated"}
    service.push({**body, "message_content": {"type": "note", **content}})


def test_children_die_with_their_agent_and_come_back_with_it(lasting_world: World) -> None:
    owner, aggregator = lasting_world.node("b"), lasting_world.far_node("aggregator-b")
    task = ready_task(aggregator, {"b": owner}, code(IDLE))
    aggregator.agent.start(task)
    first = wait_for(lambda: child_of(aggregator))
    aggregator.kill()
    wait_for(lambda: not psutil.pid_exists(first) or psutil.Process(first).status() == psutil.STATUS_ZOMBIE)
    aggregator.start()
    second = wait_for(lambda: child_of(aggregator))
    psutil.Process(second).kill()
    wait_for(lambda: child_of(aggregator) not in (None, second))
    events = [event["text"] for event in aggregator.agent.events(task) if event["kind"] == "restart"]
    assert events == ["the task's process ended (killed by signal 9) and is started again"]
    aggregator.agent.stop(task)
    wait_for(lambda: child_of(aggregator) is None)
    assert state(owner, task) == "stopped"
    aggregator.agent.start(task)
    wait_for(lambda: child_of(aggregator))


def test_a_failed_task_takes_new_code_and_its_error_stays_at_home(lasting_world: World) -> None:
    owner, aggregator = lasting_world.node("c"), lasting_world.node("aggregator-c")
    fails = """
line.event("failed", text="label 7 of patient Smith", type="ValueError", file="own/model.py", line=12, round=3)
raise SystemExit(1)
"""
    task = ready_task(aggregator, {"c": owner}, code(f"if assignment['role'] == 'owner':\n{indented(fails)}\n{IDLE}"))
    aggregator.agent.start(task)
    wait_for(lambda: state(aggregator, task) == "failed")
    pseudonym = owner.agent.show(task)["me"]["pseudonym"]
    assert aggregator.agent.show(task)["why"] == f"{pseudonym} failed in own/model.py, line 12: ValueError"
    assert owner.agent.show(task)["failures"][0]["text"] == "label 7 of patient Smith"
    assert "Smith" not in json.dumps([aggregator.agent.show(task), aggregator.agent.audit(task)])
    wait_for(lambda: not aggregator.parts.tasks.running)

    aggregator.agent.put_code(task, "train", talk(3))
    with pytest.raises(TutorialError, match="c has not joined"):
        aggregator.agent.start(task)
    with pytest.raises(TutorialError, match="was not approved on this node"):
        owner.agent.join(task)
    owner.agent.join(task, owner.agent.code(task, "train")["sha256"])
    aggregator.agent.start(task)
    assert aggregator.agent.wait(task, 30)["state"] == "finished"
    assert aggregator.agent.show(task)["attempt"] == 2
    assert [row["value"] for row in aggregator.agent.metrics(task)] == [0.0, 0.1, 0.2]


def indented(text: str) -> str:
    """Return a block."""
    return "".join(f"    {line}\n" for line in text.strip().splitlines())


def test_a_process_that_always_dies_fails_the_task(lasting_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alphamed_tutorials.playground.agent.runner.MOST_RESTARTS", 2)
    owner, aggregator = lasting_world.node("d"), lasting_world.node("aggregator-d")
    task = ready_task(aggregator, {"d": owner}, code("import os, signal\nos.kill(pid, signal.SIGKILL)"))
    aggregator.agent.start(task)
    found = aggregator.agent.wait(task, 30)
    assert found["state"] == "failed" and "Restarts" in found["why"]


VERDICTS = {
    "def verify(data):\n    return False, 'labels.csv is missing'": "labels.csv is missing",
    "import time\ndef verify(data):\n    time.sleep(60)": "did not end within 5 seconds",
    "import os\nos._exit(3)": "exit code 3",
    "def verify(data):\n    raise ValueError": "exit code 1",
}


def test_a_verification_always_ends_with_a_reason(lasting_world: World) -> None:
    owner, aggregator = lasting_world.node("e", verify_seconds=5), lasting_world.node("aggregator-e")
    task = aggregator.agent.create("verified", ["e"])["id"]
    with pytest.raises(TutorialError, match="verification of the data is missing"):
        aggregator.agent.start(task)
    aggregator.agent.put_code(task, "train", code())
    for text, reason in VERDICTS.items():
        aggregator.agent.put_code(task, "verify", text.encode())
        wait_for(lambda: task in [each["id"] for each in owner.agent.tasks()])
        sha256 = owner.agent.code(task, "verify")["sha256"]
        with pytest.raises(TutorialError, match=f"{sha256}, not 00000"):
            owner.agent.verify(task, "0" * 64)
        verdict = owner.agent.verify(task, sha256)
        assert not verdict["ok"] and reason in verdict["reason"]
        with pytest.raises(TutorialError, match=r"cannot start.*e was refused"):
            aggregator.agent.start(task)
    assert "Traceback" in owner.agent.log(task)
    aggregator.agent.put_code(task, "verify", VERIFY)
    assert owner.agent.verify(task, owner.agent.code(task, "verify")["sha256"])["ok"]
    with pytest.raises(TutorialError, match="e has not joined"):
        aggregator.agent.start(task)
    assert owner.agent.tasks("no such") == [] and len(owner.agent.tasks("verif")) == 1
    aggregator.agent.delete(task)
    wait_for(lambda: owner.agent.tasks() == [])
    wait_for(lambda: not owner.place.task(task).exists() and not owner.parts.journal.tasks())


def test_no_participant_learns_who_the_others_are(lasting_world: World) -> None:
    owners = {name: lasting_world.node(name) for name in ("st-mary", "charite")}
    aggregator = lasting_world.node("coordinator")
    task = ready_task(aggregator, owners, talk(2))
    aggregator.agent.start(task)
    aggregator.agent.wait(task, 30)
    owner = owners["charite"]
    wait_for(lambda: len(owner.agent.show(task)["here"]["results"]) == 2)
    told = json.dumps([owner.agent.show(task), owner.agent.audit(task), owner.agent.events(task), owner.agent.tasks()])
    with sqlite3.connect(owner.place.database) as database:
        told += "".join(map(str, database.iterdump()))
    for name in ("st-mary", "coordinator", "127.0.0.1"):
        assert name not in told, name
    by_name = aggregator.agent.show(task)
    assert {each["name"] for each in by_name["invited"]} == set(owners)
    assert "p-" not in json.dumps(by_name["invited"]), "nor does the initiator learn which pseudonym is whose"
