"""Deaths at the worst moments between an agent and its hub: nothing is lost, and nothing comes twice."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from playgroundworld import World, code, ready_task, wait_for

from alphamed_tutorials.playground.agent.hub_client import HubAway

IDLE = "import time\nwhile True: time.sleep(1)\n"


class Pair:
    """Two nodes whose task runs."""

    def __init__(self, world: World):
        self.owner, self.aggregator = world.node("owner"), world.node("aggregator")
        self.task = ready_task(self.aggregator, {"owner": self.owner}, code(IDLE))
        self.aggregator.agent.start(self.task)
        self.owner_at, self.aggregator_at = (
            wait_for(lambda node=node: node.parts.tasks.running.get(self.task)).service
            for node in (self.owner, self.aggregator)
        )

    def push(self, **content: Any) -> None:
        """Let the aggregator send something."""
        body = {"task_id": self.task, "node_id_list": ["*"], "message_title": "task_inside", "channel": "federated"}
        self.aggregator_at.push({**body, "message_content": content})

    def pop(self) -> Any:
        """Return what the owner gets next."""
        body = {"task_id": self.task, "channel": "federated"}
        return wait_for(lambda: self.owner_at.pop(body).get("message_content"))

    def dropped(self) -> list[str]:
        """Return what either of them gave up."""
        nodes = (self.owner, self.aggregator)
        return [event["text"] for node in nodes for event in node.agent.events(self.task) if event["kind"] == "dropped"]


@pytest.fixture
def pair(world: World) -> Pair:
    return Pair(world)


def once(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, error: Exception) -> Callable[[], bool]:
    """Let a method fail the next time; return what says whether it did."""
    method, failed = getattr(owner, name), []

    def fails(*args: Any) -> Any:
        if not failed:
            failed.append(error)
            raise error
        return method(*args)

    monkeypatch.setattr(owner, name, fails)
    return lambda: bool(failed)


def test_a_file_that_the_hub_has_already_is_sent_again_as_it_was(pair: Pair, monkeypatch) -> None:
    is_hit = once(monkeypatch, pair.aggregator.parts.journal, "sent", RuntimeError("killed before it was noted"))
    url = pair.aggregator_at.upload(io.BytesIO(b"parameters"))["f_url"]
    pair.push(type="note", number=1, file_url=url)
    pair.push(type="note", number=2)
    first, second = pair.pop(), pair.pop()
    assert (first["number"], second["number"], is_hit()) == (1, 2, True)
    file = first["file_url"].rpartition("/")[2]
    assert pair.owner_at.download(file).read_bytes() == b"parameters"
    assert not pair.dropped()
    sealed = pair.aggregator.place.task(pair.task) / "sealed"
    wait_for(lambda: not list(sealed.iterdir()), what="what was sent is kept")


def test_a_message_that_needs_the_hub_to_be_opened_waits_for_it(pair: Pair, monkeypatch) -> None:
    is_hit = once(monkeypatch, pair.owner.parts.holdings, "own_box", HubAway("killed just now"))
    pair.push(type="note", number=1)
    assert (pair.pop()["number"], is_hit()) == (1, True)
    assert not pair.dropped()
