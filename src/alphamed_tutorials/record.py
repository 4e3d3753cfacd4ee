"""Record the results the pages show."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .compare import compare
from .examples import Example
from .machine import machine, versions
from .partition import Partition
from .runs import write_json


def record(
    example: Example,
    results: Path,
    work: Path,
    source: Path | None,
    on_event: Callable[[dict[str, Any]], None] = lambda event: None,
) -> Path:
    """Run every experiment that the example's `[[record]]` tables name, and write what the pages draw from.

    Args:
        example: The example.
        results: The folder of recorded results, `docs/results` in this project.
        work: A new folder for data and runs.
        source: The real data set; embedded data if None.
        on_event: Called with each event of each run.

    Returns:
        The written `<example>.json`; the pictures lie beside it in a folder of the example's name.
    """
    started = time.monotonic()
    experiments = []
    for plan in example.facts["record"]:
        partition, seed = Partition.parse(plan["partition"]), plan["seed"]
        compared = compare(
            example, work / plan["name"], plan["nodes"], plan["rounds"], partition, seed, source,
            lambda event, name=plan["name"]: on_event({**event, "run": f"{name}, {event['run']}"}),
            plan.get("settings", {}),
        )  # fmt: skip
        experiments.append({"name": plan["name"], **compared})
    content = {
        "example": example.name,
        "metric": example.facts["metrics"][0],
        "recorded": time.strftime("%Y-%m-%d"),
        "seconds": round(time.monotonic() - started, 1),
        "machine": machine(),
        "versions": versions(),
        "data": {"source": source.resolve().name if source else "embedded", **_size(experiments[0]["counts"])},
        "experiments": experiments,
    }
    pictures = results / example.name
    pictures.mkdir(parents=True, exist_ok=True)
    for experiment in experiments:
        shutil.copy(work / experiment["name"] / "compare.png", pictures / f"{experiment['name']}.png")
    write_json(results / f"{example.name}.json", content)
    return results / f"{example.name}.json"


def _size(counts: dict[str, dict[str, dict[str, int]]]) -> dict[str, Any]:
    """Return samples in each split and the names of the classes."""
    sizes: dict[str, Any] = {}
    for splits in counts.values():
        for split, classes in splits.items():
            sizes[split] = sizes.get(split, 0) + sum(classes.values())
    names = [name for splits in counts.values() for classes in splits.values() for name in classes]
    return {**sizes, "classes": list(dict.fromkeys(names))}
