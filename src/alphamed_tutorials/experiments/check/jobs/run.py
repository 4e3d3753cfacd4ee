"""Run a task on the local engine and keep what the aggregator tested in each round."""

import contextlib
import shutil
from pathlib import Path
from typing import Any

import cloudpickle
import torch

from alphamed_tutorials.engines.local import run_local
from alphamed_tutorials.experiments.check.watch import watched, watching


class Enough(Exception):
    """The first round is done, and no more is asked for."""


def main(
    entry: str, folders: dict[str, str], out: str, seed: int, num_threads: int, seen: str, target: str | None, copy: str
) -> None:
    """Run one round; or all rounds, with the run folder copied as a crash after the first would leave it.

    Args:
        entry: The file with the pickled scheduler.
        folders: Data folder by node, in the order in which the nodes take part.
        out: The run folder.
        seed, num_threads: Those of the engine.
        seen: A file for what was seen.
        target: What `find` finds the task by.
        copy: The copy's folder; one round is enough if empty.
    """
    with open(entry, "rb") as file:
        scheduler = watched(cloudpickle.load(file))

    def listen(event: dict[str, Any]) -> None:
        if event["event"] == "round_done" and event["round"] == 1:
            if not copy:
                raise Enough
            shutil.copytree(out, copy)

    places = {name: Path(folder) for name, folder in folders.items()}
    with watching() as found, contextlib.suppress(Enough):
        run_local(scheduler, places, out, seed, num_threads, target=target, on_event=listen)
    torch.save({"tested": found.tested, "generators": found.generators}, seen)
