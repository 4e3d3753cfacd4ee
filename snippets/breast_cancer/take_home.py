"""Export a trained model, then use it where there is neither AlphaMed nor this project."""

from alphamed_tutorials import prepare, run
from alphamed_tutorials.examples.breast_cancer.scheduler import BreastCancerScheduler

prepare("breast_cancer", "data", partition="owners", seed=1)
first_run = run(BreastCancerScheduler(seed=1), "data", seed=1, out="runs/first")

# --8<-- [start:export]
from alphamed_tutorials import export

for form, outcome in export(first_run).items():
    print(form, outcome)
# --8<-- [end:export]

# --8<-- [start:predict]
import torch

predictor = torch.jit.load("runs/first/model.ts")  # torch and a file
measures = """
14.1 19.3  92.0 665 0.096 0.106 0.090 0.049 0.181 0.063
0.41 1.22  2.88  42 0.007 0.026 0.033 0.012 0.020 0.004
16.3 25.6 107.7 892 0.132 0.252 0.270 0.115 0.290 0.084
"""  # mean, error, worst; lengths in µm, areas in µm²
patient = torch.tensor([[float(number) for number in measures.split()]])
with_gaps = patient.clone()
with_gaps[0, [3, 13, 23]] = float("nan")  # nobody measured areas
in_mm = patient.clone()
in_mm[:, [0, 2, 10, 12, 20, 22]] /= 1000
in_mm[:, [3, 13, 23]] /= 1000**2
for name, values in (("µm", patient), ("gaps", with_gaps), ("mm, unnoticed", in_mm)):
    print(f"{name}: malignant with {predictor(values).item():.1%}")
# --8<-- [end:predict]
