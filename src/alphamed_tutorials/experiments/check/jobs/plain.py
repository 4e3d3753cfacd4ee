"""The plain loop: one Python program that trains, tests and trains again, without any engine."""

from types import SimpleNamespace
from typing import Any

import cloudpickle
import torch

from alphamed_tutorials.experiments.check.watch import copied, set_random_states, watched, watching

MIN_EPOCHS, MAX_EPOCHS, ENOUGH_STEPS = 2, 5, 100


class Writer:
    """Take the place of TensorBoard's writer and keep what is written with `add_scalar`, one dictionary an epoch."""

    def __init__(self) -> None:
        self.epochs: list[dict[str, float]] = [{}]

    def add_scalar(self, tag: str, scalar_value: Any, *_: Any, **__: Any) -> None:
        self.epochs[-1][tag] = float(scalar_value)

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


def main(
    entry: str, owner: str, folders: dict[str, str], code: list[str], num_threads: int, run: str, seen: str
) -> dict:
    """Train one owner's data for some epochs, with a test after the first.

    Args:
        entry: The file with the pickled scheduler.
        owner: The data owner's name.
        folders: Its data folder and the aggregator's by name.
        code: How the paths of the task's own files begin.
        num_threads: Torch's threads.
        run: What was seen of a run over this owner: random numbers start as there.
        seen: A file for the state dict after the first epoch.
    """
    torch.set_num_threads(num_threads)
    generators = torch.load(run, weights_only=False)["generators"]
    with open(entry, "rb") as file:
        scheduler = watched(cloudpickle.load(file))
    with watching(tuple(code)) as found:
        _set_up(scheduler, owner, folders, generators)
        set_random_states(generators[owner]["train"])
        scheduler.train_an_epoch()
        torch.save(copied(scheduler.state_dict()), seen)
        _as(scheduler, "aggregator", folders).test_loader
        scheduler.run_test()
        _as(scheduler, owner, folders)
        while len(found.losses) < MIN_EPOCHS or (len(found.losses) < MAX_EPOCHS and found.num_steps < ENOUGH_STEPS):
            scheduler.current_round = min(scheduler.current_round + 1, scheduler.max_rounds)  # no task has a later one
            scheduler.tb_writer.epochs.append({})
            scheduler.train_an_epoch()
    return {
        "losses": found.losses,
        "metrics": scheduler.tb_writer.epochs,
        "faults": found.faults,
        "steps": found.num_steps,
        "empty": found.are_steps_empty,
        "tested": found.num_tested,
    }


def _set_up(scheduler: Any, owner: str, folders: dict[str, str], generators: dict) -> None:
    """Build what the loop needs: the model as the aggregator does, which sends it to the owner, the rest as the owner."""
    vars(scheduler).update(
        task_id="check", tb_writer=Writer(), current_round=1,
        participants=list(folders), contractor=SimpleNamespace(), data_channel=SimpleNamespace(),
    )  # fmt: skip
    set_random_states(generators["aggregator"]["build"])
    _as(scheduler, "aggregator", folders).model
    set_random_states(generators[owner]["load"])
    _as(scheduler, owner, folders).optimizer
    scheduler.train_loader


def _as(scheduler: Any, node: str, folders: dict[str, str]) -> Any:
    """Give the scheduler the part and the data of a node."""
    scheduler.id, scheduler.data_dir = node, folders[node]
    scheduler.is_initiator = scheduler.is_aggregator = node == "aggregator"
    return scheduler
