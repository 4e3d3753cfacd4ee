"""Whether a log of the hub is still the one whose heads a node has kept, and what it says, in words.

A log is a list of records (canonical JSON); a head is its length, the root of the Merkle tree over it and the time, signed
by the hub. Everything here works on what an agent has fetched and kept: the hub is not believed.
"""

import json
from base64 import b64decode
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from pymerkle.core import BaseMerkleTree
from pymerkle.proof import InvalidProof, MerkleProof, verify_consistency

from ..errors import TutorialError
from .signing import is_signed_by


class AuditFailed(TutorialError):
    """The hub's log is not what it was, or its head is not the hub's."""


class Tree(BaseMerkleTree):
    """A Merkle tree that holds no more than the hashes of its leaves; it can be built further at any time."""

    def __init__(self, records: Iterable[str] = ()) -> None:
        super().__init__(capacity=1 << 20)
        self.leaves: list[bytes] = []
        self.append_entries(records)

    def _encode_entry(self, data: str) -> bytes:
        return data.encode("utf-8", "surrogatepass")

    def _store_leaf(self, data: str, digest: bytes) -> int:
        self.leaves.append(digest)
        return len(self.leaves)

    def _get_leaf(self, index: int) -> bytes:
        return self.leaves[index - 1]

    def _get_leaves(self, offset: int, width: int) -> list[bytes]:
        return self.leaves[offset : offset + width]

    def _get_size(self) -> int:
        return len(self.leaves)


@dataclass(frozen=True)
class Head:
    """What the hub vouches for: this log had this many records, with this root, at this time.

    Attributes:
        log: The task, or `hub`.
        size: How many records.
        root: Of the Merkle tree over them, in hex.
        time: When it was signed, UTC.
        signature: The hub's, in hex, over all this.
    """

    log: str
    size: int
    root: str
    time: str
    signature: str = ""

    @classmethod
    def read(cls, log: str, answer: dict[str, Any]) -> "Head":
        """Return the head in the hub's answer to `…/audit/head`."""
        try:
            return cls(log, int(answer["size"]), *(str(answer[name]) for name in ("root", "time", "signature")))
        except (KeyError, TypeError, ValueError) as error:
            raise AuditFailed(f"the hub's head of the log {log} cannot be read") from error

    @property
    def signed(self) -> bytes:
        """The bytes that the hub signs."""
        parts = {name: value for name, value in asdict(self).items() if name != "signature"}
        return b"alphamed playground, head of a log\n" + canonical(parts).encode()


@dataclass
class Findings:
    """What an audit found.

    Attributes:
        size: How many records the log has.
        heads: How many kept heads it was compared with.
        faults: What is wrong, each a sentence; empty means that the log is sound.
    """

    size: int
    heads: int
    faults: list[str] = field(default_factory=list)


def canonical(record: dict[str, Any]) -> str:
    """Return the one way in which a record is written."""
    return json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def check_head(head: Head, hub_key: bytes) -> None:
    """Raise unless this hub signed the head."""
    try:
        signature = bytes.fromhex(head.signature)
    except ValueError:
        signature = b""
    if not is_signed_by(hub_key, signature, head.signed):
        raise AuditFailed(f"the head of the log {head.log} at {head.size} records was not signed by this hub")


def check_growth(kept: Head, head: Head, proof: dict[str, Any] | None) -> None:
    """Raise unless the log of `head` begins with the log of `kept`, which the hub's consistency proof shows."""
    if head.size < kept.size:
        raise AuditFailed(
            f"the log {head.log} has {head.size} records, and had {kept.size} at {kept.time}: records were removed"
        )
    try:
        verify_consistency(
            bytes.fromhex(kept.root),
            bytes.fromhex(head.root),
            MerkleProof.deserialize(proof),
            prior_size=kept.size,
            later_size=head.size,
            algorithm="sha256",
        )
    except (InvalidProof, ValueError) as error:
        raise AuditFailed(
            f"the hub cannot show that the log {head.log} with {head.size} records goes on from the one with {kept.size} "
            f"records whose head this node kept at {kept.time}: it was rewritten"
        ) from error


