"""What tests of a node's page share: nodes with small children, and examples whose code is made without torch."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from pagebrowsing import operated
from pageworld import SMALL_SUBMISSION
from playgroundworld import Near, World

from alphamed_tutorials.playground.page import submissions


class Nodes(NamedTuple):
    """Three nodes of one hub, in this process."""

    world: World
    initiator: Near
    first: Near
    second: Near

    @property
    def owners(self) -> dict[str, Near]:
        """Those that have data, by name."""
        return {"hospital-a": self.first, "hospital-b": self.second}


@pytest.fixture(scope="module")
def nodes(lasting_world: World) -> Iterator[Nodes]:
    """Nodes for all tests of a file: each makes tasks of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(submissions, "PROGRAM", (str(SMALL_SUBMISSION),))
        submissions._described.cache_clear()
        made = (lasting_world.node(name) for name in ("initiator", "hospital-a", "hospital-b"))
        yield Nodes(lasting_world, *made)
        submissions._described.cache_clear()


@pytest.fixture
def operate(browser: Any) -> Iterator[Callable[..., Any]]:
    """Return a function that opens a node's page for its operator; see `operated`."""
    with contextlib.ExitStack() as all_of_them:
        yield lambda node, **options: all_of_them.enter_context(operated(browser, node.agent, **options))
