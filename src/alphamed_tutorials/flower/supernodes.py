"""The data owners of a run, each behind a SuperNode: what they offer is what a `Share` offers."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from flwr.app import Message
from flwr.serverapp import Grid

from ..data.folders import AGGREGATOR
from ..engines import share
from ..engines.averaging import WIDER
from ..engines.failures import NodeFailed
from ..engines.peers import PeerRefused, read_tensors, refuse_unfit_numbers, refuse_unlike
from ..engines.settings import Settings, since
from ..engines.share import Plan
from ..errors import TutorialError
from ..runs.writing import write_json
from .wire import (
    SET_UP,
    TURN,
    Asked,
    Failed,
    Kind,
    NotAgreed,
    Ready,
    Rested,
    SetUp,
    State,
    Turned,
    content,
    read,
    read_bytes,
)

ONLINE_SECONDS = 120  # for all SuperNodes to be there when a run begins or goes on
LOOK_SECONDS = 0.2  # between two looks for an answer
NODE_SECONDS = 5  # between two looks whether who shall answer is still there


class SuperNodes:
    """Run data owners by messages, all at a time, and take their answers in the order of the nodes.

    Where a node's state is written on its own disk, a receipt in `states/` says which: a checkpoint refers to it as to
    the state itself on the local engine.

    Args:
        plan: The run.
        names: The data owners; each has a SuperNode that was registered under its name.
        grid: Flower's way to them.
        code: The task's code, as it travels.

    Raises:
        TutorialError: A SuperNode is missing.
    """

    def __init__(self, plan: Plan, names: list[str], grid: Grid, code: bytes):
        self.plan, self.grid, self.code = plan, grid, code
        self.identity = plan.run.record["flower"]["id"]
        self.nodes = wait_for(grid, names)
        self.warned: set[tuple[str, str]] = set()
        self.receipts: dict[str, Path] = {}

    def set_up(self, files: Mapping[str, Path | None], number: int, settings: Settings) -> Iterator[share.Ready]:
        """Do what `Share.set_up` does, all nodes at a time."""
        record = self.plan.run.record
        task = {
            "run": self.identity, "round": number, "path": str(self.plan.folder), "members": list(record["nodes"]),
            "seed": record["seed"], "num_threads": record["num_threads"], "settings": dict(settings),
            "changed": {**since(record.get("changes", [])), **settings},
        }  # fmt: skip
        asked = {name: SetUp(**task, node=name, state=_read_receipt(file)) for name, file in files.items()}
        self.receipts = {name: file for name, file in files.items() if file}
        for name, message in self._answers(SET_UP, asked, self.code):
            said = self._read(name, number, message, Ready)
            if said.state != asked[name].state:
                self._keep_receipt(name, f"{number}-changed" if asked[name].state else str(number), said)
            check_in = SimpleNamespace(peer_id=name, nonce=name)
            yield share.Ready(**self._rested(name, said), check_in=check_in, adapted=said.adapted)

    def turns(self, number: int, parameters: bytes, names: list[str]) -> Iterator[share.Turn]:
        """Do what `Share.turns` does, all nodes at a time."""
        own = read_tensors(AGGREGATOR, parameters)
        asked = {
            name: Asked(run=self.identity, node=name, round=number, state=_read_receipt(self.receipts[name]))
            for name in names
        }
        for name, message in self._answers(TURN, asked, parameters):
            said = self._read(name, number, message, Turned)
            update, state = self._parameters(name, number, message, own)
            self._keep_receipt(name, str(number), said)
            narrow = {key: value for key, value in state.items() if getattr(value, "dtype", None) in WIDER}
            yield share.Turn(**self._rested(name, said), update=update, narrow=narrow, scalars=said.scalars)

    def close(self) -> None:
        """Leave them: SuperNodes go on waiting for other runs."""

    def _answers(self, kind: str, asked: Mapping[str, Asked], data: bytes) -> Iterator[tuple[str, Message]]:
        """Ask nodes at the same time; yield their answers in the order in which they are named, one in memory at a time."""
        messages = [
            Message(content(said, data), self.nodes[name].node_id, kind, group_id=str(said.round))
            for name, said in asked.items()
        ]
        sent = list(self.grid.push_messages(messages))
        del messages
        if len(sent) != len(asked) or None in sent:
            raise TutorialError(f"the SuperLink refuses messages to {', '.join(asked)}: see its log")
        for (name, said), identity in zip(asked.items(), sent, strict=True):
            yield name, self._wait(name, said.round, identity)

    def _wait(self, name: str, number: int, identity: str) -> Message:
        """Return a node's answer.

        Raises:
            NodeFailed: There will be none.
        """
        looked = time.monotonic()
        while True:
            for message in self.grid.pull_messages([identity]):
                if message.has_error():
                    reason = (message.error.reason or "no reason given").strip()
                    raise _failed(name, number, f"Flower has no answer of it ({reason})")
                return message
            if time.monotonic() - looked > NODE_SECONDS:
                looked = time.monotonic()
                self._refuse_gone(name, number)
            time.sleep(LOOK_SECONDS)

    def _refuse_gone(self, name: str, number: int) -> None:
        """Notice that a SuperNode was started anew: it knows nothing of what the one before was asked."""
        before, now = self.nodes[name], _online(self.grid).get(name)
        if now and now.last_activated_at != before.last_activated_at:
            raise _failed(name, number, "its SuperNode was started anew meanwhile, and what it was asked is lost")

    def _read(self, name: str, number: int, message: Message, kind: type[Kind]) -> Kind:
        try:
            said = read(message, kind, Failed)
        except NotAgreed as refused:
            raise _failed(name, number, str(PeerRefused(name, str(refused)))) from refused
        if isinstance(said, Failed):
            raise NodeFailed.reported(name, said.model_dump())
        assert isinstance(said, kind)
        return said

    def _parameters(
        self, name: str, number: int, message: Message, own: Mapping[str, torch.Tensor]
    ) -> tuple[bytes, Mapping[str, torch.Tensor]]:
        """Return what a node sent, as bytes and as the tensors they are, as far as they are like the aggregator's own."""
        try:
            update = read_bytes(message)
            state = read_tensors(name, update)
            refuse_unlike(name, state, own)
            refuse_unfit_numbers(name, state, own)
        except (NotAgreed, PeerRefused) as refused:
            raise _failed(name, number, str(refused)) from refused
        return update, state

    def _rested(self, name: str, said: Rested) -> dict[str, Any]:
        """Return what each kind of answer tells, in this run's terms; a warning comes once, whichever process says it."""
        new = [text for text in said.warnings if (name, text) not in self.warned]
        self.warned.update((name, text) for text in new)
        return {
            "name": name, "file": self.receipts[name], "not_kept": said.not_kept, "lost": said.lost, "warnings": new,
        }  # fmt: skip

    def _keep_receipt(self, name: str, what: str, said: Rested) -> None:
        self.receipts[name] = self.plan.states / f"{name}-{what}.json"
        write_json(self.receipts[name], said.state.model_dump())


def wait_for(grid: Grid, names: list[str]) -> dict[str, Any]:
    """Return what Flower knows of each node's SuperNode, as soon as all are online.

    Raises:
        TutorialError: One of them does not come.
    """
    until = time.monotonic() + ONLINE_SECONDS
    while missing := [name for name in names if name not in (online := _online(grid))]:
        if time.monotonic() > until:
            raise TutorialError(
                f"{', '.join(missing)}: no SuperNode of this name is online at the SuperLink. Start it, or look at what "
                "it says; `flwr supernode list` shows which there are"
            )
        time.sleep(1)
    return {name: online[name] for name in names}


def _online(grid: Grid) -> dict[str, Any]:
    return {node.name: node for node in grid.get_nodes()}  # type: ignore[attr-defined]


def _failed(name: str, number: int, why: str) -> NodeFailed:
    when = f"in round {number}" if number else "while it was being set up"
    return NodeFailed.reported(name, {"text": f"{name} failed {when}: {why}", "said": why, "round": number})


def _read_receipt(file: Path | None) -> State | None:
    return State.model_validate_json(file.read_text(encoding="utf-8")) if file else None
