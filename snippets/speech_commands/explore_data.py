"""Follow one clip from the bytes of a WAV file to a batch of tensors."""

from alphamed_tutorials import prepare

prepare("speech_commands", "data", partition="owners", seed=1)

# --8<-- [start:speakers]
from pathlib import Path


def speakers(node):
    clips = Path("data/nodes", node).glob("*/*.wav")
    return {clip.name.split("_")[0] for clip in clips}


nodes = ["aggregator", "node1", "node2", "node3"]
print([len(speakers(node)) for node in nodes])
print(len(set.union(*map(speakers, nodes))), "speakers in all")
# --8<-- [end:speakers]

# --8<-- [start:file]
from alphamed_tutorials.examples.speech_commands.data import read_clip

node1 = Path("data/nodes/node1")
clip = sorted((node1 / "yes").glob("*.wav"))[0]
print(clip.name, clip.read_bytes()[:4], clip.stat().st_size)
samples = read_clip(clip)
print(samples.shape, samples.dtype)
for loudness in samples.float().abs().view(20, -1).mean(1):  # twenty pieces of 50 ms
    print("#" * int(loudness / 200))
# --8<-- [end:file]

# --8<-- [start:sample]
from alphamed_tutorials.examples.speech_commands.data import (
    WordDataset,
    augment,
    build_dataloader,
)

dataset = WordDataset(node1, train=True)
waveform, label = dataset[0]
print(len(dataset), waveform.shape, waveform.dtype, label.item())

batch, targets = next(iter(build_dataloader(node1, train=True, batch_size=32)))
print(batch.shape, targets.shape, augment(batch).shape)
# --8<-- [end:sample]
