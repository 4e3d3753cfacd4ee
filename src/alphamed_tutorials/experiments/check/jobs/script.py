"""Write a run's model as TorchScript, with inputs and what the Python model predicts of them."""

from pathlib import Path

import torch

from alphamed_tutorials.runs.export import load_predictor, write_torchscript
from alphamed_tutorials.runs.folder import Run


def main(run: str, out: str) -> None:
    """Write `model.ts`, `inputs.pt` and `outputs.pt` into a folder."""
    predictor, inputs = load_predictor(Run.open(run))
    write_torchscript(predictor, inputs, Path(out, "model.ts"))
    with torch.no_grad():
        outputs = [predictor(one) for one in inputs] if isinstance(inputs, list) else predictor(inputs)
    torch.save(inputs, Path(out, "inputs.pt"))
    torch.save(outputs, Path(out, "outputs.pt"))
