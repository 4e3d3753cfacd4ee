"""What the questions are asked about: a task with its data, and what was done with it once for several of them."""

import copy
import os
import random
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ... import pickles
from ...clean import Server
from ...data.folders import AGGREGATOR
from ...engines.run import build
from ...target import Target
from .answers import NotAsked

NUM_ROUNDS = 2
JOBS = Path(__file__).with_name("jobs")


class stage:
    """An attribute that is worked out when the first question needs it; where that fails, no other asks again."""

    def __init__(self, work_out: Callable[[Any], Any]):
        self.work_out, self.name, self.__doc__ = work_out, work_out.__name__, work_out.__doc__

    def __get__(self, subject: "Subject", kind: type) -> Any:
        if self.name in subject.failed:
            raise NotAsked(subject.failed[self.name])
        try:
            value = self.work_out(subject)
        except NotAsked:
            raise
        except Exception:
            subject.failed[self.name] = subject.asking
            raise
        vars(subject)[self.name] = value
        return value


class Subject:
    """A task under examination.

    Args:
        task: The task.
        folders: Data folder by node, as `find_nodes` returns them.
        embedded: Whether they hold the task's embedded data.
        seed: Start of all random numbers.
        settings: Arguments of the scheduler that differ from their defaults.
        folder: A folder for what is written on the way.
        server: What runs the task's code.
        limit: Seconds that DatasetVerify may take.

    Attributes:
        asking: The id of the question that is being asked.
        failed: Stage → the question that found it failing.
        answers: The answer by question, so far.
        roots: A question that was not asked → the one that failed.
        draws: The random number generators that were used while the scheduler was made.
    """

    def __init__(
        self, task: Target, folders: Mapping[str, Path], embedded: bool, seed: int, settings: Mapping[str, Any],
        folder: Path, server: Server, limit: float,
    ):  # fmt: skip
        # an object is the user's own: the copy gets the settings
        self.task = task if task.scheduler is None else replace(task, scheduler=copy.deepcopy(task.scheduler))
        self.folders = {name: place.resolve() for name, place in folders.items()}
        self.owners = [name for name in folders if name != AGGREGATOR]
        self.embedded, self.seed, self.settings = embedded, seed, dict(settings)
        self.folder, self.server, self.limit = folder, server, limit
        self.asking = ""
        self.failed: dict[str, str] = {}
        self.answers: dict[str, str] = {}
        self.roots: dict[str, str] = {}
        self.draws: list[str] = []

    def require(self, *questions: str) -> None:
        """Go on only where earlier questions found nothing wrong."""
        for question in questions:
            if self.answers.get(question) in ("failed", "not asked"):
                raise NotAsked(question)

    def ask(self, job: str, **kwargs: Any) -> Any:
        """Run a job in a clean process."""
        return self.server.ask(JOBS / f"{job}.py", self.own, **{"path": sys.path, **kwargs})

    @cached_property
    def own(self) -> list[Path]:
        """Where the task's own files lie, and where they seem to lie for the process that submits."""
        return [self.task.folder, self.folder]

    @property
    def num_threads(self) -> int:
        """Torch's threads."""
        return self.task.facts.run.num_threads

    @cached_property
    def recipe(self) -> dict[str, Any]:
        """The arguments of `build` beside the target."""
        return {"embedded": self.embedded, "num_rounds": NUM_ROUNDS, "seed": self.seed, "settings": self.settings}

    @stage
    def scheduler(self) -> Any:
        """The task as it would be submitted, but with one epoch a round."""
        self.task.scheduler_class  # imported before, where it may do what it likes
        before = _generators()
        scheduler = build(self.task, **self.recipe)
        self.draws = [name for name, state in _generators().items() if state != before[name]]
        scheduler.merge_epochs = 1
        return scheduler

    @stage
    def entry(self) -> str:
        """The file that holds the pickled task."""
        self.require("submit")
        file = self.folder / "entry.pickle"
        file.write_bytes(pickles.dumps(self.scheduler))
        return str(file)

    @stage
    def submitted(self) -> Path:
        """The folder that holds `src.zip`, after the task was submitted from a folder that holds nothing but the task."""
        root, out = self.folder / "author", self.folder / "submitted"
        root.mkdir()
        out.mkdir()
        kind, task = self.task.kind, self.task
        if kind is not None:
            recipe: dict[str, Any] = {"scheduler": self.scheduler}
            levels = kind.__module__.count(".")
            if kind.__module__ != "__main__":
                _link_all(Path(sys.modules[kind.__module__].__file__ or "").resolve().parents[levels], root)
        else:
            in_a_file = task.file is not None
            if in_a_file:
                _link_all(task.folder, root)
            else:
                (root / task.folder.name).symlink_to(task.folder)
            target = {
                "name": task.name,
                "folder": root if in_a_file else root / task.folder.name,
                "package": "" if in_a_file else task.folder.name,
                "file": root / task.file.name if task.file else None,
                "class_name": task.class_name,
            }
            recipe = {"target": target, **self.recipe}
        (self.folder / "recipe.pickle").write_bytes(pickles.dumps(recipe))
        path = [str(root), *sys.path]
        self.ask("submit", path=path, cwd=root, recipe=str(self.folder / "recipe.pickle"), out=str(out))
        return out

    @stage
    def verdicts(self) -> dict[str, Any]:
        """DatasetVerify's verdict on each node's data."""
        nodes = {name: str(self.folders[name]) for name in self.owners}
        aggregator = str(self.folders[AGGREGATOR])
        return self.ask("verify", limit=self.limit, target=self.task.key, nodes=nodes, aggregator=aggregator)

    @stage
    def built(self) -> dict[str, list[str]]:
        """What is wrong with what the task builds, and with its state dict."""
        data_dir = str(self.folders[AGGREGATOR])
        return self.ask("build", entry=self.entry, data_dir=data_dir, num_owners=len(self.owners))

    @stage
    def alone(self) -> dict[str, Any]:
        """What was seen of one round over the first owner alone."""
        self.require("averaged")
        return self._run("alone", self.owners[:1])

    @stage
    def plain(self) -> dict[str, Any]:
        """What the plain loop over the first owner came to."""
        owner, file = self.owners[0], str(self.folder / "plain.pt")
        self.alone
        folders = {name: str(self.folders[name]) for name in (AGGREGATOR, owner)}
        code = [f"{self.task.folder}{os.sep}"]
        run = str(self.folder / "alone.pt")
        found = self.ask(
            "plain",
            entry=self.entry,
            owner=owner,
            folders=folders,
            code=code,
            num_threads=self.num_threads,
            run=run,
            seen=file,
        )
        return {**found, "file": file}

    @stage
    def federated(self) -> dict[str, Any]:
        """What was seen of a run over the first two owners: the sum of more depends on their order by rounding."""
        self.plain
        return self._run("federated", self.owners[:2], "crashed")

    @stage
    def reversed(self) -> dict[str, Any]:
        """What was seen of one round with the same owners in another order."""
        return self._run("reversed", self.owners[1::-1])

    def _run(self, name: str, owners: list[str], copy: str = "") -> dict[str, Any]:
        """Run the task over some owners, in a clean process."""
        folders = {node: str(self.folders[node]) for node in (AGGREGATOR, *owners)}
        out, seen, copied = (str(self.folder / each) for each in (name, f"{name}.pt", copy or "none"))
        self.ask(
            "run", entry=self.entry, folders=folders, out=out, seed=self.seed, num_threads=self.num_threads, seen=seen,
            target=self.task.key or None, copy=copied if copy else "",
        )  # fmt: skip
        return {**torch.load(seen, weights_only=False), "path": out, "copy": copied}


def _link_all(folder: Path, root: Path) -> None:
    """Let all that lies in a folder be found in another one too, but for hidden things and virtual environments."""
    for place in folder.iterdir():
        if not place.name.startswith(".") and not (place / "pyvenv.cfg").exists():
            (root / place.name).symlink_to(place)


def _generators() -> dict[str, Any]:
    """Return what the next numbers of each global generator depend on."""
    numpy_state = np.random.get_state(legacy=False)
    return {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy": (numpy_state["state"]["key"].tobytes(), numpy_state["state"]["pos"]),
        "random": random.getstate(),
    }
