"""What a run tells in its folder while another process works on it."""

from pathlib import Path

from ..engines.journal import Listener
from ..texts import from_json


class Events:
    """What a run tells in its folder, from now on.

    Args:
        file: Its `events.jsonl`.
        on_event: Called with each event.
    """

    def __init__(self, file: Path, on_event: Listener):
        self.file, self.on_event = file, on_event
        self.position = file.stat().st_size if file.exists() else 0

    def hand_on(self) -> None:
        """Hand on what is new, as far as lines are whole."""
        if not self.file.exists():
            return
        with open(self.file, "rb") as lines:
            lines.seek(self.position)
            for line in lines:
                if not line.endswith(b"\n"):
                    return
                self.position += len(line)
                self.on_event(from_json(line.decode()))
