"""Export a trained model, then use it where there is neither AlphaMed nor this project."""

from pathlib import Path

from alphamed_tutorials.catalogue import find
from alphamed_tutorials.data.partition import Partition
from alphamed_tutorials.data.prepare import prepare

prepare(
    find("language_modeling"),
    Path("data"),
    num_nodes=3,
    partition=Partition("owners"),
    seed=1,
)

from alphamed_tutorials.engines.local import run_local
from alphamed_tutorials.examples.language_modeling.scheduler import LanguageModelScheduler

task = LanguageModelScheduler(max_rounds=1, seed=1)
run = run_local(task, data="data", out="first-run", seed=1, target="language_modeling")

# --8<-- [start:export]
from alphamed_tutorials.runs.export import export

for form, outcome in export(run).items():
    print(form, outcome)
# --8<-- [end:export]

# --8<-- [start:predict]
import torch

predictor = torch.jit.load("first-run/model.ts")  # torch and a file
words = predictor.words  # the vocabulary is in it
text = "the name of the"
for _ in range(5):
    indices = [words.index(word) if word in words else 0 for word in text.split()]
    chances = predictor(torch.tensor([indices]))[0]
    chances[0] = 0  # never write <unk>
    text += " " + words[chances.argmax()]
print(text)
# --8<-- [end:predict]

# --8<-- [start:onnx]
import json

import onnxruntime

vocabulary = json.dumps(words, ensure_ascii=False)
Path("vocabulary.json").write_text(vocabulary, encoding="utf-8")
session = onnxruntime.InferenceSession("first-run/model.onnx")  # not even torch
print(session.run(["outputs"], {"inputs": [indices]})[0].round(4)[0, :5])
# --8<-- [end:onnx]
