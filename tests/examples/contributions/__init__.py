"""What the shared tests of the examples cannot know themselves: each example may say it in a module of its name here.

An example that has no module here gets along with the defaults.
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alphamed_tutorials.runs.folder import Run


def loss_falls(run: Run) -> bool:
    """Return whether every data owner's training loss is lower in the last round than in the first."""
    losses = {}
    for row in run.rows:
        if row.name == "train/loss":
            losses.setdefault(row.node, []).append(row.value)
    return bool(losses) and all(values[-1] < values[0] for values in losses.values())


@dataclass(frozen=True)
class Contribution:
    """What is particular about one example.

    Attributes:
        make_source: Writes a small data set in its original layout into a new folder; embedded data if None.
        settings: Arguments of the scheduler with which a run takes seconds.
        loading: Arguments of the scheduler with which its loader only reads.
        learning: Arguments of the scheduler for the run that has to learn something, `max_rounds` among them.
        has_learned: Whether that run knows more than chance.
        unnoticed: Damages that no check can notice, as one picture less among many.
    """

    make_source: Callable[[Path], None] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    loading: Mapping[str, Any] = field(default_factory=dict)
    learning: Mapping[str, Any] = field(default_factory=lambda: {"max_rounds": 5})
    has_learned: Callable[[Run], bool] = loss_falls
    unnoticed: frozenset[str] = frozenset()


def contribution_of(name: str) -> Contribution:
    """Return what an example says about itself, or the defaults."""
    if not Path(__file__).with_name(f"{name}.py").exists():
        return Contribution()
    return importlib.import_module(f"{__name__}.{name}").CONTRIBUTION
