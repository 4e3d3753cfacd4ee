"""Read what comes down from AlphaMed: report.zip and model.pt."""

# --8<-- [start:download]
from alphamed_tutorials import prepare, run
from alphamed_tutorials.examples.mnist.scheduler import MNISTScheduler

prepare("mnist", "data", seed=1)
run(MNISTScheduler(max_rounds=3, seed=1), "data", seed=1, out="download")
# --8<-- [end:download]

# --8<-- [start:report]
import zipfile

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

zipfile.ZipFile("download/report.zip").extractall("report")
report = EventAccumulator("report/tb_logs").Reload()
for name in report.Tags()["scalars"]:
    values = [f"{event.step}: {event.value:.3f}" for event in report.Scalars(name)]
    print(name, *values)
# --8<-- [end:report]

# --8<-- [start:model]
import torch

from alphamed_tutorials.examples.mnist.model import ConvNet, Predictor

# names and tensors, no code; to the processor what was trained on a graphics card
state = torch.load("download/model.pt", weights_only=True, map_location="cpu")
for name, value in state.items():
    print(name, tuple(value.shape))

model = ConvNet()  # as build_model() makes it
model.load_state_dict(state)
torch.jit.script(Predictor(model).eval()).save("model.ts")
# --8<-- [end:model]

# --8<-- [start:use]
import torch

predictor = torch.jit.load("model.ts")  # no class of the task is needed any more
pixels = torch.zeros(1, 28, 28, dtype=torch.uint8)
pixels[0, 4:24, 13:16] = 255  # a vertical stroke
print("digit", predictor(pixels).argmax().item())
# --8<-- [end:use]
