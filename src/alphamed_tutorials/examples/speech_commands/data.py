"""From the WAV files in a node's folder to batches of tensors."""

# --8<-- [start:imports]
from pathlib import Path

import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset
from torchaudio.functional import resample

# --8<-- [end:imports]
from .dataset_verify import list_clips, read_samples
from .model import MODEL_RATE, RECORDED_RATE, WORDS


# --8<-- [start:read_clip]
def read_clip(path: Path) -> torch.Tensor:
    """Read one clip.

    Args:
        path: A WAV file: 16,000 samples per second, one channel, 16 bits.

    Returns:
        Exactly one second of samples [16000] as they lie in the file;
        a shorter clip ends in silence.

    Raises:
        DataError: The file has another rate, more channels, or other samples.
    """
    samples = read_samples(path)
    return F.pad(samples, (0, RECORDED_RATE - len(samples)))


# --8<-- [end:read_clip]


# --8<-- [start:find_clips]
def find_clips(data_dir: str | Path, train: bool) -> list[tuple[Path, int]]:
    """Return a split's clips with their labels; `testing_list.txt` names the test set."""
    split = "train" if train else "test"
    clips = list_clips(Path(data_dir), split)
    if not clips:
        raise FileNotFoundError(f"{data_dir} holds no {split} clip: put WORD/*.wav there")
    return [(path, WORDS.index(path.parent.name)) for path in clips]


# --8<-- [end:find_clips]


# --8<-- [start:dataset]
class WordDataset(Dataset):
    """Hand out waveforms of spoken words with their labels.

    All clips are kept in memory, 32 kB each.

    Args:
        data_dir: A node's data folder: a folder for each word, in it WAV files;
            `testing_list.txt` names the test set.
        train: The clips that are not in that list if true, else those that are.
    """

    def __init__(self, data_dir: str | Path, train: bool):
        clips = find_clips(data_dir, train)
        # One by one: so many clips in one call would need several times their memory.
        self.waveforms = torch.stack(
            [
                resample(read_clip(path) / 32768, RECORDED_RATE, MODEL_RATE)
                for path, _ in clips
            ]
        )
        self.labels = torch.tensor([label for _, label in clips])

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return one waveform [1, 8000], from -1 to 1, and its label."""
        return self.waveforms[index].unsqueeze(0), self.labels[index]


def build_dataloader(data_dir: str | Path, train: bool, batch_size: int) -> DataLoader:
    """Return batches of ([N, 1, 8000], [N]), for training in a new order each epoch."""
    return DataLoader(WordDataset(data_dir, train), batch_size=batch_size, shuffle=train)


# --8<-- [end:dataset]


# --8<-- [start:augment]
def augment(waveforms: torch.Tensor) -> torch.Tensor:
    """Return each waveform [N, 1, T] as another speaker might have said it."""
    count, _, length = waveforms.shape
    draw = torch.rand(4, count, 1).to(waveforms.device) * 2 - 1  # from -1 to 1
    speed, shift = 1 + 0.15 * draw[0], 0.1 * length * draw[1]
    # Where in the old waveform each new sample lies; between two old ones take the line.
    middle = (length - 1) / 2
    steps = torch.arange(length, device=waveforms.device)
    places = (steps - middle) * speed + middle + shift  # [N, T]
    left = places.floor().long()
    part = places - left
    padded = F.pad(waveforms[:, 0], (1, 1))  # zeros at both ends, for what lies outside
    left_values = padded.gather(1, (left + 1).clamp(0, length + 1))
    right_values = padded.gather(1, (left + 2).clamp(0, length + 1))
    changed = left_values * (1 - part) + right_values * part
    gain = 2 ** draw[2]
    noise = 0.005 * (draw[3] + 1) * torch.randn(changed.shape).to(changed.device)
    return (gain * changed + noise).unsqueeze(1)


# --8<-- [end:augment]


def sample_inputs(data_dir: str | Path, count: int) -> torch.Tensor:
    """Return 16-bit samples [count, 16000] of test clips from all over the set, as `Predictor` takes them."""
    clips = find_clips(data_dir, train=False)
    return torch.stack(
        [read_clip(clips[i * len(clips) // count][0]) for i in range(count)]
    )
