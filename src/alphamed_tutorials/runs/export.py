"""Take a trained model home: TorchScript and ONNX files that need nothing of this project."""

import math
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
import torch
from torch import nn

from ..catalogue import find
from ..errors import TutorialError
from .folder import Run, RunError

TOLERANCE = 1e-5
NUM_INPUTS = 20

# Run in a fresh, isolated interpreter: proof that the file needs torch and torchvision and nothing else.
PREDICT_ELSEWHERE = """
import sys, torch, torchvision  # torchvision brings operators that detectors call
model_file, inputs_file, outputs_file, num_threads = sys.argv[1:]
torch.set_num_threads(int(num_threads))  # the last digits depend on it
model, inputs = torch.jit.load(model_file), torch.load(inputs_file, weights_only=True)
torch.save([model(one) for one in inputs] if isinstance(inputs, list) else model(inputs), outputs_file)
assert not any(name.split(".")[0] in ("alphamed_tutorials", "alphafed") for name in sys.modules)
"""

Inputs = torch.Tensor | list[torch.Tensor]  # one batch, or inputs of different sizes that the model takes one by one
Inference = Callable[[Path, Inputs], Any]


class ExportError(TutorialError):
    """A model that cannot be exported, or whose exported form predicts something else."""


def export(run: Run) -> dict[str, Any]:
    """Export a finished run's model and check the exported files against it.

    Args:
        run: A finished run of an example whose `model.py` has a `Predictor` and whose `data.py` has `sample_inputs`.

    Returns:
        For `torchscript` and `onnx` the file and the largest difference of any output over the inputs tried (as a share
        of the largest output, where that is above 1), or for `onnx` the reason why there is none.

    Raises:
        RunError: The run is not finished, or does not say which example it is of.
        ExportError: The model cannot be read or written as TorchScript, or the written one disagrees by more than 1e-5.
    """
    predictor, inputs = load_predictor(run)
    report: dict[str, Any] = {"inputs": len(inputs)}
    script_file, onnx_file = run.path / "model.ts", run.path / "model.onnx"
    onnx_tolerance = getattr(predictor, "onnx_tolerance", TOLERANCE)
    report["torchscript"] = _checked(script_file, predictor, inputs, write_torchscript, predict_elsewhere)
    try:
        report["onnx"] = _checked(onnx_file, predictor, inputs, write_onnx, predict_onnx, onnx_tolerance)
    except Exception as error:  # exporters fail in their own ways; TorchScript is the promise, ONNX a courtesy
        report["onnx"] = {"error": f"{type(error).__name__}: {error}"}
    return report


def load_predictor(run: Run) -> tuple[nn.Module, Inputs]:
    """Return the trained model as `Predictor` in eval mode, and raw inputs from the aggregator's test data."""
    if run.state != "done":
        raise RunError(f"{run.path} is {run.state}, not done: finish it with: playground resume {run.path}")
    if not run.record.get("target"):
        raise RunError(f"{run.path} does not say which target it ran")
    example = find(run.record["target"])
    build_predictor = example.member("model", "Predictor")
    sample_inputs = example.member("data", "sample_inputs")
    try:
        scheduler = cloudpickle.loads((run.path / "entry.pickle").read_bytes())
        scheduler.data_dir = run.record["nodes"]["aggregator"]  # where pretrained weights may lie
        scheduler.load_state_dict(torch.load(run.path / "model.pt", weights_only=True, map_location="cpu"))
    except Exception as error:  # a damaged file, or a model.py that has changed since
        raise ExportError(
            f"what {run.path} holds cannot be loaded into the model of {example.name}: "
            f"{type(error).__name__}: {error}\nIf its code has changed since, run it again"
        ) from error
    predictor = build_predictor(scheduler.model.cpu()).eval()
    with example.blamed():
        return predictor, sample_inputs(run.record["nodes"]["aggregator"], NUM_INPUTS)


