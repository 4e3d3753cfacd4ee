"""Export a trained model, then use it where there is neither AlphaMed nor this project."""

from pathlib import Path

from alphamed_tutorials.catalogue import find
from alphamed_tutorials.data.partition import Partition
from alphamed_tutorials.data.prepare import prepare
from alphamed_tutorials.engines.local import run_local
from alphamed_tutorials.examples.speech_commands.scheduler import SpeechCommandsScheduler

prepare(
    find("speech_commands"),
    Path("data"),
    num_nodes=3,
    partition=Partition("owners"),
    seed=1,
)
task = SpeechCommandsScheduler(max_rounds=2, merge_epochs=1, seed=1)
run = run_local(task, data="data", out="first-run", seed=1, target="speech_commands")

# --8<-- [start:export]
from alphamed_tutorials.runs.export import export

for form, outcome in export(run).items():
    print(form, outcome)
# --8<-- [end:export]

# --8<-- [start:predict]
import wave

import torch

predictor = torch.jit.load("first-run/model.ts")  # torch and a file
words = ["down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes"]
clip = sorted(Path("data/nodes/aggregator/stop").glob("*.wav"))[0]  # 16 kHz, 16 bits
with wave.open(str(clip)) as file:
    samples = torch.frombuffer(bytearray(file.readframes(16000)), dtype=torch.int16)
probability, index = predictor(samples.unsqueeze(0))[0].max(0)
print(f"{words[index]} ({probability:.0%} sure)")
# --8<-- [end:predict]

# --8<-- [start:onnx]
import onnxruntime

session = onnxruntime.InferenceSession("first-run/model.onnx")  # not even torch
print(session.run(["outputs"], {"inputs": samples.unsqueeze(0).numpy()})[0].round(2))
# --8<-- [end:onnx]
