"""Use what a node's page gives once its task is over: metrics, report, model."""

# --8<-- [start:get]
from alphamed_tutorials import export, prepare, run

prepare("mnist", "data", num_nodes=2)
export(run("mnist", "data", num_rounds=3, seed=1, out="downloads"))
# --8<-- [end:get]

# --8<-- [start:metrics]
import csv

with open("downloads/metrics.csv", encoding="utf-8") as file:
    for row in csv.DictReader(file):
        if row["name"] == "test/accuracy":
            print(
                f"round {row['round']}: {float(row['value']):.1%} of the test digits are right"
            )
# --8<-- [end:metrics]

# --8<-- [start:report]
import zipfile

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

zipfile.ZipFile("downloads/report.zip").extractall("report")
report = EventAccumulator("report/tb_logs").Reload()
print(report.Tags()["scalars"])
# --8<-- [end:report]

# --8<-- [start:torchscript]
import torch

predictor = torch.jit.load("downloads/model.ts")  # torch and a file, no class of the task
pixels = torch.zeros(1, 28, 28, dtype=torch.uint8)
pixels[0, 4:24, 13:16] = 255  # a vertical stroke
print("digit", predictor(pixels).argmax().item())
# --8<-- [end:torchscript]

# --8<-- [start:onnx]
import onnxruntime

session = onnxruntime.InferenceSession("downloads/model.onnx")  # not even torch
print("digit", session.run(["outputs"], {"inputs": pixels.numpy()})[0].argmax())
# --8<-- [end:onnx]
