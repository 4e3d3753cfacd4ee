"""Copies of the repository: tests read them, and copy the one that they change."""

from pathlib import Path

import pytest
from copies import NAME, TITLES, copy_repository

from alphamed_tutorials.contribute.skeleton import add_example


@pytest.fixture(scope="session")
def repository(once) -> Path:
    """Return a copy of the repository as it is."""
    return once("repository", copy_repository)


@pytest.fixture(scope="session")
def skeleton(once) -> Path:
    """Return a copy of the repository with an example that was just added."""

    def make(folder: Path) -> None:
        copy_repository(folder)
        add_example(folder, NAME, TITLES)

    return once("skeleton", make)
