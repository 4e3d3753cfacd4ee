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


@pytest.fixture(scope="module")
def lasting_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The same for all tests of a file: they make nodes and tasks of their own, or share them."""
    made = World(tmp_path_factory.mktemp("world"))
    with made.on_close:
        yield made
