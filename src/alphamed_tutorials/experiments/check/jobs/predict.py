"""Predict with a TorchScript file where torch and torchvision are, and nothing of the task or of ours."""

from pathlib import Path

import torch
import torchvision  # noqa: F401  (brings operators that detectors call)


def main(folder: str, num_threads: int) -> None:
    """Write `found.pt`: what `model.ts` predicts of `inputs.pt`."""
    torch.set_num_threads(num_threads)  # the last digits depend on it
    model = torch.jit.load(Path(folder, "model.ts"))
    inputs = torch.load(Path(folder, "inputs.pt"), weights_only=True)
    outputs = [model(one) for one in inputs] if isinstance(inputs, list) else model(inputs)
    torch.save(outputs, Path(folder, "found.pt"))
