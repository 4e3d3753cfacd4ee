"""The life of a task: draft → verifying → ready → running → finished, failed or stopped; and who may do what in it."""

import json
import secrets
import shutil
import sqlite3
from typing import Any

from . import nodes
from .audit import now
from .forms import Join, NewTask, Report, Verdict
from .state import Hub, Refusal, Stranger

NEEDED = {"verify": "the verification of the data", "train": "the training code"}


class Seat:
    """A node's seat in a task: what a member may see and do.

    Attributes:
        task: The task's row.
        members: All members' rows, the initiator's first, then in the order in which it named them.
        me: The caller's own.
    """

    def __init__(self, hub: Hub, task: str, node: str, *, of_deleted: bool = False) -> None:
        self.hub = hub
        self.id = task
        self._node = node
        self._of_deleted = of_deleted
        self.read()

    def read(self) -> None:
        """Read the rows, after a change again."""
        database = self.hub.database
        self.task = database.execute("SELECT * FROM tasks WHERE id = ?", (self.id,)).fetchone()
        self.members = database.execute("SELECT * FROM members WHERE task = ? ORDER BY position", (self.id,)).fetchall()
        own = [member for member in self.members if member["node"] == self._node]
        is_hidden = self.task and self.task["state"] == "draft" and own and own[0]["position"]
        if not own or is_hidden:
            raise Stranger(
                404, "there is no such task, or this node is not a member of it: look for it among this node's tasks"
            )
        if self.task["state"] == "deleted" and not self._of_deleted:
            raise Refusal(404, f"the task was deleted by its initiator at {_clock(self.task['since'])}")
        self.me: sqlite3.Row = own[0]

    @property
    def is_initiator(self) -> bool:
        """Whether the caller made the task."""
        return self.me["position"] == 0

    @property
    def code(self) -> dict[str, dict[str, Any]]:
        """What code there is, by kind."""
        rows = self.hub.database.execute("SELECT kind, sha256, size FROM code WHERE task = ?", (self.id,))
        return {row["kind"]: {"sha256": row["sha256"], "size": row["size"]} for row in rows}

    def only_initiator(self, verb: str) -> None:
        """Raise unless the caller made the task."""
        if not self.is_initiator:
            raise Refusal(403, f"only the task's initiator can {verb} it")

    def only_joined(self) -> None:
        """Raise unless the caller has joined."""
        if self.me["state"] != "joined":
            state, since = self.me["state"], _clock(self.me["since"])
            raise Refusal(409, f"this node has not joined the task ({state} since {since}): join it first")

    def called(self, member: sqlite3.Row) -> str:
        """Return a member's name if the caller chose it, else its pseudonym."""
        return member["node"] if self.is_initiator else member["pseudonym"]

    def missing(self) -> list[str]:
        """Say who has not done what before the task can start."""
        code = self.code
        missing = [f"{what} is missing" for kind, what in NEEDED.items() if kind not in code]
        return missing or [self.not_done(member) for member in self.members if member["state"] != "joined"]

    def not_done(self, member: sqlite3.Row) -> str:
        """Say what a member has not done."""
        called, since = self.called(member), _clock(member["since"])
        if member["state"] == "refused":
            reason = f": {member['reason']}" if self.is_initiator and member["reason"] else ""
            return f"{called} was refused at {since}{reason}"
        if member["state"] == "verified":
            return f"{called} has not joined (its data verified since {since})"
        return f"{called} has not verified its data (invited since {since})"

    @property
    def why(self) -> str:
        """Why the task is in its state, as the caller may know it."""
        state = self.task["state"]
        if state in ("draft", "verifying"):
            return "; ".join(self.missing())
        if state != "running":
            return self.task["why"]
        away = [member for member in self.members if member["away_since"]]
        silent = [
            f"{self.called(member)} has not been heard of since {_clock(member['away_since'])}" for member in away
        ]
        return "; ".join([self.task["why"], *silent])

    def set_state(self, state: str, why: str) -> None:
        """Change the task's state."""
        self.hub.database.execute(
            "UPDATE tasks SET state = ?, why = ?, since = ? WHERE id = ?", (state, why, now(), self.id)
        )
        if state != "running":
            self.hub.database.execute("UPDATE members SET away_since = NULL WHERE task = ?", (self.id,))

    def set_member(self, member: sqlite3.Row, state: str, reason: str = "") -> None:
        """Change a member's state."""
        self.hub.database.execute(
            "UPDATE members SET state = ?, reason = ?, since = ? WHERE task = ? AND position = ?",
            (state, reason, now(), self.id, member["position"]),
        )

    def tell(self, kind: str, *, all_but: int | None = None) -> None:
        """Put a control entry into all members' inboxes."""
        brief = {"attempt": self.task["attempt"], "state": self.task["state"]}
        for member in self.members:
            if member["position"] != all_but:
                self.hub.deliver(member["node"], self.id, {"kind": "control", "control": kind} | brief)

    def log(self, event: str, **parts: Any) -> None:
        """Write a record of the task's log."""
        self.hub.logs.add(self.id, event, **parts)

    def view(self) -> dict[str, Any]:
        """Return the task as the caller may see it."""
        task, me = self.task, self.me
        same = ("id", "name", "description", "state", "since", "created", "attempt", "round", "rounds", "progress")
        view = {name: task[name] for name in same} | {
            "why": self.why,
            "settings": json.loads(task["settings"]),
            "role": me["role"],
            "code": self.code,
            "me": {name: me[name] for name in ("pseudonym", "role", "state", "reason", "since")},
            "members": [
                {name: member[name] for name in ("pseudonym", "role", "state", "since", "box_key", "away_since")}
                for member in self.members
            ],
        }
        if self.is_initiator:  # by name, so that nothing here says whose pseudonym is whose
            invited = [
                (member["node"], member["state"], member["reason"], member["since"]) for member in self.members[1:]
            ]
            view["invited"] = [dict(zip(("name", "state", "reason", "since"), each)) for each in invited]
        return view


