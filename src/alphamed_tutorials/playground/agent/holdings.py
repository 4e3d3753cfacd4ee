"""What this node has of its tasks: how each stands at the hub, its code, its files, and this node's key in it."""

import contextlib
import time
from base64 import b64decode
from pathlib import Path
from typing import Any, BinaryIO

from ...errors import TutorialError
from ...runs.writing import write_whole
from ..sealing import SealBroken, unseal_file
from .files import Files
from .hub_client import HubAway, HubClient, HubRefused, sha256_of
from .journal import Journal
from .keys import Keys
from .place import Place


class WrongState(TutorialError):
    """Something that cannot be done now; the text says what has to be done first."""

    status = 409


class Holdings:
    """What is had of all tasks of this node.

    Args:
        place: The node's folder.
        journal: What it must not forget.
        hub: The hub.
        keys: The node's secrets.
    """

    def __init__(self, place: Place, journal: Journal, hub: HubClient, keys: Keys):
        self.place, self.journal, self.hub, self.keys = place, journal, hub, keys
        self.is_closing = False

    def refresh(self, task: str) -> dict[str, Any]:
        """Ask the hub how a task stands, and keep the answer."""
        described: dict[str, Any] = self.hub.get(f"/v1/tasks/{task}")
        self.journal.keep_task(described)
        return described

    def code(self, described: dict[str, Any], kind: str) -> bytes:
        """Return a task's code, from the hub or as it was fetched before."""
        known = (described.get("code") or {}).get(kind)
        if not known:
            what = {"verify": "data verification", "train": "training code"}.get(kind, kind)
            raise WrongState(f"the task has no {what} yet: its initiator has not sent it")
        file = self.code_file(described["id"], known["sha256"])
        with contextlib.suppress(FileNotFoundError):
            content = file.read_bytes()
            if sha256_of(content) == known["sha256"]:
                return content
        content = self.hub.get_bytes(f"/v1/tasks/{described['id']}/code/{kind}")
        if sha256_of(content) != known["sha256"]:
            raise WrongState("the hub sent other code than it names: ask its operator")
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, content)
        return content

    def code_file(self, task: str, sha256: str) -> Path:
        """Return where code with this hash lies, once it was fetched."""
        return self.place.task(task) / "code" / sha256

    def approved(self, described: dict[str, Any], kind: str, approve: str | None) -> bytes:
        """Return code that the operator lets run, and remember that.

        Raises:
            WrongState: The operator approves nothing, or something else.
        """
        content = self.code(described, kind)
        sha256 = sha256_of(content)
        if approve != sha256 and (approve or self.journal.approved(described["id"], kind) != sha256):
            other = f"not {approve[:12]}" if approve else "and was not approved on this node"
            raise WrongState(f"the task's code is {sha256}, {other}: look at it, and approve this hash")
        self.journal.approve(described["id"], kind, sha256)
        return content

    def files(self, task: str) -> Files:
        """Return the files of a task."""

        def fetch(file: str, target: BinaryIO) -> None:
            aside = self.place.task(task) / "files" / f".{file}.sealed"
            while not self.is_closing:
                try:
                    with open(aside, "w+b") as sealed:
                        self.hub.get_file(f"/v1/tasks/{task}/files/{file}", sealed)
                        sealed.seek(0)
                        unseal_file(sealed, target, self.own_box(task), context=file.encode())
                    return
                except HubAway:
                    time.sleep(0.5)  # the SDK takes any answer for the file: there is none before it is there
                except (HubRefused, SealBroken) as error:
                    raise TutorialError(f"file {file} cannot be had: {error}") from error
                finally:
                    aside.unlink(missing_ok=True)
            raise HubAway("the agent is closing")

        return Files(self.place.task(task) / "files", fetch)

    def own_box(self, task: str) -> bytes:
        """Return the private half of this node's key in a task."""
        for described in (self.journal.task(task), None):
            public = own_public(described or self.refresh(task))
            if public and self.keys.has_box(public):
                return self.keys.box(public)
        raise WrongState("this node has not joined the task")


def own_public(described: dict[str, Any]) -> bytes | None:
    """Return the public half of this node's key in a task; None before it joined."""
    for member in described["members"]:
        if member["pseudonym"] == described["me"]["pseudonym"] and member["box_key"]:
            return b64decode(member["box_key"])
    return None
