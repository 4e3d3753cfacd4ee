"""Look at what comes from other nodes before it is used, and name the one whom to ask where it will not do."""

import io
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from ..errors import TutorialError
from ..weights import is_program


class PeerRefused(TutorialError):
    """What a peer sent will not do.

    Attributes:
        peer: Its pseudonym.
    """

    def __init__(self, peer: str, what: str):
        self.peer = peer
        super().__init__(f"{peer} sent {what}: it was not used")


def read_tensors(peer: str, data: bytes) -> Any:
    """Return what a peer sent, as far as it consists of tensors and plain values.

    Raises:
        PeerRefused: It is something else, such as code.
    """
    if not data.startswith(b"PK"):  # older forms are read by older code, which was not always safe
        raise PeerRefused(peer, "what is no file of torch.save()")
    try:
        if is_program(io.BytesIO(data)):
            raise PeerRefused(peer, "a TorchScript program in the place of parameters")
        return torch.load(io.BytesIO(data), weights_only=True, map_location="cpu")
    except PeerRefused:
        raise
    except Exception as error:
        said = str(error).strip().splitlines() or [type(error).__name__]
        reason = next((line for line in said if "Unsupported" in line or "GLOBAL" in line), said[0])
        raise PeerRefused(peer, f"what cannot be read safely ({reason.strip()})") from error


def refuse_unlike(peer: str, state: Any, own: Mapping[str, Any]) -> None:
    """Refuse parameters that are not like one's own.

    Raises:
        PeerRefused: A name, shape or type differs.
    """
    if not isinstance(state, Mapping):
        raise PeerRefused(peer, f"a {type(state).__name__} in the place of parameters")
    for name in own:
        if name not in state:
            raise PeerRefused(peer, f"parameters without {name}")
    for name, value in state.items():
        if name not in own:
            raise PeerRefused(peer, f"parameters with {name}, which is none of this task's")
        expected = own[name]
        if not isinstance(value, torch.Tensor) or not isinstance(expected, torch.Tensor):
            if type(value) is not type(expected):
                raise PeerRefused(peer, f"a {type(value).__name__} as {name}")
        elif value.shape != expected.shape:
            raise PeerRefused(peer, f"{name} of shape {_shape(value)}, and {_shape(expected)} is expected")
        elif value.dtype != expected.dtype or value.layout != expected.layout:
            kinds = [f"{each.dtype}, {each.layout}".replace("torch.", "") for each in (value, expected)]
            raise PeerRefused(peer, f"{name} of {kinds[0]}, and {kinds[1]} is expected")


def refuse_unfit_numbers(peer: str, content: Any, own: Mapping[str, Any]) -> None:
    """Refuse numbers that are none; infinity may stand where this node has it too, as in a mask.

    Raises:
        PeerRefused: An entry holds NaN, or infinity.
    """
    for name, value in _tensors(content):
        if not (value.is_floating_point() or value.is_complex()):
            continue
        if torch.isnan(value).any():
            raise PeerRefused(peer, f"NaN in {name}")
        mine = own.get(name)
        if torch.isinf(value).any() and not (isinstance(mine, torch.Tensor) and torch.isinf(mine).any()):
            raise PeerRefused(peer, f"infinity in {name}")


def _tensors(content: Any, name: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the tensors in dicts, lists and tuples, with what leads to them."""
    if isinstance(content, torch.Tensor):
        yield name or "its numbers", content
    elif isinstance(content, Mapping):
        for key, value in content.items():
            yield from _tensors(value, f"{name}/{key}" if name else str(key))
    elif isinstance(content, list | tuple):
        for number, value in enumerate(content):
            yield from _tensors(value, f"{name}/{number}" if name else str(number))


def _shape(value: torch.Tensor) -> str:
    return f"({', '.join(map(str, value.shape))})"
