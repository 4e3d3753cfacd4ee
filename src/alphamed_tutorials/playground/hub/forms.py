"""What requests may hold. Everything has a length, since everything is kept."""

import base64
import binascii
import json
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

MOST_NODES = 100


def _is_key(text: str) -> str:
    if len(_decoded(text)) != 32:
        raise ValueError("must be 32 bytes in base64")
    return text


def _is_base64(text: str) -> str:
    _decoded(text)
    return text


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("must be base64") from error


def _is_small_json(settings: dict[str, Any]) -> dict[str, Any]:
    try:
        json.dumps(settings, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise ValueError("must be JSON in UTF-8, without NaN and Infinity") from error
    return settings


Name = Annotated[str, StringConstraints(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f]+$")]
Key = Annotated[str, StringConstraints(max_length=64), AfterValidator(_is_key)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Pseudonym = Annotated[str, StringConstraints(pattern=r"^p-[0-9a-f]{8}$")]
Word = Annotated[str, StringConstraints(pattern=r"^[\w.-]{0,80}$")]
Sealed = Annotated[str, AfterValidator(_is_base64)]
Count = Annotated[int, Field(ge=0, le=2**40)]
Id = Annotated[UUID, Field(description="made by the sender, so that it may send the same again")]


class Form(BaseModel):
    """The body of a request."""

    model_config = ConfigDict(extra="forbid", strict=False)


class Admission(Form):
    """A node asks to be admitted; the request is signed with this key."""

    token: str = Field(max_length=100)
    organisation: Name
    key: Key


class NewTask(Form):
    """The initiator's description of a task."""

    name: Name
    description: str = Field("", max_length=4000)
    nodes: list[Name] = Field(min_length=1, max_length=MOST_NODES)
    settings: Annotated[dict[str, Any], AfterValidator(_is_small_json)] = {}
    box_key: Key


class Verdict(Form):
    """What the verification of a node's data said."""

    ok: bool
    reason: str = Field("", max_length=2000)
    sha256: Sha256


class Join(Form):
    """A node takes part, with the training code that its operator approved."""

    box_key: Key
    sha256: Sha256


class Message(Form):
    """A message of the task's code, sealed to each of its receivers."""

    id: Id
    to: list[Pseudonym | Literal["*"]] = Field(min_length=1, max_length=MOST_NODES + 1)
    channel: Word = "federated"
    title: Literal["task_inside", "task_file_upload", "task_finish"] = "task_inside"
    type: Word = ""
    round: Count | None = None
    attempt: Count
    sealed: dict[Pseudonym, Sealed] = Field(max_length=MOST_NODES + 1)
    result: bool | None = None


class Where(Form):
    """Where a task's code failed: no text of the error, which may hold data."""

    file: str = Field(max_length=300, pattern=r"^[^/\x00-\x1f\x7f][^\x00-\x1f\x7f]*$")
    line: Count
    kind: Word


class Report(Form):
    """How a node is getting on."""

    attempt: Count | None = None
    state: Literal["failed"] | None = None
    where: Where | None = None
    round: Count | None = None
    rounds: Count | None = None
    progress: Annotated[int, Field(ge=0, le=100)] | None = None
