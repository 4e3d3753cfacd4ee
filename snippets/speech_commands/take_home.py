"""Export a trained model, then use it where there is neither AlphaMed nor this project."""

from alphamed_tutorials import prepare, run
from alphamed_tutorials.examples.speech_commands.scheduler import SpeechCommandsScheduler

prepare("speech_commands", "data", partition="owners", seed=1)
first_run = run(
    SpeechCommandsScheduler(max_rounds=1, merge_epochs=1, seed=1),
    "data",
    seed=1,
    out="first-run",
)

# --8<-- [start:export]
from alphamed_tutorials import export

for form, outcome in export(first_run).items():
    print(form, outcome)
# --8<-- [end:export]

# --8<-- [start:predict]
import wave
from pathlib import Path

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
