"""Export a trained model, then use it where there is neither AlphaMed nor this project."""

from alphamed_tutorials import prepare, run
from alphamed_tutorials.examples.mnist.scheduler import MNISTScheduler

prepare("mnist", "data", seed=1)
first_run = run(MNISTScheduler(max_rounds=3, seed=1), "data", seed=1, out="runs/first")

# --8<-- [start:export]
from alphamed_tutorials import export

for form, outcome in export(first_run).items():
    print(form, outcome)
# --8<-- [end:export]

# --8<-- [start:predict]
import torch

predictor = torch.jit.load("runs/first/model.ts")  # torch and a file
pixels = torch.zeros(1, 28, 28, dtype=torch.uint8)
pixels[0, 4:24, 13:16] = 255  # a vertical stroke
probability, digit = predictor(pixels)[0].max(0)
print(f"this is a {digit} ({probability:.0%} sure)")
# --8<-- [end:predict]

# --8<-- [start:onnx]
import onnxruntime

session = onnxruntime.InferenceSession("runs/first/model.onnx")  # not even torch
print(session.run(["outputs"], {"inputs": pixels.numpy()})[0].round(3))
# --8<-- [end:onnx]
