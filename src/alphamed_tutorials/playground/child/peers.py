"""Look at what comes from other nodes before the SDK sees it, and name the one whom to ask where it will not do."""

import io
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import requests
import torch
from alphafed.data_channel import SharedFileDataChannel
from alphafed.data_channel.data_channel import SendingError

from ...errors import TutorialError
from .sdk import load_anything

PATIENCE = 30  # seconds between two tries to fetch a file, at most
Check = Callable[[Mapping[str, bytes]], None]
Interrupt = Callable[[Any], None]


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
        return load_anything(io.BytesIO(data), weights_only=True, map_location="cpu")
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


class Listening:
    """A contractor that hands on what comes only after somebody else has seen it.

    Args:
        contractor: The SDK's.
        interrupt: Called with each event; what it raises ends the wait.
    """

    def __init__(self, contractor: Any, interrupt: Interrupt):
        self._contractor, self._interrupt = contractor, interrupt

    def __getattr__(self, name: str) -> Any:
        return getattr(self._contractor, name)

    def contract_events(self, timeout: int = 0) -> Iterator[Any]:
        """Yield what comes."""
        for event in self._contractor.contract_events(timeout=timeout):
            self._interrupt(event)
            yield event


def guard_channel(base: str, check: Check, sent: Callable[[int], None], interrupt: Interrupt | None = None) -> None:
    """Let the SDK's data channel hand on only what passes, in the order in which it asked.

    Args:
        base: The agent's address for this child: files come from nowhere else.
        check: Called with what was received, by sender; raises where something will not do.
        sent: Called with the size of what is sent.
        interrupt: Called with each event that comes while somebody's answer is awaited, which then is done without end:
            whoever shall answer may be away longer than the SDK's 30 seconds.
    """
    receive, send = SharedFileDataChannel.batch_receive_stream, SharedFileDataChannel.batch_send_stream

    def batch_receive_stream(
        channel: Any, receiver: str, source_list: list[str], complementary_handler: Any = None, **options: Any
    ) -> dict[str, bytes]:
        raised: list[BaseException] = []

        def handle(event: Any) -> None:
            try:
                complementary_handler(event)
            except BaseException as error:
                raised.append(error)
                raise

        try:
            found = receive(
                channel, receiver, source_list, handle if complementary_handler is not None else None, **options
            )
        except SendingError:
            if raised:  # the end of the task or of the round, which is lost in the SDK's thread
                raise raised[0] from None
            raise
        ordered = {source: found[source] for source in source_list if source in found}
        for content in ordered.values():
            if isinstance(content, PeerRefused):
                raise content
        check(ordered)
        return ordered

    def batch_send_stream(channel: Any, source: str, target: list[str], data_stream: bytes, **options: Any) -> Any:
        sent(len(data_stream))
        if interrupt is None:
            return send(channel, source, target, data_stream, **options)
        contractor = channel.contractor
        channel.contractor = Listening(contractor, interrupt)
        try:
            return send(channel, source, target, data_stream, **{**options, "connection_timeout": 0})
        finally:
            channel.contractor = contractor

    def download(channel: Any, sender: str, file_url: str) -> None:
        if not file_url.startswith(f"{base}/files/"):
            channel._received[sender] = PeerRefused(sender, "the address of something that is no file of this task")
            return
        wait = 0.5
        while (answer := requests.get(file_url)).status_code != 200:
            if answer.status_code in (403, 404, 410, 422):
                channel._received[sender] = PeerRefused(sender, f"a file that cannot be had ({answer.text[:200]})")
                return
            time.sleep(wait)
            wait = min(2 * wait, PATIENCE)
        channel._received[sender] = answer.content

    SharedFileDataChannel.batch_receive_stream = batch_receive_stream
    SharedFileDataChannel.batch_send_stream = batch_send_stream
    SharedFileDataChannel._download_data = download
