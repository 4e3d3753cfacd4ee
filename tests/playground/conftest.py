"""What tests of the playground share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from playgroundworld import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A hub in a process of its own, without nodes."""
    made = World(tmp_path)
    with made.on_close:
        yield made
