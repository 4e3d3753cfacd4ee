"""Which cases run in every `make test`, and which wait for the long lane."""

from collections.abc import Iterable
from typing import Any

import pytest


def in_soak_but_every(step: int, cases: Iterable[Any]) -> list[Any]:
    """Return parameters of a test of which every `step`-th runs always, from the first on, and the others in `make soak`."""
    return [pytest.param(case, marks=[pytest.mark.soak] if index % step else []) for index, case in enumerate(cases)]
