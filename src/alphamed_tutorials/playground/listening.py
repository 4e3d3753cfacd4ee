"""A listening socket for hub and agent alike."""

import socket


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket: who connects from now on is answered as soon as the server runs.

    Args:
        host: An address of this machine, IPv4 or IPv6.
        port: 0 takes a free one.

    Raises:
        OSError: The address or the port cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.create_server((host, port), family=family, backlog=512)
    # asyncio sets it only on sockets that it made itself; without it each answer waits 40 ms for an acknowledgement
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening
