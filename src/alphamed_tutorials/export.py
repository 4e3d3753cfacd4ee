"""Take a trained model home: TorchScript and ONNX files that need nothing of this project."""

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

from .errors import TutorialError
from .examples import find
from .runs import Run, RunError

TOLERANCE = 1e-5
NUM_INPUTS = 20

# Run in a fresh, isolated interpreter: proof that the file needs torch and nothing else.
PREDICT_ELSEWHERE = """
import sys, torch
model_file, inputs_file, outputs_file = sys.argv[1:]
torch.save(torch.jit.load(model_file)(torch.load(inputs_file, weights_only=True)), outputs_file)
assert not any(name.split(".")[0] in ("alphamed_tutorials", "alphafed") for name in sys.modules)
"""

Inference = Callable[[Path, torch.Tensor], torch.Tensor]


class ExportError(TutorialError):
    """A model that cannot be exported, or whose exported form predicts something else."""


def export(run: Run) -> dict[str, Any]:
    """Export a finished run's model and check the exported files against it.

    Args:
        run: A finished run of an example whose `model.py` has a `Predictor` and whose `data.py` has `sample_inputs`.

    Returns:
        For `torchscript` and `onnx` the file and the largest difference of any output over the inputs tried, or
        for `onnx` the reason why there is none.

    Raises:
        RunError: The run is not finished, or does not say which example it is of.
        ExportError: The model cannot be read or written as TorchScript, or the written one disagrees by more than 1e-5.
    """
    predictor, inputs = load_predictor(run)
    report: dict[str, Any] = {"inputs": len(inputs)}
    script_file, onnx_file = run.path / "model.ts", run.path / "model.onnx"
    report["torchscript"] = _checked(script_file, predictor, inputs, write_torchscript, predict_elsewhere)
    try:
        report["onnx"] = _checked(onnx_file, predictor, inputs, write_onnx, predict_onnx)
    except Exception as error:  # exporters fail in their own ways; TorchScript is the promise, ONNX a courtesy
        report["onnx"] = {"error": f"{type(error).__name__}: {error}"}
    return report


def load_predictor(run: Run) -> tuple[nn.Module, torch.Tensor]:
    """Return the trained model as `Predictor` in eval mode, and raw inputs from the aggregator's test data."""
    if run.state != "done":
        raise RunError(f"{run.path} is {run.state}, not done: finish it with: playground resume {run.path}")
    if not run.record.get("example"):
        raise RunError(f"{run.path} does not say which example it ran: pass example=… to run_local")
    example = find(run.record["example"])
    build_predictor = example.member("model", "Predictor")
    sample_inputs = example.member("data", "sample_inputs")
    try:
        scheduler = cloudpickle.loads((run.path / "entry.pickle").read_bytes())
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
    inputs: torch.Tensor,
    write: Callable[[nn.Module, torch.Tensor, Path], None],
    predict: Inference,
) -> dict[str, Any]:
    """Write an exported model; it gets its name only when it predicts the same."""
    unchecked = file.with_name(f".{file.name}")
    try:
        write(predictor, inputs, unchecked)
        outputs = predict(unchecked, inputs)
        with torch.no_grad():
            difference = (predictor(inputs) - outputs).abs().max().item()
        if not difference <= TOLERANCE:  # also where it is NaN
            raise ExportError(f"as {file.name} the model predicts something else: outputs differ by {difference:.2g}")
        os.replace(unchecked, file)
    finally:
        unchecked.unlink(missing_ok=True)
    return {"file": str(file), "max_difference": difference}


def write_torchscript(predictor: nn.Module, inputs: torch.Tensor, file: Path) -> None:
    """Write a model as TorchScript, compiled from its code, so that control flow stays."""
    try:
        torch.jit.script(predictor).save(str(file))
    except Exception as error:
        raise ExportError(f"the model cannot be written as TorchScript, mend its forward method:\n{error}") from error


def predict_elsewhere(file: Path, inputs: torch.Tensor) -> torch.Tensor:
    """Return what a TorchScript file predicts in a fresh Python that knows torch and nothing of ours."""
    with tempfile.TemporaryDirectory() as folder:
        inputs_file, outputs_file = Path(folder, "inputs.pt"), Path(folder, "outputs.pt")
        torch.save(inputs, inputs_file)
        command = [sys.executable, "-I", "-c", PREDICT_ELSEWHERE, str(file), str(inputs_file), str(outputs_file)]
        finished = subprocess.run(command, capture_output=True, text=True)
        if finished.returncode:
            raise ExportError(f"the TorchScript model does not run in a fresh Python:\n{finished.stderr}")
        return torch.load(outputs_file, weights_only=True)


def write_onnx(predictor: nn.Module, inputs: torch.Tensor, file: Path) -> None:
    """Write a model as ONNX, for batches of any size; a Predictor may name more `axes` of its input that vary."""
    axes = getattr(predictor, "axes", ("batch",))
    with warnings.catch_warnings():
        # torch's exporter warns of its own code
        warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)` is deprecated", FutureWarning)
        torch.onnx.export(
            predictor, (inputs,), file, input_names=["inputs"], output_names=["outputs"],
            dynamic_shapes=({i: torch.export.Dim(name) for i, name in enumerate(axes)},), dynamo=True, external_data=False, verbose=False,
        )  # fmt: skip


def predict_onnx(file: Path, inputs: torch.Tensor) -> torch.Tensor:
    """Return what an ONNX file predicts."""
    import onnxruntime

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(None, {"inputs": inputs.numpy()})[0])
