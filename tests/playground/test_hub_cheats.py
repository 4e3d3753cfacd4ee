"""A hub whose operator changes what it keeps: the honest nodes find out, and say what is wrong."""

import base64
import sqlite3
from typing import Any

from playgroundworld import World, ready_task, wait_for
from test_agent_life import state, talk

from alphamed_tutorials.playground.audit import canonical
from alphamed_tutorials.playground.sealing import make_box_key, public_box_key


def cheat(world: World, *statements: tuple[str, tuple[Any, ...]]) -> None:
    """Change what the hub keeps, as its operator could."""
    world.kill_hub()
    with sqlite3.connect(world.folder / "hub" / "hub.sqlite") as database:
        for statement, values in statements:
            assert database.execute(statement, values).rowcount == 1
    world.start_hub()


def alarms(node: Any, task: str) -> list[str]:
    return [event["text"] for event in node.agent.events(task) if event["kind"] == "alarm"]


FALSE_KEY = base64.b64encode(public_box_key(make_box_key())).decode()
SWAP = "UPDATE members SET box_key = ? WHERE task = ? AND pseudonym = ?"


def test_a_hub_that_gives_out_another_key_than_its_log_has_is_found_out(world: World) -> None:
    owner, other, aggregator = world.node("a"), world.node("b"), world.node("aggregator")
    task = ready_task(aggregator, {"a": owner, "b": other}, talk(2))
    pseudonym = owner.agent.show(task)["me"]["pseudonym"]
    cheat(world, (SWAP, (FALSE_KEY, task, pseudonym)))
    aggregator.agent.start(task)
    for honest in (aggregator, owner, other):
        wait_for(lambda honest=honest: alarms(honest, task), what="nobody raises the alarm")
        assert f"another key for {pseudonym} than the one in the task's log" in alarms(honest, task)[0]
        assert pseudonym in honest.agent.show(task)["failures"][-1]["text"]
        assert not honest.place.attempt(task, 1).exists(), "its child was to be started"
    assert aggregator.agent.show(task)["state"] == "failed"


def test_a_hub_that_lets_another_key_join_is_found_out_by_whose_key_it_should_be(world: World) -> None:
    owner, aggregator = world.node("a"), world.node("aggregator")
    task = ready_task(aggregator, {"a": owner}, talk(2))
    pseudonym = owner.agent.show(task)["me"]["pseudonym"]
    joined = canonical({"time": "", "event": "joined", "by": pseudonym, "sha256": "", "box_key": FALSE_KEY})
    adds = "INSERT INTO events SELECT log, max(number) + 1, ? FROM events WHERE log = ?"
    cheat(world, (SWAP, (FALSE_KEY, task, pseudonym)), (adds, (joined, task)))
    aggregator.agent.start(task)
    wait_for(lambda: alarms(owner, task))
    assert (
        f"the key of {pseudonym}, which is this node, in the task's log is none of this node's"
        in alarms(owner, task)[0]
    )
    assert owner.agent.audit(task)["faults"] == alarms(owner, task)
    assert not owner.place.attempt(task, 1).exists()
    wait_for(lambda: state(aggregator, task) == "failed")


def test_a_hub_that_rewrites_its_log_is_found_out(world: World) -> None:
    owner, aggregator = world.node("a"), world.node("aggregator")
    task = ready_task(aggregator, {"a": owner}, talk(2))
    aggregator.agent.start(task)
    aggregator.agent.wait(task, 30)
    wait_for(lambda: len(owner.agent.show(task)["here"]["results"]) == 2)
    assert owner.agent.audit(task)["is_sound"]
    rewrites = (
        'UPDATE events SET record = replace(record, \'"event":"verdict"\', \'"event":"verdict","ok":false\') '
        "WHERE log = ? AND record LIKE '%verdict%'"
    )
    cheat(world, (rewrites, (task,)))
    found = owner.agent.audit(task)
    assert not found["is_sound"] and "was changed" in found["faults"][0]
    owner.parts.witness.look(task)
    assert len(alarms(owner, task)) == 1, "the log may not grow, but its root is another"
