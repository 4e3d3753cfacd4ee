"""Standard output and error of the command: one JSON object where that is promised, and readers that go away."""

import contextlib
import io
import os
import sys
from typing import Any, TextIO


class Lasting(io.FileIO):
    """A file descriptor that goes on taking what is written when its reader is gone, as after `| head`."""

    def write(self, data: Any) -> int:
        """Write, or drop what nobody will read."""
        try:
            return super().write(data)
        except BrokenPipeError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())  # for C libraries and child processes too
            os.close(nowhere)
            return len(data)


def outlive_readers() -> None:
    """Let no output that nobody reads end what the command does."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        descriptor = _descriptor(stream)
        if descriptor is not None:
            setattr(sys, name, _lasting(descriptor, stream))


def set_aside_stdout() -> TextIO:
    """Return a way to standard output that is closed to everybody else: what they write goes to standard error."""
    stdout, descriptor = sys.stdout, _descriptor(sys.stdout)
    if descriptor is None:
        return stdout
    stdout.flush()
    aside = _lasting(os.dup(descriptor), stdout)
    os.dup2(
        _descriptor(sys.stderr) or os.open(os.devnull, os.O_WRONLY), descriptor
    )  # C libraries and child processes know nothing of sys.stdout
    return aside


def _descriptor(stream: TextIO) -> int | None:
    """Return the file descriptor of a stream; None where it has none, in a test or a notebook."""
    with contextlib.suppress(AttributeError, OSError, ValueError):
        return stream.fileno()
    return None


def _lasting(descriptor: int, like: Any) -> TextIO:
    like.flush()
    raw = Lasting(descriptor, "w", closefd=False)
    buffer: Any = raw if like.write_through else io.BufferedWriter(raw)
    return io.TextIOWrapper(
        buffer, like.encoding, like.errors, line_buffering=like.line_buffering, write_through=like.write_through
    )
