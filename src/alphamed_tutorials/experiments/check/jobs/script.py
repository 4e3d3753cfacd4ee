"""Write a run's model as TorchScript, with inputs and what the Python model answers to them."""

from pathlib import Path

import torch

from alphamed_tutorials.runs.exportable import load_exportable
from alphamed_tutorials.runs.folder import Run
from alphamed_tutorials.runs.forms import write_torchscript


def main(run: str, out: str) -> None:
    """Write `model.ts`, `calls.pt` and `outputs.pt` into a folder."""
    exportable, _ = load_exportable(Run.open(run))
    write_torchscript(exportable, Path(out, "model.ts"))
    torch.save([tuple(call) for call in exportable.calls], Path(out, "calls.pt"))
    torch.save(exportable.answers, Path(out, "outputs.pt"))
