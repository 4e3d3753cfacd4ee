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
# --8<-- [end:file]

# --8<-- [start:spectrograms]
import torch
from matplotlib.figure import Figure

figure = Figure(figsize=(8, 4), layout="constrained")
panels = iter(figure.subplots(2, 2, sharex=True, sharey=True).flat)
for word in ("yes", "stop"):
    for voice, speaker in (("low", "98fcfecc"), ("high", "c9437e9b")):
        clip = next(Path("data").glob(f"nodes/*/{word}/{speaker}_nohash_0.wav"))
        pieces = read_clip(clip).float().unfold(0, 512, 128)  # 32 ms, every 8 ms
        power = torch.fft.rfft(pieces * torch.hann_window(512)).abs().log10()
        power = power[:, :129]  # up to 4 kHz; the embedded voices have nothing above
        panel = next(panels)
        panel.imshow(
            power.T.numpy(), origin="lower", aspect="auto", extent=(0, 1, 0, 4), vmin=2
        )
        panel.set(title=f"{word}, {voice} voice", xlabel="time (s)", ylabel="kHz")
        panel.label_outer()
figure.savefig("spectrograms.png", dpi=100)
# --8<-- [end:spectrograms]

# --8<-- [start:sample]
from alphamed_tutorials.examples.speech_commands.data import (
    WordDataset,
    augment,
    build_dataloader,
)

dataset = WordDataset(node1, train=True)
waveform, label = dataset[0]
print(len(dataset), waveform.shape, waveform.dtype, label.item())

torch.manual_seed(1)  # the shuffling and the first weights below follow from it
batch, targets = next(iter(build_dataloader(node1, train=True, batch_size=32)))
print(batch.shape, targets.shape, augment(batch).shape)
# --8<-- [end:sample]