def create(hub: Hub, node: str, form: NewTask) -> Seat:
    """Make a task; the caller is its initiator and first member."""
    others = list(dict.fromkeys(form.nodes))
    known = {each["name"] for each in nodes.admitted(hub)}
    if unknown := [name for name in others if name not in known]:
        raise Refusal(409, f"no admitted node is called {', '.join(unknown)}: name nodes that the hub lists")
    if node in others:
        raise Refusal(409, f"{node} makes the task and takes part in it: name the other nodes only")
    if len(others) < len(form.nodes):
        raise Refusal(409, "a node is named twice: name each once")
    task, time = secrets.token_hex(16), now()
    pseudonyms: dict[str, str] = {}
    while len(pseudonyms) <= len(others):
        pseudonyms.setdefault(f"p-{secrets.token_hex(4)}", "")
    with hub.change():
        hub.database.execute(
            "INSERT INTO tasks (id, name, description, settings, created, state, why, since) "
            "VALUES (?, ?, ?, ?, ?, 'draft', '', ?)",
            (task, form.name, form.description, json.dumps(form.settings), time, time),
        )
        for position, (name, pseudonym) in enumerate(zip([node, *others], pseudonyms)):
            role, state, box_key = (
                ("participant", "invited", None) if position else ("aggregator", "joined", form.box_key)
            )
            hub.database.execute(
                "INSERT INTO members (task, position, node, pseudonym, role, state, since, box_key) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (task, position, name, pseudonym, role, state, time, box_key),
            )
        seat = Seat(hub, task, node)
        seat.log("created", by=seat.me["pseudonym"], nodes=len(others), box_key=form.box_key)
    return seat


def listed(hub: Hub, node: str, search: str) -> list[dict[str, Any]]:
    """Return the tasks of which a node is a member, newest first; all words searched for are in name or description."""
    query = (
        "SELECT tasks.id, tasks.name, tasks.description FROM tasks JOIN members ON task = id AND node = ? "
        "WHERE tasks.state != 'deleted' AND (tasks.state != 'draft' OR position = 0) ORDER BY created DESC"
    )
    words = search.casefold().split()
    rows = hub.database.execute(query, (node,)).fetchall()
    found = [row["id"] for row in rows if all(word in f"{row[1]}\n{row[2]}\n{row[0]}".casefold() for word in words)]
    return [Seat(hub, task, node).view() for task in found]


