"""Predict with a TorchScript file where torch and torchvision are, and nothing of the task or of ours."""

from pathlib import Path

import torch
import torchvision  # noqa: F401  (brings operators that detectors call)


def main(folder: str, num_threads: int) -> None:
    """Write `found.pt`: what `model.ts` answers to `calls.pt`."""
    torch.set_num_threads(num_threads)  # the last digits depend on it
    model = torch.jit.load(Path(folder, "model.ts"))
    calls = torch.load(Path(folder, "calls.pt"), weights_only=True)
    with torch.no_grad():
        torch.save([model(*args, **kwargs) for args, kwargs in calls], Path(folder, "found.pt"))
