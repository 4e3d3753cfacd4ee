"""What of a run is exported: its `Predictor`, or the model itself as the test calls it, and the inputs it is tried on."""

import inspect
import sys
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import cloudpickle
import torch
from torch import nn

from ..catalogue import Target, TargetError, find
from ..data.folders import AGGREGATOR
from ..errors import WrongUse, said_of
from ..importing import program_called
from ..weights import is_program
from .calls import Call, ExportError, calls_of_test, one_sample
from .folder import Run, RunError
from .wrapped import bare, uncompiled

NUM_INPUTS = 20  # raw inputs asked of `sample_inputs`


@dataclass(frozen=True)
class Exportable:
    """A trained model and what it is tried on.

    Attributes:
        model: In eval mode, on the CPU.
        calls: The first is the one that exporters follow.
        sizes: Names of the dimensions that may differ from call to call, by their number.
        is_predictor: Whether it is the target's own `Predictor`.
        num_inputs: Samples in the calls.
    """

    model: nn.Module
    calls: list[Call]
    sizes: dict[int, str]
    is_predictor: bool
    num_inputs: int

    @cached_property
    def answers(self) -> list[Any]:
        """What the model itself answers to the calls."""
        return [call.of(self.model) for call in self.calls]

    @property
    def takes_pictures_one_by_one(self) -> bool:
        """Whether the first dimension is no batch."""
        return 0 not in self.sizes

    @property
    def as_first(self) -> "Exportable":
        """The same, tried only on calls of the first one's shapes."""
        return replace(self, calls=[call for call in self.calls if call.shapes == self.calls[0].shapes])

    @property
    def way(self) -> str:
        """What is exported, in words."""
        if self.is_predictor:
            return f"{type(self.model).__name__}, on what sample_inputs returns: {self.calls[0].shapes}"
        return f"the model itself, called as run_test calls it: {type(self.model).__name__}({self.calls[0].shapes})"


def of_predictor(predictor: nn.Module, inputs: torch.Tensor | list[torch.Tensor]) -> Exportable:
    """Return what is exported of a `Predictor`.

    Args:
        predictor: Takes raw inputs; `axes` names those of its input's dimensions that may vary, `batch` if it has none.
        inputs: One batch, or pictures [C, H, W] of different sizes that it takes one by one.
    """
    if isinstance(inputs, list):
        calls, sizes = [Call((picture,), {}) for picture in inputs], {1: "height", 2: "width"}
    else:
        batch = Call((inputs,), {})
        calls, sizes = [batch, *one_sample(batch, predictor)], dict(enumerate(getattr(predictor, "axes", ("batch",))))
    return Exportable(predictor, calls, sizes, True, len(inputs))


def load_exportable(run: Run, target: Any = None, aggregator: str | Path | None = None) -> tuple[Exportable, Target]:
    """Return the trained model of a finished run with inputs from the aggregator's test data, and the run's target.

    Args:
        run: A finished run.
        target: Code of one's own, in the place of what the run folder holds and names.
        aggregator: The folder with the test data, where it is not where the run found it.

    Raises:
        RunError: The run is not finished.
        WrongUse: The run's code is not found, or has a `Predictor` and no `sample_inputs`.
        TutorialError: Its files are damaged, or its code raised.
    """
    scheduler, task = load_trained(run, target, aggregator)
    return as_predictor(scheduler, task) or as_tested(scheduler, task), task


def as_predictor(scheduler: Any, task: Target) -> Exportable | None:
    """Return a trained model as its target's own `Predictor`, with raw inputs from test data; None where it has none.

    Raises:
        WrongUse: It has no `sample_inputs`.
        TutorialError: Its code raised.
    """
    build_predictor = task.optional("model", "Predictor")
    sample_inputs = task.optional("data", "sample_inputs")
    if build_predictor is None:
        return None
    if sample_inputs is None:
        raise WrongUse(
            f"{task.name} has a Predictor and no sample_inputs: write a function sample_inputs(data_dir, count) beside "
            "it that returns raw inputs, or take Predictor out to export the model itself"
        )
    with task.blamed():
        predictor = build_predictor(bare(scheduler.model).cpu()).eval()
        return of_predictor(predictor, sample_inputs(scheduler.data_dir, NUM_INPUTS))


