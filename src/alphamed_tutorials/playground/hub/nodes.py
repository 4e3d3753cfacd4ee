"""Which nodes there are: invited by the hub's operator, admitted once with a key of their own, revoked for good."""

import hashlib
import re
import secrets
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from ...errors import WrongUse
from ..audit import timeline
from ..signing import MAX_AGE, Signed, key_id_of
from .audit import HUB, now
from .state import Hub, Refusal, Stranger

NAME = re.compile(r"\w[\w .()-]{0,79}")  # also of files and folders
REFUSALS = 200  # so many are written down at once, then one a second, of the rest their number: the disk stays free


def invite(folder: Path, name: str) -> str:
    """Return a token with which one node can be admitted once by this name; an earlier one for it is void."""
    if not NAME.fullmatch(name):
        raise WrongUse(f"{name!r} is no name for a node: 1 to 80 letters, digits, spaces and .()-_, a letter first")
    token = secrets.token_urlsafe(24)
    with closing(Hub(folder)) as hub, hub.change():
        known = hub.database.execute("SELECT revoked FROM nodes WHERE name = ?", (name,)).fetchone()
        if known:
            raise WrongUse(
                f"{name} {'was revoked' if known['revoked'] else 'is admitted already'}: choose another name"
            )
        hub.database.execute("INSERT OR REPLACE INTO invitations VALUES (?, ?, NULL)", (_hash(token), name))
        hub.logs.add(HUB, "invitation", name=name)
    return token


def revoke(folder: Path, name: str) -> None:
    """Shut a node out from now on; a hub that runs on this folder knows it with the next request."""
    with closing(Hub(folder)) as hub, hub.change():
        query = "UPDATE nodes SET revoked = ? WHERE name = ? AND revoked IS NULL"
        if not hub.database.execute(query, (now(), name)).rowcount:
            raise WrongUse(f"no admitted node is called {name}: write the name as in its invitation")
        hub.logs.add(HUB, "revoked", name=name)


def history(folder: Path) -> list[str]:
    """Return what the hub's own log says: who was invited, admitted, revoked, refused."""
    with closing(Hub(folder)) as hub:
        return timeline(hub.logs.records(HUB, 0, 1 << 40))


def admit(hub: Hub, token: str, organisation: str, public: bytes) -> str:
    """Admit the node that holds this invitation and return its name; again for the same key, if its answer was lost."""
    key_id = key_id_of(public)
    with hub.change():
        query = "SELECT name, key_id FROM invitations WHERE token = ?"
        invitation = hub.database.execute(query, (_hash(token),)).fetchone()
        if invitation is None:
            raise Stranger(403, "this invitation is not valid: the hub's operator makes another one")
        if invitation["key_id"] is None:
            if find(hub, key_id):
                raise Refusal(
                    409, "this key belongs to a node that is admitted already: use another folder for this one"
                )
            row = (invitation["name"], organisation, key_id, public, now())
            hub.database.execute("INSERT INTO nodes VALUES (?, ?, ?, ?, ?, NULL)", row)
            hub.database.execute("UPDATE invitations SET key_id = ? WHERE token = ?", (key_id, _hash(token)))
            hub.logs.add(HUB, "admitted", name=invitation["name"], organisation=organisation, key_id=key_id)
        elif invitation["key_id"] != key_id:
            raise Stranger(403, "this invitation was used already: the hub's operator makes another one")
        elif is_revoked(hub, invitation["name"]):
            raise Stranger(
                403, "this node was revoked by the hub's operator: ask there for an invitation under another name"
            )
    return invitation["name"]


def admitted(hub: Hub) -> list[dict[str, str]]:
    """Return the nodes that can be asked to take part in a task."""
    query = "SELECT name, organisation FROM nodes WHERE revoked IS NULL ORDER BY name"
    return [dict(row) for row in hub.database.execute(query)]


def find(hub: Hub, key_id: str) -> sqlite3.Row | None:
    """Return the node that has a key, revoked or not."""
    return hub.database.execute("SELECT name, public, revoked FROM nodes WHERE key_id = ?", (key_id,)).fetchone()


def is_revoked(hub: Hub, name: str) -> bool:
    """Return whether a node was shut out."""
    return hub.database.execute("SELECT revoked FROM nodes WHERE name = ?", (name,)).fetchone()[0] is not None


class Replays:
    """Remembers the nonces of signatures for as long as these are valid, also when the hub is killed in between."""

    def __init__(self, hub: Hub) -> None:
        self._database = hub.database
        self._cleaned = 0.0

    def remember(self, signed: Signed) -> None:
        """Raise if this signature was used before."""
        if time.monotonic() - self._cleaned > 60:
            self._cleaned = time.monotonic()
            oldest = int(time.time() - MAX_AGE.total_seconds()) - 1
            self._database.execute("DELETE FROM nonces WHERE created < ?", (oldest,))
        try:
            self._database.execute("INSERT INTO nonces VALUES (?, ?, ?)", (signed.key_id, signed.nonce, signed.created))
        except sqlite3.IntegrityError as error:
            raise Refusal(401, "this request was received before: a signature is accepted once") from error


class Refused:
    """Writes down who was refused what."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._room, self._since, self._left_out = float(REFUSALS), time.monotonic(), 0

    def record(self, method: str, path: str, why: str) -> None:
        """Write a refusal down, or count it, if there are too many."""
        second = time.monotonic()
        self._room = min(self._room + second - self._since, REFUSALS)
        self._since = second
        if self._room < 1:
            self._left_out += 1
            return
        self._room -= 1
        more = {"left_out_before": self._left_out} if self._left_out else {}
        self._left_out = 0
        with self._hub.change():
            self._hub.logs.add(HUB, "refused", method=method[:20], path=path[:200], why=why, **more)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