def _checked(
    file: Path,
    predictor: nn.Module,
    inputs: Inputs,
    write: Callable[[nn.Module, Inputs, Path], None],
    predict: Inference,
    tolerance: float = TOLERANCE,
) -> dict[str, Any]:
    """Write an exported model; it gets its name only when it predicts the same, but for rounding."""
    unchecked = file.with_name(f".{file.name}")
    try:
        write(predictor, inputs, unchecked)
        outputs = predict(unchecked, inputs)
        with torch.no_grad():
            expected = [predictor(one) for one in inputs] if isinstance(inputs, list) else predictor(inputs)
        difference = largest_difference(expected, outputs)
        if not difference <= tolerance:  # also where it is NaN
            how = "have other shapes" if math.isinf(difference) else f"differ by {difference:.2g}"
            wrong = sum(not largest_difference(*pair) <= tolerance for pair in zip(expected, outputs))
            count = f"for {wrong} of {len(expected)} inputs"
            raise ExportError(f"as {file.name} the model predicts something else: outputs {how}, {count}")
        os.replace(unchecked, file)
    finally:
        unchecked.unlink(missing_ok=True)
    return {"file": str(file), "max_difference": difference}


def largest_difference(expected: Any, found: Any) -> float:
    """Return how far outputs lie apart: tensors, or lists, tuples and dictionaries of them; infinity if shapes differ."""
    if isinstance(expected, dict):
        expected, found = list(expected.values()), [found[name] for name in expected]
    if not isinstance(expected, torch.Tensor):
        parts = [largest_difference(*pair) for pair in zip(expected, found)]
        return max(parts, default=0.0) if len(expected) == len(found) else math.inf
    if expected.shape != found.shape:
        return math.inf
    if not expected.numel():
        return 0.0
    difference = (expected.double() - found.double()).abs().max()
    return (difference / max(1.0, expected.abs().max().item())).item()


def write_torchscript(predictor: nn.Module, inputs: Inputs, file: Path) -> None:
    """Write a model as TorchScript, compiled from its code, so that control flow stays."""
    try:
        torch.jit.script(predictor).save(str(file))
    except Exception as error:
        raise ExportError(f"the model cannot be written as TorchScript, mend its forward method:\n{error}") from error


def predict_elsewhere(file: Path, inputs: Inputs) -> Any:
    """Return what a TorchScript file predicts in a fresh Python that knows torch and nothing of ours."""
    with tempfile.TemporaryDirectory() as folder:
        inputs_file, outputs_file = Path(folder, "inputs.pt"), Path(folder, "outputs.pt")
        torch.save(inputs, inputs_file)
        arguments = map(str, (file, inputs_file, outputs_file, torch.get_num_threads()))
        command = [sys.executable, "-I", "-c", PREDICT_ELSEWHERE, *arguments]
        finished = subprocess.run(command, capture_output=True, text=True)
        if finished.returncode:
            raise ExportError(f"the TorchScript model does not run in a fresh Python:\n{finished.stderr}")
        return torch.load(outputs_file, weights_only=True)


def write_onnx(predictor: nn.Module, inputs: Inputs, file: Path) -> None:
    """Write a model as ONNX, for batches of any size (`predictor.axes` names more axes that vary), or for single pictures."""
    axes = getattr(predictor, "axes", ("batch",))
    with warnings.catch_warnings():
        # torch's exporters warn of their own code
        warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)` is deprecated", FutureWarning)
        if isinstance(inputs, list):  # detectors, whose number of answers depends on the data: the older exporter only
            warnings.simplefilter("ignore")
            torch.onnx.export(
                predictor, (inputs[0],), file, input_names=["inputs"], opset_version=17,
                dynamic_axes={"inputs": {1: "height", 2: "width"}}, dynamo=False, verbose=False,
            )  # fmt: skip
            return
        torch.onnx.export(
            predictor, (inputs,), file, input_names=["inputs"], output_names=["outputs"],
            dynamic_shapes=({i: torch.export.Dim(name) for i, name in enumerate(axes)},), dynamo=True, external_data=False, verbose=False,
        )  # fmt: skip


def predict_onnx(file: Path, inputs: Inputs) -> Any:
    """Return what an ONNX file predicts."""
    import onnxruntime

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    if isinstance(inputs, list):
        calls = [session.run(None, {"inputs": one.numpy()}) for one in inputs]
        return [tuple(torch.from_numpy(output) for output in outputs) for outputs in calls]
    return torch.from_numpy(session.run(None, {"inputs": inputs.numpy()})[0])