def audit(
    records: Sequence[str],
    head: Head,
    kept: Iterable[Head],
    hub_key: bytes,
    leaves: Sequence[bytes] = (),
) -> Findings:
    """Compare a whole log with its head, with heads kept from earlier, and with the leaves that a node has seen.

    Args:
        records: All records, as the hub gave them.
        head: The hub's head, fetched before the records: the log may have grown since.
        kept: Heads of this log from earlier.
        hub_key: The hub's public key, as this node pinned it at its admission.
        leaves: `Tree.leaves` of the records when they were seen earlier, from the first on. With them the record that
            differs is named; without, the stretch between two heads.
    """
    tree, heads = Tree(records), sorted(kept, key=lambda each: each.size)
    found = Findings(len(records), len(heads))
    if fault := _first_difference(tree.leaves, leaves):
        found.faults.append(fault)
    sound = 0
    for each in [*heads, head]:
        try:
            check_head(each, hub_key)
        except AuditFailed as error:
            found.faults.append(str(error))
            continue
        whose = "the hub's own head" if each == head else f"the head that this node kept at {each.time}"
        if each.size > len(records):
            found.faults.append(
                f"records are missing at the end: {whose} covers {each.size}, the hub gave {len(records)}"
            )
            break
        if tree.get_root(each.size).hex() != each.root:
            stretch = f"records {sound + 1} to {each.size}" if each.size > sound + 1 else f"record {each.size}"
            found.faults.append(f"{stretch}: at least one was changed, removed, added or moved; {whose} is another")
            break
        sound = each.size
    return found


def box_keys(records: Iterable[str]) -> dict[str, bytes]:
    """Return the key with which each member joined last."""
    found = {}
    for record in records:
        try:
            parts = json.loads(record)
            if parts["event"] in ("created", "joined"):
                found[str(parts["by"])] = b64decode(parts["box_key"], validate=True)
        except (ValueError, KeyError, TypeError):
            continue  # a record that cannot be read names no key
    return found


def _first_difference(leaves: Sequence[bytes], seen: Sequence[bytes]) -> str | None:
    """Name the first record that is not the one that was seen in its place."""
    for number, (leaf, before) in enumerate(zip(leaves, seen), 1):
        if leaf == before:
            continue
        if before in leaves[number:]:
            what = "was moved" if leaf in seen else "was moved on by one that was put in"
        else:
            what = "was removed" if leaf in seen[number:] else "was changed"
        return f"record {number} {what}: it is not the one that this node has seen there"
    if len(leaves) < len(seen):
        return f"record {len(leaves) + 1} was removed, with all after it"
    return None


def timeline(records: Iterable[str]) -> list[str]:
    """Return a log in words, a line a record."""
    return [_in_words(number, record) for number, record in enumerate(records, 1)]


def _in_words(number: int, record: str) -> str:
    try:
        parts = json.loads(record)
        return f"{number:>5}  {parts['time'][:19].replace('T', ' ')}  {_WORDS[parts['event']](parts)}"
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"{number:>5}  cannot be read: {record[:200]!r}"


def _message(parts: dict[str, Any]) -> str:
    about = parts["type"] or parts["title"]
    in_round = "" if parts["round"] is None else f" of round {parts['round']}"
    return f"{parts['from']} sent {about}{in_round} to {', '.join(parts['to'])}"


_WORDS: dict[str, Any] = {
    "created": lambda parts: f"created by {parts['by']}, with {parts['nodes']} invited nodes",
    "code": lambda parts: f"{parts['by']} gave the {parts['kind']} code {parts['sha256'][:12]} ({parts['size']} bytes)",
    "invited": lambda parts: f"{parts['who']} was invited",
    "verdict": lambda parts: f"{parts['by']} {'verified its data' if parts['ok'] else 'refused: its data do not fit'}",
    "joined": lambda parts: f"{parts['by']} joined, with the training code {parts['sha256'][:12]} approved",
    "started": lambda parts: f"{parts['by']} started attempt {parts['attempt']}",
    "message": _message,
    "file": lambda parts: f"{parts['from']} left a sealed file {parts['id'][:8]} of {parts['size']} bytes",
    "fetched": lambda parts: f"{parts['by']} fetched the file {parts['id'][:8]}",
    "failed": lambda parts: f"failed: {parts['why']}",
    "stopped": lambda parts: f"{parts['by']} stopped the task",
    "finished": lambda parts: f"{parts['by']} finished the task",
    "away": lambda parts: f"{parts['who']} is away",
    "back": lambda parts: f"{parts['who']} is back",
    "deleted": lambda parts: f"{parts['by']} deleted the task",
    # the hub's own log
    "hub": lambda parts: f"the hub was set up with the key {parts['key']}",
    "invitation": lambda parts: f"an invitation was made for {parts['name']}",
    "admitted": lambda parts: f"{parts['name']} ({parts['organisation']}) was admitted with the key {parts['key_id']}",
    "revoked": lambda parts: f"{parts['name']} was revoked",
    "refused": lambda parts: f"refused {parts['method']} {parts['path']}: {parts['why']}",
}