def load_trained(run: Run, target: Any = None, aggregator: str | Path | None = None) -> tuple[Any, Target]:
    """Return the scheduler of a finished run with its trained model, and the target it belongs to.

    Where a target is given, nothing of the run folder runs as code: of it come settings, and parameters as weights only.

    Raises:
        RunError: The run is not finished.
        ExportError: Its files are damaged, or its code has changed since.
    """
    if run.state != "done":
        raise RunError(f"{run.path} is {run.state}, not done: finish it with: {run.resume_command()}")
    task = _target(run, target)  # first, because it makes the code's folder importable
    name = task.name if task else run.record.get("scheduler", "the task")
    try:
        scheduler = _unpickled(run) if task is None or target is None else _built(run, task)
        give_parameters(scheduler, aggregator or run.record["nodes"][AGGREGATOR], run.path / "model.pt")
    except WrongUse:
        raise
    except (Exception, SystemExit) as error:  # a damaged file, or a model.py that has changed since
        raise ExportError(
            f"what {run.path} holds cannot be loaded into the model of {name}: {said_of(error)}\n"
            "If its code has changed since, run it again; if it was moved, say where it is with --target"
        ) from error
    return scheduler, task or _of_pickled(scheduler)


def give_parameters(scheduler: Any, data_dir: str | Path, file: Path) -> None:
    """Let a scheduler build its model, and load a file's parameters into it.

    Args:
        scheduler: As it was unpickled, or made.
        data_dir: A node's data folder, where pretrained weights may lie too.
        file: `model.pt`.
    """
    scheduler.data_dir = str(data_dir)
    with file.open("rb") as source:
        if is_program(source):
            raise ValueError(f"{file.name} is a TorchScript program in the place of parameters")
    scheduler.load_state_dict(torch.load(file, weights_only=True, map_location="cpu"))
    scheduler._model = uncompiled(scheduler.model)


def _unpickled(run: Run) -> Any:
    """Return the task as it was submitted, which runs its code."""
    if run.record.get("import_folder", sys.path[0]) not in sys.path:
        sys.path.insert(0, run.record["import_folder"])
    with program_called(run.record.get("target") or "the task"):
        return cloudpickle.loads((run.path / "entry.pickle").read_bytes())


def _built(run: Run, task: Target) -> Any:
    """Return the task of one's own code with the settings of a run."""
    return task.build_scheduler(seed=run.record["seed"], settings=run.record.get("settings", {}))


def _target(run: Run, target: Any) -> Target | None:
    """Return the target of a run; None where it is of a class that lives in the run folder only."""
    if target is not None:
        return find(target)
    try:
        return find(run.record["target"]) if run.record.get("target") else None
    except TargetError as error:
        raise TargetError(
            f"{error}\n{run.path} is a run of it: if it was moved, say where it is with --target"
        ) from None


def _of_pickled(scheduler: Any) -> Target:
    """Return the target of an object whose class lives in a script or a notebook, which cannot be imported."""
    file = Path(inspect.unwrap(type(scheduler).run_test).__code__.co_filename)
    return replace(find(scheduler), folder=file.parent, file=file)


def as_tested(scheduler: Any, task: Target) -> Exportable:
    """Return the model itself, with the calls that the beginning of `run_test` makes.

    Raises:
        ExportError: It makes none that can be seen.
        TutorialError: Its code raised.
    """
    seen = calls_of_test(scheduler, task)
    model = bare(scheduler.model).cpu().eval()
    num_inputs = sum(call.batch_size or 1 for call in seen)
    return Exportable(model, [*seen, *one_sample(seen[0], model)], {0: "batch"}, False, num_inputs)
