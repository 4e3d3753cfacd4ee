"""How sure a test's figure is: the bootstrap over what is independent in the test data, such as speakers.

B. Efron, R. Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13: percentiles of the metric of samples drawn
with replacement.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..catalogue import Target
from ..runs.exportable import load_trained
from ..runs.folder import Run

RESAMPLES = 1000
COVERAGE = 0.95
Metric = Callable[[Sequence[Any]], float]


def share(outcomes: Sequence[tuple[float, float]]) -> float:
    """Return the sum of the first numbers of pairs, as a share of the sum of the second ones."""
    return sum(first for first, _ in outcomes) / sum(second for _, second in outcomes)


@dataclass(frozen=True)
class Outcomes:
    """What a run's model made of each independent unit of the test data.

    Attributes:
        outcomes: One for each unit, in the same order for every run on the same test data.
        metric: What the example's metric is of any of them.
        classes: The class of each unit, where units have one.
    """

    outcomes: Sequence[Any]
    metric: Metric
    classes: Sequence[str] = ()

    @cached_property
    def resampled(self) -> np.ndarray:
        """The metric of each of 1,000 samples of the units; the same samples for every run."""
        draws = np.random.default_rng(0).integers(len(self.outcomes), size=(RESAMPLES, len(self.outcomes)))
        return np.array([self.metric([self.outcomes[unit] for unit in draw]) for draw in draws])

    def interval(self) -> list[float]:
        """Return the bounds between which 95 % of the resampled metrics lie."""
        return _bounds(self.resampled)

    def difference(self, other: "Outcomes") -> list[float]:
        """Return such bounds of this run's metric less another's on the same units."""
        return _bounds(self.resampled - other.resampled)

    def by_class(self) -> dict[str, float]:
        """Return the metric of each class's units."""
        units: dict[str, list[Any]] = {name: [] for name in sorted(set(self.classes))}
        for name, outcome in zip(self.classes, self.outcomes):
            units[name].append(outcome)
        return {name: round(float(self.metric(found)), 5) for name, found in units.items()}

    def compact(self) -> str | list[Any] | None:
        """Return the outcomes as a record keeps them: digits where each is right (1) or wrong (0), None if they are big."""
        if any(len(outcome) != 2 for outcome in self.outcomes):
            return None
        if all(outcome in ((0, 1), (1, 1)) for outcome in self.outcomes):
            return "".join(str(int(right)) for right, _ in self.outcomes)
        return [[round(float(number), 4) for number in outcome] for outcome in self.outcomes]


def outcomes_of(run: Run, task: Target) -> Outcomes | None:
    """Test a finished run's model once more, unit by unit.

    Args:
        run: A finished run of the task.
        task: A target whose folder holds an `outcomes.py`: `outcomes(scheduler)` returns pairs (right, of how many),
            one a unit, or whatever its `metric(outcomes)` takes; `classes(scheduler)`, where there is one, their classes.

    Returns:
        None where there is no such file.
    """
    if task.file is not None or not (task.folder / "outcomes.py").exists():
        return None
    scheduler, _ = load_trained(run)
    scheduler.model.eval()
    with task.blamed():
        outcomes = task.member("outcomes", "outcomes")(scheduler)
        module = task.module("outcomes")
        classes = module.classes(scheduler) if hasattr(module, "classes") else ()
    return Outcomes(outcomes, getattr(module, "metric", share), classes)


def _bounds(values: np.ndarray) -> list[float]:
    edge = (1 - COVERAGE) / 2
    return [round(float(bound), 5) for bound in np.quantile(values, [edge, 1 - edge])]
