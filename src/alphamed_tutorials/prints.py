"""What the user's code prints while something of ours is shown: whole lines, and no bar beside ours."""

import contextlib
import re
import sys
from collections.abc import Iterator
from typing import Any

# How bars write over a line: back to its start, over single characters, or up and clear as nested bars do.
OVER = re.compile("[\r\b]+|\x1b\\[[0-9;]*[A-K]")


class Lines:
    """A stream that hands on whole lines to another, but none that was written over.

    Args:
        outer: The other stream.
    """

    def __init__(self, outer: Any):
        self.outer, self.rest = outer, ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.outer, name)

    @property
    def rich_proxied_file(self) -> Any:
        """Where rich shows its bars, ours among them: beside all this."""
        return getattr(self.outer, "rich_proxied_file", self.outer)

    def write(self, text: str) -> int:
        """Take text and hand on the lines that are whole by now."""
        *lines, rest = (self.rest + text).split("\n")
        self.rest = "\r".join(OVER.split(rest)[-3:])  # of a bar its last states tell what it is
        for line in lines:
            self._finish(line)
        return len(text)

    def finish(self) -> None:
        """Hand on what has no end of line."""
        rest, self.rest = self.rest, ""
        self._finish(rest)

    def take(self, line: str, is_bar: bool) -> None:
        """Take a line, or the last state of a bar."""
        if not is_bar:
            self.outer.write(f"{line}\n")

    def _finish(self, line: str) -> None:
        states = OVER.split(line.rstrip("\r"))
        if states[-1].strip():
            is_cleared = len(states) > 1 and states[-2].isspace()  # tqdm.write() makes room for a line that stays
            self.take(states[-1], is_bar=len(states) > 1 and not is_cleared)


@contextlib.contextmanager
def no_bars() -> Iterator[None]:
    """Let what is printed go where it did, line by line, without bars."""
    streams = Lines(sys.stdout), Lines(sys.stderr)
    with contextlib.redirect_stdout(streams[0]), contextlib.redirect_stderr(streams[1]):
        try:
            yield
        finally:
            for stream in streams:
                stream.finish()
