"""Take a trained model home: TorchScript and ONNX files that need nothing of this project."""

import subprocess
import sys
import tempfile
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


class ExportError(TutorialError):
    """An exported model that does not predict what the trained one predicts."""


def export(run: Run) -> dict[str, Any]:
    """Export a finished run's model and check the exported files against it.

    Args:
        run: A finished run of an example whose `model.py` has a `Predictor` and whose `data.py` has `sample_inputs`.

    Returns:
        For `torchscript` and `onnx` the file and the largest difference of any output over the inputs tried, or
        for `onnx` the reason why there is none.

    Raises:
        RunError: The run is not finished, or does not say which example it is of.
        ExportError: An exported model disagrees by more than 1e-5.
    """
    predictor, inputs = load_predictor(run)
    with torch.no_grad():
        expected = predictor(inputs)
    report: dict[str, Any] = {"inputs": len(inputs)}
    script_file = run.path / "model.ts"
    torch.jit.script(predictor).save(str(script_file))
    report["torchscript"] = _compared(script_file, expected, _predict_elsewhere(script_file, inputs))
    onnx_file = run.path / "model.onnx"
    try:
        outputs = _export_onnx(predictor, inputs, onnx_file)
    except Exception as error:  # exporters fail in their own ways; TorchScript is the promise, ONNX a courtesy
        report["onnx"] = {"error": f"{type(error).__name__}: {error}"}
    else:
        report["onnx"] = _compared(onnx_file, expected, outputs)
    return report


def load_predictor(run: Run) -> tuple[nn.Module, torch.Tensor]:
    """Return the trained model as `Predictor` in eval mode, and raw inputs from the aggregator's test data."""
    if run.state != "done":
        raise RunError(f"{run.path} is {run.state}, not done: finish it with: playground resume {run.path}")
    if not run.record.get("example"):
        raise RunError(f"{run.path} does not say which example it ran: pass example=… to run_local")
    example = find(run.record["example"])
    scheduler = cloudpickle.loads((run.path / "entry.pickle").read_bytes())
    scheduler.load_state_dict(torch.load(run.path / "model.pt", weights_only=True, map_location="cpu"))
    predictor = example.module("model").Predictor(scheduler.model.cpu()).eval()
    return predictor, example.module("data").sample_inputs(run.record["nodes"]["aggregator"], NUM_INPUTS)


def _predict_elsewhere(script_file: Path, inputs: torch.Tensor) -> torch.Tensor:
    with tempfile.TemporaryDirectory() as folder:
        inputs_file, outputs_file = Path(folder, "inputs.pt"), Path(folder, "outputs.pt")
        torch.save(inputs, inputs_file)
        command = [sys.executable, "-I", "-c", PREDICT_ELSEWHERE, str(script_file), str(inputs_file), str(outputs_file)]
        finished = subprocess.run(command, capture_output=True, text=True)
        if finished.returncode:
            raise ExportError(f"{script_file} does not run in a fresh Python:\n{finished.stderr}")
        return torch.load(outputs_file, weights_only=True)


def _export_onnx(predictor: nn.Module, inputs: torch.Tensor, file: Path) -> torch.Tensor:
    import onnxruntime

    batch = torch.export.Dim("batch")
    torch.onnx.export(
        predictor, (inputs,), file, input_names=["inputs"], output_names=["outputs"],
        dynamic_shapes=({0: batch},), dynamo=True, external_data=False, verbose=False,
    )  # fmt: skip
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(None, {"inputs": inputs.numpy()})[0])


def _compared(file: Path, expected: torch.Tensor, outputs: torch.Tensor) -> dict[str, Any]:
    difference = (expected - outputs).abs().max().item()
    if difference > TOLERANCE:
        raise ExportError(f"{file} predicts something else than the trained model: outputs differ by {difference:.2g}")
    return {"file": str(file), "max_difference": difference}
