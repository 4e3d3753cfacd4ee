"""Take a trained model home: TorchScript, `torch.export` and ONNX files that need nothing of this project."""

import contextlib
import io
import logging
import math
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_leaves

from ..faults import explained, fault_behind
from .calls import Call, ExportError
from .elsewhere import FreshPython
from .exportable import Exportable, load_exportable
from .folder import Run
from .forms import in_short, predict_onnx, predict_torchscript, write_onnx, write_torch_export, write_torchscript

TOLERANCE = 1e-5
FORMS = 4  # in which the model is written, the last time aside
Write = Callable[[Exportable, Path], str]
Predict = Callable[[Path, Sequence[Call]], list[Any]]


def export(run: Run | str | Path, target: Any = None, aggregator: str | Path | None = None) -> dict[str, Any]:
    """Export a finished run's model and check the exported files against it.

    Args:
        run: A finished run, or its folder. Without `target`, its pickled objects and the code that its `run.json` names
            run: only of runs you made yourself.
        target: Your own code of the task, in the place of what the run holds and names: nothing of it runs then.
        aggregator: The folder with the test data, where it is not where the run found it.

    Returns:
        `model` says what was exported, `inputs` on how many samples it was tried; for `torchscript`, `torch_export`
        and `onnx` the `file`, the largest difference of any output (as a share of the largest output, where that is
        above 1), `takes` where only inputs of one shape will do, and a `note`; or in `error` why there is none.

    Raises:
        RunError: The run is not finished.
        TargetError: The run's code is not found.
        CannotWrite: The machine refuses; no half-written file is left.
        ExportError: The model cannot be read or written as TorchScript, or the written one disagrees by more than 1e-5.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    exportable, _ = load_exportable(run, target, aggregator)
    report: dict[str, Any] = {"model": exportable.way, "inputs": exportable.num_inputs}
    room = FORMS * (run.path / "model.pt").stat().st_size + 2**20
    with explained(run.path, room), _quiet(), FreshPython() as elsewhere:
        report["torchscript"] = _checked(run.path / "model.ts", exportable, write_torchscript, elsewhere.predict)
        report["torch_export"] = _tried(run.path / "model.pt2", exportable, write_torch_export, elsewhere.predict)
        report["onnx"] = _as_onnx(run.path / "model.onnx", exportable)
    return report


def export_form(exportable: Exportable, form: str, file: Path) -> dict[str, Any]:
    """Export a model in one form only, and check the file in this process.

    Args:
        exportable: The model.
        form: `torchscript` or `onnx`; for the latter `file` ends with `.onnx`.
        file: Where to write it.

    Returns:
        What `export` says of a form that could be written.

    Raises:
        ExportError: The model cannot be written in this form, or the written one disagrees by more than 1e-5.
    """
    with _quiet():
        if form == "torchscript":
            return _checked(file, exportable, write_torchscript, predict_torchscript)
        report = _as_onnx(file, exportable)
    if "error" in report:
        raise ExportError(f"the model cannot be written as ONNX: {report['error']}")
    return report


def _as_onnx(file: Path, exportable: Exportable) -> dict[str, Any]:
    tolerance = getattr(exportable.model, "onnx_tolerance", TOLERANCE)
    return _tried(file, exportable, write_onnx, predict_onnx, tolerance)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep to oneself what torch's exporters say of each other and of their own code; the report says what matters."""
    outer_level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    nowhere = io.StringIO()
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(outer_level)


def load_predictor(run: Run, target: Any = None) -> tuple[nn.Module, torch.Tensor | list[torch.Tensor]]:
    """Return the trained model as `Predictor` in eval mode, and raw inputs from the aggregator's test data."""
    exportable, _ = load_exportable(run, target)
    if not exportable.is_predictor:
        raise ExportError(f"{run.path} is of a task that has no Predictor")
    pictures = [call.args[0] for call in exportable.calls]
    return exportable.model, pictures if exportable.takes_pictures_one_by_one else pictures[0]


def _tried(
    file: Path, exportable: Exportable, write: Write, predict: Predict, tolerance: float = TOLERANCE
) -> dict[str, Any]:
    """Write a form that is a courtesy: for inputs of any size, else for those of one shape; else say why not."""
    if any(isinstance(part, torch.jit.ScriptModule) for part in exportable.model.modules()):
        return {
            "error": "what torch.jit.script or torch.jit.trace made, in the network or as all of it, TorchScript alone can "
            "hold: let build_model() return the network itself, export compiles it"
        }
    fixed = exportable.as_first
    for each in [fixed] if len(fixed.calls) == len(exportable.calls) else [exportable, fixed]:
        try:
            checked = _checked(file, each, write, predict, tolerance)
            return checked | ({"takes": f"only {each.calls[0].shapes}"} if each is fixed else {})
        except Exception as error:  # exporters fail in their own ways
            if fault_behind(error):
                raise
            reason = in_short(error)
    return {"error": reason}


def _checked(
    file: Path, exportable: Exportable, write: Write, predict: Predict, tolerance: float = TOLERANCE
) -> dict[str, Any]:
    """Write an exported model; it gets its name only when it predicts the same, but for rounding."""
    unchecked = file.with_name(f".{file.name}")
    unchecked.unlink(missing_ok=True)  # in somebody else's folder it may lead elsewhere
    try:
        note = write(exportable, unchecked)
        answers = predict(unchecked, exportable.calls)
        expected = exportable.answers
        if file.suffix == ".onnx":  # which knows tensors in a row only
            expected = [[leaf for leaf in tree_leaves(answer) if leaf is not None] for answer in expected]
        difference = largest_difference(expected, answers)
        if not difference <= tolerance:  # also where it is NaN
            how = "have another form" if math.isinf(difference) else f"differ by {difference:.2g}"
            raise ExportError(f"as {file.name} the model predicts something else: outputs {how}{note and f' ({note})'}")
        os.replace(unchecked, file)
    finally:
        unchecked.unlink(missing_ok=True)
    return {"file": str(file), "max_difference": difference} | ({"note": note} if note else {})


def largest_difference(expected: Any, found: Any) -> float:
    """Return how far outputs lie apart: tensors, or lists, tuples and dictionaries of them; infinity if forms differ."""
    if isinstance(expected, dict):
        if not isinstance(found, dict) or expected.keys() != found.keys():
            return math.inf
        expected, found = list(expected.values()), [found[name] for name in expected]
    if isinstance(expected, list | tuple):
        if not isinstance(found, list | tuple) or len(expected) != len(found):
            return math.inf
        parts = [largest_difference(*pair) for pair in zip(expected, found)]
        return max(parts, key=lambda part: (math.isnan(part), part), default=0.0)
    if not isinstance(expected, torch.Tensor):
        return 0.0 if expected == found else math.inf
    if not isinstance(found, torch.Tensor) or expected.shape != found.shape:
        return math.inf
    expected, found = expected.double(), found.double()
    differ = ~((expected == found) | (expected.isnan() & found.isnan()))  # also where both are infinite
    if not differ.any():
        return 0.0
    largest = expected[expected.isfinite()].abs().max().item() if expected.isfinite().any() else 0.0
    return (expected - found)[differ].abs().max().item() / max(1.0, largest)
