"""The ClientApp: one data owner, in the process that Flower starts for each message.

It comes from the state on the node's disk, and goes back there: nothing is kept in memory between two messages.
"""

from collections.abc import Callable
from typing import Any

import torch
from flwr.app import ConfigRecord, Context, Message
from flwr.clientapp import ClientApp

from ..engines import share
from ..engines.failures import NodeFailed, told
from ..engines.workers import hand_over_by_value
from ..errors import TutorialError
from ..faults import quiet_threads
from .home import Home
from .wire import Asked, Failed, NotAgreed, Ready, Rested, SetUp, Turned, content, read, read_bytes

NOTE = "alphamed"  # in the node's Context: where it rests, for whoever looks at it with Flower's means
LOST = (
    "Flower starts a new process for each message, so that a node's state has to be written between two of them: run "
    "this task with --engine local or playground"
)

app = ClientApp()
Work = Callable[[Home, Any, bytes], tuple[Rested, bytes]]


@app.query("set_up")
def set_up(message: Message, context: Context) -> Message:
    """Build the node's part, and let it rest."""
    return _answered(message, context, SetUp, _set_up)


@app.train("turn")
def turn(message: Message, context: Context) -> Message:
    """Let the node train for a round."""
    return _answered(message, context, Asked, _turn)


def _answered(message: Message, context: Context, kind: type[Asked], work: Work) -> Message:
    """Do what a message asks; what fails is told in words."""
    data = b""
    said: Rested | Failed
    try:
        asked = read(message, kind)
        home = Home(context.node_config, asked.run, asked.node)
        with quiet_threads():
            said, data = _tried(work, home, asked, read_bytes(message))
    except TutorialError as error:
        text = f"{context.node_config.get('name', 'a node without a name')}: {error}"
        said = Failed(text=text, type=type(error).__name__, said=str(error))
    if isinstance(said, Rested):
        context.state[NOTE] = ConfigRecord({"run": asked.run, "round": asked.round, **said.state.model_dump()})
    return Message(content(said, data), reply_to=message)


def _tried(work: Work, home: Home, asked: Asked, data: bytes) -> tuple[Rested | Failed, bytes]:
    try:
        return work(home, asked, data)
    except NodeFailed as failure:
        return Failed(**told(failure, home.code)), b""


def _set_up(home: Home, asked: SetUp, code: bytes) -> tuple[Rested, bytes]:
    home.unpack(asked, code)
    owner = _owner(home, asked)
    file = home.find(asked.state) if asked.state else None
    (ready,) = owner.set_up({home.name: file}, asked.round, asked.settings)
    return Ready(**_rested(home, ready), adapted=ready.adapted), b""


def _turn(home: Home, asked: Asked, parameters: bytes) -> tuple[Rested, bytes]:
    if asked.state is None:
        raise NotAgreed("a turn without the state to go on from")
    owner = _owner(home, home.task())
    list(owner.set_up({home.name: home.find(asked.state)}, asked.round - 1, {}))
    (done,) = owner.turns(asked.round, parameters, [home.name])
    owner.close()
    return Turned(**_rested(home, done), scalars=done.scalars), done.update


def _owner(home: Home, asked: SetUp) -> share.Share:
    torch.set_num_threads(asked.num_threads)
    hand_over_by_value()
    return share.Share(home.plan(asked), [home.name])


def _rested(home: Home, owner: share.Rested) -> dict[str, Any]:
    if owner.file is None:
        why = "; ".join(text for text, is_fatal in owner.lost if is_fatal)
        raise TutorialError(f"{home.name}: {why}. {LOST}")
    return {
        "state": home.keep(owner.file),
        "not_kept": owner.not_kept,
        "lost": owner.lost,
        "warnings": owner.warnings,
    }
