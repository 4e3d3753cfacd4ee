"""Export a trained model, then use it where there is neither AlphaMed nor this project."""

from alphamed_tutorials import prepare, run
from alphamed_tutorials.examples.language_modeling.scheduler import LanguageModelScheduler

prepare("language_modeling", "data", partition="owners", seed=1)
first_run = run(
    LanguageModelScheduler(max_rounds=1, seed=1), "data", seed=1, out="first-run"
)

# --8<-- [start:export]
from alphamed_tutorials import export

for form, outcome in export(first_run).items():
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
from pathlib import Path

import onnxruntime

vocabulary = json.dumps(words, ensure_ascii=False)
Path("vocabulary.json").write_text(vocabulary, encoding="utf-8")
session = onnxruntime.InferenceSession("first-run/model.onnx")  # not even torch
print(session.run(["outputs"], {"inputs": [indices]})[0].round(4)[0, :5])
# --8<-- [end:onnx]
