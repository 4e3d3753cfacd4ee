"""A hub that rewrites its log is found out, even when it edits its own database."""

import json
import sqlite3
from contextlib import closing

import pytest
from playgroundhub import Task, running

from alphamed_tutorials.playground.audit import (
    AuditFailed,
    Head,
    Tree,
    audit,
    check_growth,
    check_head,
    timeline,
)
from alphamed_tutorials.playground.signing import SigningKey


class Witness:
    """What an agent keeps of a task's log, and asks for."""

    def __init__(self, task: Task, hub_key: bytes) -> None:
        self.task, self.hub_key = task, hub_key
        self.heads: list[Head] = []
        self.leaves: list[bytes] = []

    def look(self) -> None:
        answer = self.task.head(self.heads[-1].size if self.heads else 0)
        head = Head.read(self.task.id, answer)
        check_head(head, self.hub_key)
        if self.heads:
            check_growth(self.heads[-1], head, answer["consistency"])
        self.heads.append(head)
        self.leaves = Tree(self.task.records()).leaves

    def audit(self, *, with_leaves: bool = True) -> list[str]:
        head = Head.read(self.task.id, self.task.head())
        return audit(self.task.records(), head, self.heads, self.hub_key, self.leaves if with_leaves else ()).faults


def add_messages(task: Task, count: int) -> None:
    for _ in range(count):
        task.first.post(f"{task.path}/messages", **task.first.message(task.id, [task.pseudonym(task.initiator)]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A hub's folder with a finished log, and what a node has kept of it."""
    folder = tmp_path_factory.mktemp("hub")
    with running(folder) as hub:
        task = Task(hub).start()
        witness = Witness(task, hub.hub.key.public)
        for count in (3, 2, 4):
            add_messages(task, count)
            witness.look()
        assert witness.audit() == []
        task.initiator.post(f"{task.path}/stop")
        assert witness.audit() == []  # it may grow
    return folder, witness


def edit(folder, task: str, *statements: str) -> None:
    with closing(sqlite3.connect(folder / "hub.sqlite")) as database, database:
        for statement in statements:
            assert database.execute(statement.replace("LOG", f"log = '{task}'")).rowcount


EDITS = {
    "changed": (
        ["UPDATE events SET record = replace(record, 'start_round', 'close_round') WHERE LOG AND number = 14"],
        "record 14 was changed",
    ),
    "removed": (
        [
            "DELETE FROM events WHERE LOG AND number = 14",
            "UPDATE events SET number = number - 1 WHERE LOG AND number > 14",
        ],
        "record 14 was removed",
    ),
    "the end removed": (["DELETE FROM events WHERE LOG AND number > 15"], "record 16 was removed, with all after it"),
    "reordered": (
        [
            "UPDATE events SET number = -1 WHERE LOG AND number = 14",
            "UPDATE events SET number = 14 WHERE LOG AND number = 15",
            "UPDATE events SET number = 15 WHERE LOG AND number = -1",
        ],
        "record 14 was moved",
    ),
    "added": (
        [
            "UPDATE events SET number = -number - 1 WHERE LOG AND number >= 14",
            "UPDATE events SET number = -number WHERE LOG AND number < 0",
            "INSERT INTO events SELECT log, 14, replace(record, 'message', 'file') FROM events WHERE LOG AND number = 13",
        ],
        "record 14 was moved on by one that was put in",
    ),
    "no record": (["UPDATE events SET record = '{' WHERE LOG AND number = 14"], "record 14 was changed"),
}


@pytest.mark.parametrize("what", EDITS)
@pytest.mark.parametrize("restarted", [True, False])
def test_an_edited_database_is_found(folder, tmp_path, what, restarted):
    source, witness = folder
    with (
        closing(sqlite3.connect(source / "hub.sqlite")) as old,
        closing(sqlite3.connect(tmp_path / "hub.sqlite")) as new,
    ):
        old.backup(new)
    (tmp_path / "hub.key").write_bytes((source / "hub.key").read_bytes())
    statements, expected = EDITS[what]
    if restarted:
        edit(tmp_path, witness.task.id, *statements)
    with running(tmp_path) as hub:
        witness.task.initiator.url = hub.url
        if not restarted:
            witness.task.head()
            edit(tmp_path, witness.task.id, *statements)
        assert expected in witness.audit()[0]
        (fault,) = witness.audit(with_leaves=False)
        assert fault.startswith(("records 14 to 15: ", "records are missing at the end")), fault
        if restarted:
            with (
                pytest.raises(AuditFailed, match="rewritten|records were removed")
                if what != "the end removed"
                else pytest.raises(AssertionError, match="records only")
            ):
                Witness.look(witness)
        assert len(timeline(witness.task.records())) == len(witness.task.records())


def test_heads_of_another_are_no_heads(folder):
    _, witness = folder
    head, other = witness.heads[-1], SigningKey.make()
    with pytest.raises(AuditFailed, match="not signed by this hub"):
        check_head(head, other.public)
    for changed in ({"size": 3}, {"root": "00" * 32}, {"time": "later"}, {"log": "other"}, {"signature": "no hex"}):
        with pytest.raises(AuditFailed, match="not signed by this hub"):
            check_head(Head(**(vars(head) | changed)), witness.hub_key)
    with pytest.raises(AuditFailed, match="cannot be read"):
        Head.read("task", {"size": "many"})


def test_growth_is_proven(folder):
    source, witness = folder
    first, last = witness.heads[0], witness.heads[-1]
    with running(source) as hub:
        witness.task.initiator.url = hub.url
        answer = witness.task.head(first.size)
    head = Head.read(witness.task.id, answer)
    check_growth(first, head, answer["consistency"])
    with pytest.raises(AuditFailed, match="records were removed"):
        check_growth(last, first, answer["consistency"])
    for proof in (None, {}, {"type": "inclusion"}, answer["consistency"] | {"path": []}):
        with pytest.raises(AuditFailed, match="rewritten"):
            check_growth(first, head, proof)
    with pytest.raises(AuditFailed, match="rewritten"):
        check_growth(Head(**(vars(first) | {"root": "00" * 32})), head, answer["consistency"])


def test_the_timeline_is_in_words(folder):
    source, witness = folder
    with running(source) as hub:
        witness.task.initiator.url = hub.url
        records = witness.task.records()
        hubs = hub.hub.logs.records("hub", 0, 1000)
    lines = timeline(records)
    assert "created by p-" in lines[0] and "with 2 invited nodes" in lines[0]
    assert "sent start_round of round 1 to p-" in "\n".join(lines)
    assert lines[-1].endswith("stopped the task")
    assert not any("cannot be read" in line for line in [*lines, *timeline(hubs)])
    assert "cannot be read" in timeline(["{", '{"event": "new"}'])[1]
    assert {json.loads(record)["event"] for record in hubs} == {"hub", "invitation", "admitted"}


def test_a_tree_is_as_the_library_builds_it():
    from pymerkle import InmemoryTree

    records = [f"record {number}" for number in range(300)]
    tree, other = Tree(records), InmemoryTree()
    other.append_entries(record.encode() for record in records)
    assert tree.get_root() == other.get_root()
    assert tree.prove_consistency(7, 300).serialize() == other.prove_consistency(7, 300).serialize()
