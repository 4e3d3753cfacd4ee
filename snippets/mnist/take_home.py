"""Export a trained model, then use it where there is neither AlphaMed nor this project."""

from pathlib import Path

from alphamed_tutorials.catalogue import find
from alphamed_tutorials.data.partition import Partition
from alphamed_tutorials.data.prepare import prepare
from alphamed_tutorials.engines.local import run_local
from alphamed_tutorials.examples.mnist.scheduler import MNISTScheduler

prepare(find("mnist"), Path("data"), num_nodes=3, partition=Partition(), seed=1)
run = run_local(
    MNISTScheduler(max_rounds=3, seed=1),
    data="data",
    out="first-run",
    seed=1,
    target="mnist",
)

# --8<-- [start:export]
from alphamed_tutorials.runs.export import export

for form, outcome in export(run).items():
    print(form, outcome)
# --8<-- [end:export]

# --8<-- [start:predict]
import torch

predictor = torch.jit.load("first-run/model.ts")  # torch and a file
pixels = torch.zeros(1, 28, 28, dtype=torch.uint8)
pixels[0, 4:24, 13:16] = 255  # a vertical stroke
probability, digit = predictor(pixels)[0].max(0)
print(f"this is a {digit} ({probability:.0%} sure)")
# --8<-- [end:predict]

# --8<-- [start:onnx]
import onnxruntime

session = onnxruntime.InferenceSession("first-run/model.onnx")  # not even torch
print(session.run(["outputs"], {"inputs": pixels.numpy()})[0].round(3))
# --8<-- [end:onnx]
