"""Messages between the members of a task, and the inbox out of which each node's agent takes them."""

import asyncio
import base64
import hashlib
import time
from collections.abc import Awaitable, Callable

from . import nodes
from .forms import Message
from .state import Hub, Refusal
from .tasks import Seat, finish

MOST_ENTRIES = 200
MOST_BYTES = 8 << 20  # of one answer


def push(seat: Seat, form: Message) -> None:
    """Deliver a message to its receivers, once however often it is sent."""
    task, me = seat.task, seat.me
    seat.only_joined()
    if task["state"] == "finished" or form.attempt < task["attempt"]:
        raise Refusal(410, f"this message comes too late: the task is {task['state']}, in attempt {task['attempt']}")
    if task["state"] not in ("running", "stopped", "failed") or form.attempt > task["attempt"]:
        raise Refusal(409, f"the task does not run: it is {task['state']}, in attempt {task['attempt']}")
    receivers = _receivers(seat, form)
    identity = str(form.id)
    with seat.hub.change():
        database = seat.hub.database
        query = "INSERT OR IGNORE INTO messages VALUES (?, ?, ?)"
        if not database.execute(query, (seat.id, identity, me["pseudonym"])).rowcount:
            return
        same = {
            "kind": "message",
            "id": identity,
            "from": me["pseudonym"],
            "attempt": form.attempt,
            "channel": form.channel,
            "title": form.title,
            "type": form.type,
            "round": form.round,
        }
        for pseudonym, node in receivers.items():
            seat.hub.deliver(node, seat.id, same | {"sealed": form.sealed[pseudonym]})
        hashes = [hashlib.sha256(base64.b64decode(form.sealed[each])).hexdigest() for each in receivers]
        parts = {name: same[name] for name in ("from", "title", "type", "round", "id", "attempt")}
        seat.log("message", **parts, to=list(receivers), sha256=hashes)
        if form.title == "task_finish" and me["role"] == "aggregator":
            finish(seat, bool(form.result))


def _receivers(seat: Seat, form: Message) -> dict[str, str]:
    """Return who gets a message: "*" is all others, since nothing in the SDK waits for what it sent itself."""
    members = {member["pseudonym"]: member["node"] for member in seat.members if member["state"] == "joined"}
    if form.to == ["*"]:
        receivers = {pseudonym: node for pseudonym, node in members.items() if pseudonym != seat.me["pseudonym"]}
    else:
        receivers = {pseudonym: members[pseudonym] for pseudonym in form.to if pseudonym in members}
        if unknown := [pseudonym for pseudonym in form.to if pseudonym not in members]:
            raise Refusal(409, f"{', '.join(unknown)} is no member that has joined this task")
    if receivers.keys() != form.sealed.keys():
        raise Refusal(409, "a message must be sealed for each of its receivers, and for nobody else")
    return receivers


async def inbox(hub: Hub, node: str, after: int, wait: float, is_gone: Callable[[], Awaitable[bool]]) -> str:
    """Return a node's entries after a number, as JSON; hold on for some seconds until there is one.

    One that no longer listens is not present, however long it wanted to wait.
    """
    until = time.monotonic() + wait
    waiter = hub.waiter(node)
    while not await is_gone():
        waiter.clear()
        hub.polls[node] = time.monotonic()
        if nodes.is_revoked(hub, node):
            raise Refusal(401, f"{node} was revoked: ask the hub's operator why")
        entries = _entries(hub, node, after)
        left = until - time.monotonic()
        if entries or left <= 0 or hub.closing:
            return f'{{"entries": [{", ".join(entries)}]}}'
        try:
            await asyncio.wait_for(waiter.wait(), min(left, hub.limits.away / 2))
        except TimeoutError:
            continue
    return '{"entries": []}'


def _entries(hub: Hub, node: str, after: int) -> list[str]:
    entries: list[str] = []
    size = 0
    query = "SELECT seq, task, body FROM entries WHERE node = ? AND seq > ? ORDER BY seq LIMIT ?"
    for seq, task, body in hub.database.execute(query, (node, after, MOST_ENTRIES)):
        size += len(body)
        if entries and size > MOST_BYTES:
            break
        entries.append(f'{{"seq": {seq}, "task": "{task}", {body[1:]}')  # spliced: nothing is parsed on the way
    return entries
