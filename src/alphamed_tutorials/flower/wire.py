"""What a SuperLink's run and a data owner say to each other: JSON that is checked, and bytes beside it."""

from typing import Any, TypeVar

from flwr.app import Array, ArrayRecord, ConfigRecord, Message, RecordDict
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import TutorialError
from ..texts import from_json, to_json

SAID, BYTES = "said", "bytes"
SET_UP, TURN = "query.set_up", "train.turn"  # Flower's message types: a kind of its own, and ours


class NotAgreed(TutorialError):
    """What came over the wire is not what was agreed on."""


class Said(BaseModel):
    """The part of a message that is JSON."""

    model_config = ConfigDict(extra="forbid")


class State(Said):
    """What a data owner carries on, as a file on its own disk: only its name and digest travel.

    Attributes:
        file: Its name.
        sha256: Of its content.
    """

    file: str = Field(pattern=r"^[^./\\\n][^/\\\n]*$")
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class Asked(Said):
    """What a data owner is asked.

    Attributes:
        run: Which run, in which it keeps what it keeps apart from others.
        node: Whom the run takes it for.
        round: The round to train in; to be set up, the one it was in last.
        state: Where it goes on from; None in a run that begins.
    """

    run: str = Field(pattern="^[0-9a-f]{16}$")
    node: str
    round: int
    state: State | None


class SetUp(Asked):
    """Be set up.

    Attributes:
        path: The run's folder on the aggregator's machine, for advice.
        members: All nodes of the run.
        seed: Start of its random numbers.
        num_threads: Torch's.
        changed: Arguments of the scheduler that were changed since the run began.
        settings: Those of them that are new since the state was written.
    """

    path: str
    members: list[str]
    seed: int
    num_threads: int
    changed: dict[str, Any]
    settings: dict[str, Any]


class Rested(Said):
    """What a data owner tells after each message; see `engines.share.Rested`."""

    state: State
    not_kept: list[str]
    lost: list[tuple[str, bool]]
    warnings: list[str]


class Ready(Rested):
    """It was set up; see `engines.share.Ready`."""

    adapted: list[str]


class Turned(Rested):
    """It trained; see `engines.share.Turn`."""

    scalars: list[tuple[str, float]]


class Failed(Said):
    """It failed; see `NodeFailed.reported`."""

    text: str
    type: str = Field(pattern=r"^\w+$")
    said: str
    round: int = 0
    file: str | None = None
    line: int | None = None
    is_about_data: bool = False


Kind = TypeVar("Kind", bound=Said)


def content(said: Said, data: bytes = b"") -> RecordDict:
    """Return what goes into a message; bytes travel as an array, which Flower cuts into pieces where it is long."""
    records = RecordDict({SAID: ConfigRecord({type(said).__name__: to_json(said.model_dump())})})
    if data:
        records[BYTES] = ArrayRecord({BYTES: Array("uint8", (len(data),), "bytes", data)})
    return records


def read(message: Message, *kinds: type[Kind]) -> Kind:
    """Return what a message says.

    Args:
        message: The message.
        kinds: What it may be.

    Raises:
        NotAgreed: It is something else.
    """
    try:
        ((name, text),) = message.content.config_records[SAID].items()
        kind = next(kind for kind in kinds if kind.__name__ == name)
        return kind.model_validate(from_json(str(text)))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise NotAgreed(f"a message with {where or 'content'} that is not as agreed ({first['msg']})") from error
    except (KeyError, ValueError, StopIteration, RecursionError, AttributeError) as error:
        raise NotAgreed(f"a message that is none of {', '.join(kind.__name__ for kind in kinds)}") from error


def read_bytes(message: Message) -> bytes:
    """Return the bytes beside it.

    Raises:
        NotAgreed: There are none.
    """
    try:
        return bytes(message.content.array_records[BYTES][BYTES].data)
    except (KeyError, AttributeError) as error:
        raise NotAgreed("a message without the parameters") from error