def put_code(seat: Seat, kind: str, sha256: str, size: int) -> None:
    """Take new code: what was verified or approved for other code must be so again."""
    seat.only_initiator("give code to")
    if seat.task["state"] in ("running", "finished"):
        text = "stop it first" if seat.task["state"] == "running" else "make a new task"
        raise Refusal(409, f"the task is {seat.task['state']} since {_clock(seat.task['since'])}: {text}")
    if seat.code.get(kind, {}).get("sha256") == sha256:
        return
    was_draft = seat.task["state"] == "draft"
    with seat.hub.change():
        seat.hub.database.execute("INSERT OR REPLACE INTO code VALUES (?, ?, ?, ?)", (seat.id, kind, sha256, size))
        seat.log("code", by=seat.me["pseudonym"], kind=kind, sha256=sha256, size=size)
        if kind == "attachment" or not NEEDED.keys() <= seat.code.keys():
            return
        seat.set_state("verifying", "")
        for member in seat.members[1:]:
            if was_draft:
                seat.set_member(member, "invited")
                seat.log("invited", who=member["pseudonym"])
            elif kind == "verify" and member["state"] != "invited":
                seat.set_member(member, "invited")
            elif member["state"] == "joined":
                seat.set_member(member, "verified")
        seat.read()
        seat.tell("invited" if was_draft else "code", all_but=0)


def give_verdict(seat: Seat, form: Verdict) -> None:
    """Take what a node's verification said."""
    _only_before_running(seat, "verify its data")
    if form.sha256 != seat.code["verify"]["sha256"]:
        raise Refusal(409, "the task's verification was replaced meanwhile: verify the data again")
    with seat.hub.change():
        seat.log("verdict", by=seat.me["pseudonym"], ok=form.ok, sha256=form.sha256)
        keeps_seat = seat.me["state"] == "joined" and (form.ok or seat.is_initiator)
        state = "joined" if keeps_seat else "verified" if form.ok else "refused"
        seat.set_member(seat.me, state, form.reason)
        if state == "refused" and seat.task["state"] == "ready":
            seat.set_state("verifying", "")
    seat.read()


def join(seat: Seat, form: Join) -> None:
    """Let a node take part; with the last one the task is ready."""
    _only_before_running(seat, "join")
    if form.sha256 != seat.code["train"]["sha256"]:
        raise Refusal(409, "the task's training code was replaced meanwhile: look at it and approve it again")
    if seat.me["state"] in ("invited", "refused"):
        raise Refusal(409, f"this node cannot join: {seat.not_done(seat.me)}")
    with seat.hub.change():
        query = "UPDATE members SET box_key = ? WHERE task = ? AND position = ?"
        seat.hub.database.execute(query, (form.box_key, seat.id, seat.me["position"]))
        if seat.me["state"] != "joined":
            seat.set_member(seat.me, "joined", seat.me["reason"])
        if seat.me["state"] != "joined" or seat.me["box_key"] != form.box_key:
            seat.log("joined", by=seat.me["pseudonym"], sha256=form.sha256, box_key=form.box_key)
        seat.read()
        if seat.task["state"] == "verifying" and not seat.missing():
            seat.set_state("ready", "all nodes have joined")
    seat.read()


def start(seat: Seat) -> None:
    """Start a task, or let it go on where it stopped."""
    seat.only_initiator("start")
    state, since = seat.task["state"], _clock(seat.task["since"])
    if state in ("running", "finished"):
        text = f"it runs since {since}" if state == "running" else f"it finished at {since}: make a new task"
        raise Refusal(409, f"the task cannot start: {text}")
    if missing := seat.missing():
        raise Refusal(409, f"the task cannot start: {', '.join(missing)}")
    code = seat.code["train"]["sha256"]
    with seat.hub.change():
        if code != seat.task["started_with"]:  # from the beginning; else from where it was
            seat.hub.database.execute(
                "UPDATE tasks SET attempt = attempt + 1, started_with = ?, round = 0, progress = 0 WHERE id = ?",
                (code, seat.id),
            )
        seat.set_state("running", "started by the initiator")
        seat.read()
        seat.log("started", by=seat.me["pseudonym"], attempt=seat.task["attempt"])
        seat.tell("start")


