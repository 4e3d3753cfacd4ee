"""A child that starts again lives through the same talk again; what it sent is not sent twice."""

from pathlib import Path
from typing import Any

import pytest

from alphamed_tutorials.playground.agent.files import Files
from alphamed_tutorials.playground.agent.journal import Journal
from alphamed_tutorials.playground.agent.service import Refused, Service, Services

TASK = {
    "id": "task", "attempt": 1, "me": {"pseudonym": "p-1"},
    "members": [{"pseudonym": "p-1"}, {"pseudonym": "p-2"}],
}  # fmt: skip


class Node:
    """A node's journal, and one child after another."""

    def __init__(self, folder: Path):
        self.folder, self.services = folder, Services("http://127.0.0.1:1")
        self.journal = Journal(folder / "agent.db")
        self.files = Files(folder / "files", lambda file, target: None)
        self.service: Service | None = None

    def child(self, position: int | None = 0) -> Service:
        """Start a child, which goes back to a position."""
        if self.service:
            self.services.remove(self.service)
        self.service = Service(self.journal, self.files, TASK, self.folder)
        self.services.add(self.service)
        if position is not None:
            self.service.rewind({"position": position})
        return self.service

    def receive(self, *numbers: int) -> None:
        """Let messages come."""
        for number in numbers:
            self.journal.receive("task", 1, "federated", {"type": "note", "number": number})

    @property
    def sent(self) -> list[Any]:
        """What waits in the outbox."""
        return [row["body"] for row in self.journal.rows("SELECT body FROM outbox ORDER BY id")]


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    """A node with an empty journal, whose pops do not wait."""
    monkeypatch.setattr("alphamed_tutorials.playground.agent.service.HOLD", 0)
    return Node(tmp_path)


def pop(service: Service) -> int | None:
    """Return the number of the next message."""
    content = service.pop({"task_id": "task", "channel": "federated"}).get("message_content")
    return content and int(content["number"])


def push(service: Service, kind: str = "answer", **content: Any) -> str:
    """Send a message to the other node."""
    body = {"task_id": "task", "node_id_list": ["p-2"], "message_title": "task_inside", "channel": "federated"}
    return str(service.push({**body, "message_content": {"type": kind, **content}})["message_uuid"])


def test_pops_and_pushes_come_again_in_their_order(node: Node) -> None:
    node.receive(1, 2, 3, 4)
    child = node.child()
    before = pop(child), push(child)
    position = child.mark({})["position"]
    after = pop(child), push(child), pop(child), push(child, "other")
    assert len(node.sent) == 3

    child = node.child(position)
    assert (pop(child), push(child), pop(child), push(child, "other")) == after
    assert len(node.sent) == 3, "nothing is sent twice"
    assert pop(child) == 4, "and then it goes on"
    push(child)
    assert len(node.sent) == 4

    child = node.child(0)
    assert (pop(child), push(child)) == before and (pop(child), push(child)) == after[:2]


def test_a_death_in_the_middle_of_a_replay_loses_nothing(node: Node) -> None:
    node.receive(*range(1, 9))
    child = node.child()
    for _ in range(6):
        pop(child), push(child)
    child = node.child(0)
    assert [pop(child), pop(child)] == [1, 2]
    position = child.mark({})["position"]
    assert pop(child) == 3
    child = node.child(position)
    assert pop(child) == 3
    child = node.child(position)
    assert [pop(child) for _ in range(7)] == [3, 4, 5, 6, 7, 8, None]
    assert len(node.sent) == 6


def test_a_child_that_asks_for_no_position_lives_through_everything_again(node: Node) -> None:
    node.receive(1, 2)
    child = node.child(None)
    assert [pop(child), pop(child)] == [1, 2]
    child = node.child(None)
    assert [pop(child), pop(child), pop(child)] == [1, 2, None]


def test_a_child_that_says_something_else_than_before_is_heard(node: Node, caplog: pytest.LogCaptureFixture) -> None:
    child = node.child()
    first = push(child, "checkin")
    push(child, "checkin")
    push(child, "answer")
    child = node.child(0)
    assert push(child, "checkin") == first
    push(child, "answer")
    assert len(node.sent) == 4 and "answer" in caplog.text
    push(child, "checkin")
    assert len(node.sent) == 5, "what was said on the old way is dropped"


def test_an_upload_comes_again_as_the_same_file(node: Node) -> None:
    child = node.child()
    (node.folder / "own").write_bytes(b"first")
    url = child.upload_local("own")["f_url"]
    push(child, "data", file_url=url)
    child = node.child(0)
    (node.folder / "own").write_bytes(b"second")
    again = child.upload_local("own")["f_url"]
    assert (
        again.rpartition("/")[2] == url.rpartition("/")[2]
        and again.startswith(child.base)
        and not url.startswith(child.base)
    )
    push(child, "data", file_url=again)
    assert len(node.sent) == 1
    assert len(list((node.folder / "files").iterdir())) == 1


def test_what_nobody_goes_back_to_is_forgotten_with_its_files(node: Node) -> None:
    child = node.child()
    (node.folder / "own").write_bytes(b"content")
    old, new = child.upload_local("own")["f_url"], None
    position = child.mark({})["position"]
    new = child.upload_local("own")["f_url"]
    kept = child.mark({"keep": position})["position"]
    assert kept > position
    names = {path.name for path in (node.folder / "files").iterdir()}
    assert names == {new.rpartition("/")[2]} and old.rpartition("/")[2] not in names
    push(child, "data", file_url=new)
    child.mark({"keep": child.mark({})["position"]})
    assert {path.name for path in (node.folder / "files").iterdir()} == names, "it is still to be sent"


def test_a_child_that_is_gone_takes_no_message(node: Node) -> None:
    gone = node.child()
    child = node.child()
    node.receive(1)
    for call in (pop, push):
        with pytest.raises(Refused):
            call(gone)
    assert pop(child) == 1
