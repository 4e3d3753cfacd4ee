"""How sure is the accuracy? Draw the test speakers again and again."""

from alphamed_tutorials import prepare, run
from alphamed_tutorials.examples.speech_commands.scheduler import SpeechCommandsScheduler

prepare("speech_commands", "data", partition="owners", seed=1)
run(SpeechCommandsScheduler(max_rounds=2, seed=1), "data", seed=1, out="first-run")

# --8<-- [start:bootstrap]
import torch

from alphamed_tutorials.examples.speech_commands.data import WordDataset, find_clips
from alphamed_tutorials.examples.speech_commands.model import M5

model = M5().eval()
model.load_state_dict(torch.load("first-run/model.pt", weights_only=True))
test_set = WordDataset("data/nodes/aggregator", train=False)
with torch.no_grad():
    right = model(test_set.waveforms.unsqueeze(1)).argmax(1) == test_set.labels
clips = find_clips("data/nodes/aggregator", train=False)
speakers = [path.name.partition("_")[0] for path, _ in clips]


def interval(groups):
    """Draw as many groups as there are, with replacement, five hundred times."""
    names = sorted(set(groups))
    index = torch.tensor([names.index(group) for group in groups])
    hits, sizes = index[right].bincount(minlength=len(names)), index.bincount()
    draws = torch.randint(len(names), (500, len(names)))
    shares = hits[draws].sum(1) / sizes[draws].sum(1)
    low, high = shares.quantile(torch.tensor([0.025, 0.975]))
    return f"{len(names)}: {low:.3f} to {high:.3f}"


torch.manual_seed(1)
print(f"accuracy {right.float().mean():.3f}")
print("drawing speakers,", interval(speakers))
print("drawing clips,", interval(range(len(clips))))
# --8<-- [end:bootstrap]
