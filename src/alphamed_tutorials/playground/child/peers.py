"""Look at what comes from other nodes before the SDK sees it, and name the one whom to ask where it will not do."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import requests
from alphafed.data_channel import SharedFileDataChannel
from alphafed.data_channel.data_channel import SendingError

from ...engines.peers import PeerRefused

PATIENCE = 30  # seconds between two tries to fetch a file, at most
Check = Callable[[Mapping[str, bytes]], None]
Interrupt = Callable[[Any], None]


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