def stop(seat: Seat) -> None:
    """Stop a running task; it can be started again."""
    seat.only_initiator("stop")
    if seat.task["state"] != "running":
        since = _clock(seat.task["since"])
        raise Refusal(
            409, f"the task does not run, so there is nothing to stop: it is {seat.task['state']} since {since}"
        )
    with seat.hub.change():
        seat.set_state("stopped", "stopped by the initiator")
        seat.log("stopped", by=seat.me["pseudonym"])
        seat.read()
        seat.tell("stop")


def finish(seat: Seat, result: bool) -> None:
    """The aggregator ends the task; within the change that delivers its message."""
    if seat.task["state"] not in ("running", "stopped"):
        return
    if result:
        seat.set_state("finished", "the aggregator finished the task")
        seat.hub.database.execute("UPDATE tasks SET progress = 100 WHERE id = ?", (seat.id,))
        seat.log("finished", by=seat.me["pseudonym"])
    else:
        why = f"{seat.me['pseudonym']}, the aggregator, ended the task without a result"
        seat.set_state("failed", why)
        seat.log("failed", by=seat.me["pseudonym"], why=why)
    seat.read()
    seat.tell("finished" if result else "failed")


def report(seat: Seat, form: Report) -> None:
    """Take how a node is getting on: where it failed, and, from the aggregator, how far the task is."""
    if seat.task["state"] != "running" or form.attempt not in (None, seat.task["attempt"]):
        return  # it comes too late to change anything
    seat.only_joined()
    with seat.hub.change():
        if seat.me["role"] == "aggregator":
            seat.hub.database.execute(
                "UPDATE tasks SET round = coalesce(?, round), rounds = coalesce(?, rounds), "
                "progress = coalesce(?, progress) WHERE id = ?",
                (form.round, form.rounds, form.progress, seat.id),
            )
        if form.state == "failed":
            place = form.where
            where = f" in {place.file}, line {place.line}: {place.kind}" if place else ", and did not say where"
            why = f"{seat.me['pseudonym']} failed{where}"
            seat.set_state("failed", why)
            seat.log("failed", by=seat.me["pseudonym"], why=why)
            seat.read()
            seat.tell("failed")


def delete(seat: Seat) -> None:
    """Remove all of a task but its log."""
    seat.only_initiator("delete")
    if seat.task["state"] == "running":
        raise Refusal(409, f"the task runs since {_clock(seat.task['since'])}: stop it first")
    hub = seat.hub
    with hub.change():
        for table in ("entries", "messages", "files", "code"):
            hub.database.execute(f"DELETE FROM {table} WHERE task = ?", (seat.id,))
        seat.set_state("deleted", "deleted by the initiator")
        seat.log("deleted", by=seat.me["pseudonym"])
        members = seat.members[:1] if seat.task["state"] == "draft" else seat.members
        for member in members:
            hub.deliver(member["node"], seat.id, {"kind": "control", "control": "deleted"})
    hub.logs.forget(seat.id)
    for kind in ("files", "code"):
        shutil.rmtree(hub.folder / kind / seat.id, ignore_errors=True)


def note_presence(hub: Hub, present: set[str]) -> None:
    """Write down which members of running tasks have gone silent, or are back."""
    query = "SELECT task, position, node, pseudonym, away_since FROM members JOIN tasks ON task = id WHERE tasks.state = 'running'"
    for member in hub.database.execute(query).fetchall():
        is_away = member["node"] not in present
        if is_away != (member["away_since"] is not None):
            with hub.change():
                query = "UPDATE members SET away_since = ? WHERE task = ? AND position = ?"
                hub.database.execute(query, (now() if is_away else None, member["task"], member["position"]))
                hub.logs.add(member["task"], "away" if is_away else "back", who=member["pseudonym"])


def _only_before_running(seat: Seat, verb: str) -> None:
    if seat.task["state"] not in ("verifying", "ready", "stopped", "failed"):
        state, since = seat.task["state"], _clock(seat.task["since"])
        then = {"draft": "give it its code first", "running": "wait until it has stopped"}.get(
            state, "nothing is left to do"
        )
        raise Refusal(409, f"this node cannot {verb}: the task is {state} since {since}; {then}")


def _clock(time: str) -> str:
    return f"{time[:10]} {time[11:16]} UTC"
