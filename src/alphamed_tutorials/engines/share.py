"""The data owners of a task that one process runs, one after the other."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

import torch
from torch import nn

from ..data.folders import AGGREGATOR
from ..runs.folder import Run
from . import averaging
from .contract import refuse_silent_stream
from .node import Node
from .platform import Contractor, OwnersChannel, serialise
from .refusals import refuse_diverged, refuse_shared_model
from .settings import Settings, carry
from .traps import TrainingWatch

Losses = list[tuple[str, bool]]  # what a resumed run would not have, and whether it can then not be resumed


@dataclass(frozen=True, kw_only=True)
class Rested:
    """A data owner that did something, and rests again.

    Attributes:
        name: Its name.
        file: Where what it carries on lies; None where that cannot be written.
        not_kept: Attributes that turned out not to be picklable.
        lost: What a resumed run would not have as it was.
        warnings: New ones.
    """

    name: str
    file: Path | None
    not_kept: list[str]
    lost: Losses
    warnings: list[str]


@dataclass(frozen=True, kw_only=True)
class Ready(Rested):
    """A data owner that was set up.

    Attributes:
        check_in: What it tells the aggregator.
        adapted: A line for each thing that changed with the settings.
    """

    check_in: SimpleNamespace
    adapted: list[str]


@dataclass(frozen=True, kw_only=True)
class Turn(Rested):
    """What a data owner did in a round.

    Attributes:
        update: Its parameters, serialised as the SDK does.
        narrow: Those whose type may be too small for the sum of all.
        scalars: What it logged.
    """

    update: bytes
    narrow: dict[str, torch.Tensor]
    scalars: list[tuple[str, float]]


class Owners(Protocol):
    """Data owners of a run, wherever they are; see `Share` for what each method does."""

    def set_up(self, files: Mapping[str, Path | None], number: int, settings: Settings) -> Iterator[Ready]: ...
    def turns(self, number: int, parameters: bytes, names: list[str]) -> Iterator[Turn]: ...
    def close(self) -> None: ...


@dataclass(frozen=True)
class Plan:
    """What each process of a run knows of it.

    Attributes:
        run: The run.
        folder: The run folder; the task's code may change the working folder.
        entry: The pickled scheduler.
    """

    run: Run
    folder: Path
    entry: bytes

    @property
    def states(self) -> Path:
        """Where data owners rest."""
        return self.folder / "states"

    def node(self, name: str) -> Node:
        """Return one node, before it is set up."""
        root, log_file = self.folder / "nodes" / name, self.folder / "logs" / f"{name}.log"
        record = self.run.record
        return Node(name, self.entry, Path(record["nodes"][name]), root, log_file, record["seed"])


class Share:
    """Run data owners in this process.

    Args:
        plan: The run.
        names: The data owners.

    Attributes:
        other_model: A model in this process whose memory none of theirs may share; the first one's if None.
    """

    def __init__(self, plan: Plan, names: Iterable[str]):
        self.plan = plan
        # All come to be before the first is set up: what a started script defines is theirs in common from then on.
        self.nodes = {name: plan.node(name) for name in names}
        self.other_model: nn.Module | None = None
        self.channel, self.contractor = OwnersChannel(), Contractor(plan.run.record["nodes"])

    def set_up(self, files: Mapping[str, Path | None], number: int, settings: Settings) -> Iterator[Ready]:
        """Build each data owner's part, bring it where it was, and let it rest.

        Args:
            files: By name, where it last rested; None in a run that begins.
            number: The round it was then.
            settings: New values of the scheduler's arguments.
        """
        for name, file in files.items():
            node = self.nodes[name]
            node.set_up(self.plan.folder.name, self.contractor, self.channel, is_aggregator=False)
            with node.active() as scheduler:
                if self.other_model is None:
                    self.other_model = scheduler.model
                else:
                    refuse_shared_model(scheduler, self.other_model)
                scheduler._check_in_task()
            changed: list[str] = []
            if file is None:
                not_kept = node.rest(self.plan.states / f"{name}-{number}.pt")
            else:
                not_kept, changed = self._bring_back(node, file, number, settings)
            yield Ready(**self._told(node, not_kept), check_in=self.contractor.check_in, adapted=changed)
        self.other_model = None

    def _bring_back(self, node: Node, file: Path, number: int, settings: Settings) -> tuple[list[str], list[str]]:
        """Let a node rest as it last rested, but for what changed since."""
        kept = node.load(file)
        adapted = carry(node, kept["attributes"], settings) if settings else []
        node.restore(kept)
        if not settings and kept["attributes"].keys() >= node.kept()["attributes"].keys():
            node.rest_on(file)
            return [], []
        # the last checkpoint refers to the old file until the next one is written
        return node.rest(self.plan.states / f"{node.name}-{number}-changed.pt"), adapted

    def _told(self, node: Node, not_kept: list[str], warnings: Iterable[str] = ()) -> dict[str, Any]:
        new = node.warn([*warnings, *(text for text, _ in node.lost)])
        return {"name": node.name, "file": node.file, "not_kept": not_kept, "lost": node.lost, "warnings": new}

    def turns(self, number: int, parameters: bytes, names: list[str]) -> Iterator[Turn]:
        """Let data owners train, one after the other.

        Args:
            number: The round.
            parameters: What the aggregator sent.
            names: Whose turn it is.
        """
        self.channel.parameters = parameters
        self.plan.run.record["rounds_done"] = number - 1  # as advice to resume wants to know, also in another process
        for name in names:
            yield self._turn(self.nodes[name], number)

    def _turn(self, node: Node, number: int) -> Turn:
        node.round = number
        node.wake()
        with node.active() as scheduler:
            scheduler.current_round = number
            scheduler._aggregator = AGGREGATOR
            scheduler._wait_for_updating_model()
            with TrainingWatch(scheduler) as watch:
                scheduler._execute_training()
            if watch.optimizer is None:
                refuse_silent_stream(scheduler)
            refuse_diverged(scheduler, self.plan.run)
            state = scheduler.state_dict()
            update, narrow = serialise(state), averaging.narrow(scheduler, state)
        scalars = node.take_scalars()
        not_kept = node.rest(self.plan.states / f"{node.name}-{number}.pt")
        return Turn(**self._told(node, not_kept, watch.traps()), update=update, narrow=narrow, scalars=scalars)

    def close(self) -> None:
        """Close the files of all nodes."""
        for node in self.nodes.values():
            node.close()
