"""Train recorded experiments again, and see whether their figures still are what was recorded.

The same seed gives the same figures on the same machine with the same versions; other processors and versions round
otherwise, and training takes another course. How far it may go is what the recorded seeds tell.
"""

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..catalogue import Target
from ..errors import WrongUse
from ..runs.folder import Run
from .record import last_values, source_name, train

ROOM = 2  # a band's room on either side, in ranges of the seeds: of three draws of a bell curve a fourth stays in 19 times of 20
LEAST = 0.01  # of a figure: the room at the least


@dataclass(frozen=True)
class Compared:
    """A figure of a run, as it was recorded and as it is now.

    Attributes:
        experiment, run, metric: Which one.
        recorded: Its value with the seed that it was trained with again.
        low, high: Between these it may lie.
        now: Its value now.
    """

    experiment: str
    run: str
    metric: str
    recorded: float
    low: float
    high: float
    now: float

    @property
    def inside(self) -> bool:
        """Whether the figure lies in its band; one that is no number does not."""
        return self.low <= self.now <= self.high


def check(
    example: Target,
    results: Path,
    work: Path | None = None,
    source: Path | None = None,
    on_event: Callable[[dict[str, Any]], None] = lambda event: None,
    only: Collection[str] = (),
) -> list[Compared]:
    """Train an example's recorded experiments again and compare their figures with the bands they should lie in.

    A band comes from the recorded seeds; of an experiment with one seed, the quoted figure's interval is taken.

    Args:
        example: The example.
        results: The folder of recorded results, `docs/results` in this project.
        work: A new folder for data and runs; `runs/<example>-check-<number>` if None.
        source: The data set that was recorded; embedded data if None.
        on_event: Called with each event of each run.
        only: Names of the experiments to train again; all of them if empty.

    Raises:
        WrongUse: Nothing was recorded, or it was recorded from other data.
    """
    content = _recorded(example, results / f"{example.name}.json", source)
    recorded = {one["name"]: one for one in content["experiments"]}
    plans = {plan.name: plan for plan in example.facts.experiment}
    known = [name for name in recorded if name in plans]
    if unknown := set(only or recorded) - set(known):
        raise WrongUse(f"{example.name} has no recorded experiment {', '.join(unknown)}, only {', '.join(known)}")
    work = (Run.create(work) if work else Run.create_numbered(f"{example.name}-check")).path
    found: list[Compared] = []
    for name in only or recorded:
        plan = plans[name].model_copy(update={"rounds": recorded[name]["rounds"]})
        now = train(plan, example, source, on_event, plan.seed, work / name)
        found += _compared(recorded[name], now, content["metric"])
    return found


def _recorded(example: Target, file: Path, source: Path | None) -> dict[str, Any]:
    """Return what was recorded, from these data."""
    if not file.exists():
        raise WrongUse(f"{file} is missing: record it first, playground record {example.name} --results {file.parent}")
    content = json.loads(file.read_text("utf-8"))
    if (before := content["data"]["source"]) != source_name(source):
        raise WrongUse(f"{file} was recorded from {before} data, not from {source_name(source)}: name it with --source")
    return content


def _compared(before: dict[str, Any], now: dict[str, Any], quoted: str) -> Iterator[Compared]:
    """Yield the figures of an experiment's runs that have a band.

    Args:
        before: The experiment as it was recorded.
        now: The comparison made now.
        quoted: The metric that an interval was recorded of.
    """
    again = {run["name"]: last_values(run) for run in now["runs"]}
    for run in before["runs"]:
        for metric, value in last_values(run).items():
            values = [value, *(seed[metric] for seed in run.get("more_seeds", ()))]
            interval = run.get("interval") if metric == quoted else None
            if bounds := band(values) if len(values) > 1 else interval:
                low, high = bounds
                figure = again.get(run["name"], {}).get(metric, float("nan"))
                yield Compared(before["name"], run["name"], metric, value, low, high, figure)


def band(values: Sequence[float]) -> tuple[float, float]:
    """Return the bounds of a figure: the range of its seeds, with twice as much on either side."""
    low, high = min(values), max(values)
    room = max(ROOM * (high - low), LEAST * max(abs(low), abs(high)))
    return low - room, high + room
