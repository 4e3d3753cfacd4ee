"""What tests of a node's page share: nodes with small children, and examples whose code is made without torch."""

from collections.abc import Iterator
from typing import NamedTuple

import pytest
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
