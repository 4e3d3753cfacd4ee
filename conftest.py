"""README's code blocks run in an empty folder, as a reader's would."""

import contextlib
import tempfile
from collections.abc import Generator

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Change to an empty folder for the time of a README block; pytest-codeblocks has no fixtures for that."""
    with contextlib.ExitStack() as stack:
        if item.path.suffix == ".md":
            stack.enter_context(contextlib.chdir(stack.enter_context(tempfile.TemporaryDirectory())))
        return (yield)
