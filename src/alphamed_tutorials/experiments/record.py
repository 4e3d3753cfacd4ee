"""Record the results the pages show."""

import json
import time
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from ..catalogue import Target
from ..errors import WrongUse
from ..facts import Experiment
from ..runs.folder import Run
from ..runs.machine import machine, versions
from ..runs.writing import write_json
from .compare import FEDERATED, compare, metrics_of
from .intervals import outcomes_of

IDLE = 0.1  # of a core: what other work may take before it shows in a run's seconds


def record(
    example: Target,
    results: Path,
    work: Path | None = None,
    source: Path | None = None,
    on_event: Callable[[dict[str, Any]], None] = lambda event: None,
    only: Collection[str] = (),
    num_rounds: int | None = None,
) -> Path:
    """Run the experiments that the example's `[[experiment]]` tables name, and write what the pages draw from.

    Args:
        example: The example.
        results: The folder of recorded results, `docs/results` in this project.
        work: A new folder for data and runs; `runs/<example>-record-<number>` if None.
        source: The real data set; embedded data if None.
        on_event: Called with each event of each run.
        only: Names of the experiments to run, the others stay as they were recorded, if they were; all if empty.
        num_rounds: Rounds of every run; those of the tables if None.

    Returns:
        The written `<example>.json`.

    Raises:
        WrongUse: The example names no such experiments, or the others were recorded under other conditions.
    """
    plans = {plan.name: plan for plan in example.facts.experiment}
    if not plans:
        raise WrongUse(f"the example.toml of {example.name} has no [[experiment]] that says what to run")
    if not example.facts.metrics:
        raise WrongUse(f"the example.toml of {example.name} has no [[metric]] that says what to show")
    if unknown := set(only) - set(plans):
        raise WrongUse(f"{example.name} has no experiment {', '.join(sorted(unknown))}, only {', '.join(plans)}")
    conditions = {
        "machine": machine(),
        "versions": versions(),
        "source": source_name(source),
    }
    file = results / f"{example.name}.json"
    experiments = _kept(file, conditions, set(plans) - set(only)) if only else {}
    wanted = [name for name in plans if name in (only or plans)]
    work = (Run.create(work) if work else Run.create_numbered(f"{example.name}-record")).path  # all is found in order
    for name in wanted:
        plan = plans[name].model_copy(update={"rounds": num_rounds} if num_rounds else {})
        experiments[name] = _run(plan, example, work, source, on_event)
    runs = [run for one in experiments.values() for run in one["runs"]]
    metrics = metrics_of(example.facts, runs)
    content = {
        "example": example.name,
        "metric": example.facts.metrics[0],
        "metrics": metrics,
        "recorded": time.strftime("%Y-%m-%d"),
        "seconds": round(sum(run["seconds"] for run in runs), 1),
        "machine": conditions["machine"],
        "versions": conditions["versions"],
        "data": {"source": conditions["source"], **_size(experiments[wanted[0]]["counts"])},
        "independent": example.facts.independent.model_dump() if example.facts.independent else None,
        "experiments": [experiments[name] for name in plans if name in experiments],
    }
    write_json(file, content)
    return file


def train(
    plan: Experiment,
    example: Target,
    source: Path | None,
    on_event: Callable[[dict[str, Any]], None],
    seed: int,
    folder: Path,
) -> dict[str, Any]:
    """Return the comparison that a `[[experiment]]` table asks for, made in a new folder with a seed."""
    return compare(
        example,
        num_nodes=plan.nodes,
        num_rounds=plan.rounds,
        partition=plan.partition,
        source=source,
        seed=seed,
        settings=plan.settings,
        out=folder,
        on_event=lambda event: on_event({**event, "run": f"{folder.name}, {event['run']}"}),
    )


def source_name(source: Path | None) -> str:
    """Return what a recording calls the data it was made from."""
    return source.resolve().name if source else "embedded"


def last_values(run: dict[str, Any]) -> dict[str, float]:
    """Return the last value of each metric of a comparison's run."""
    return {name: points[-1][1] for name, points in run.get("metrics", {}).items()}


def _run(
    plan: Experiment,
    example: Target,
    work: Path,
    source: Path | None,
    on_event: Callable[[dict[str, Any]], None],
) -> dict[str, Any]:
    """Return what came of one `[[experiment]]` table."""

    compared = partial(train, plan, example, source, on_event)
    others, started = _seconds_of_others(), time.monotonic()
    found = compared(plan.seed, work / plan.name)
    share = (_seconds_of_others() - others) / (time.monotonic() - started)
    found["runs"] = _with_intervals(found["runs"], work / plan.name, example)
    for seed in plan.more_seeds:
        again = {run["name"]: run for run in compared(seed, work / f"{plan.name}-seed-{seed}")["runs"]}
        for run in found["runs"]:
            run.setdefault("more_seeds", []).append(last_values(again[run["name"]]))
    seeds = {"more_seeds": list(plan.more_seeds)} if plan.more_seeds else {}
    return {
        "name": plan.name,
        **{key: value for key, value in found.items() if key not in ("folder", "metrics")},
        **seeds,
        "idle": share < IDLE,
    }


def _seconds_of_others() -> float:
    """Return the processor time that everything but this process has taken."""
    times = psutil.cpu_times()
    return times.user + times.system + getattr(times, "nice", 0.0) - time.process_time()


def _with_intervals(runs: list[dict[str, Any]], folder: Path, example: Target) -> list[dict[str, Any]]:
    """Return the rows of runs with what their tests gave unit by unit, where the example can tell."""
    found = {run["name"]: outcomes_of(Run.open(folder / run["name"]), example) for run in runs}
    federated = found.get(FEDERATED)
    rows = []
    for run in runs:
        own = found[run["name"]]
        if own is None or federated is None:
            return runs
        row = {**run, "interval": own.interval(), "units": len(own.outcomes), "outcomes": own.compact()}
        row |= {"by_class": own.by_class()} if own.classes else {}
        rows.append(row if own is federated else {**row, "federated_less_this": federated.difference(own)})
    return rows


def _kept(file: Path, conditions: dict[str, Any], names: Collection[str]) -> dict[str, dict[str, Any]]:
    """Return experiments recorded before, by name.

    Raises:
        WrongUse: They were recorded elsewhere, with other versions or other data: one file tells one story.
    """
    if not file.exists():
        return {}
    content = json.loads(file.read_text(encoding="utf-8"))
    before = {"machine": content["machine"], "versions": content["versions"], "source": content["data"]["source"]}
    for what, value in conditions.items():
        if before[what] != value:
            raise WrongUse(f"{file} was recorded with another {what} ({before[what]}): record everything again")
    return {one["name"]: one for one in content["experiments"] if one["name"] in names}


def _size(counts: dict[str, dict[str, dict[str, int]]]) -> dict[str, Any]:
    """Return samples in each split and the names of the classes."""
    sizes: dict[str, Any] = {}
    for splits in counts.values():
        for split, classes in splits.items():
            sizes[split] = sizes.get(split, 0) + sum(classes.values())
    names = [name for splits in counts.values() for classes in splits.values() for name in classes]
    return {**sizes, "classes": list(dict.fromkeys(names))}
