"""How many clips of each test speaker the model hears right; only recorded results need this, it is not uploaded."""

from collections import Counter
from typing import Any

import torch

from .data import find_clips
from .dataset_verify import speaker_of


@torch.no_grad()
def outcomes(scheduler: Any) -> list[tuple[int, int]]:
    """Return (clips heard right, clips) for each test speaker: one speaker's clips are not independent."""
    heard = []
    for waveforms, labels in scheduler.test_loader:
        heard += (scheduler.model(waveforms).argmax(1) == labels).tolist()
    speakers = [
        speaker_of(path) for path, _ in find_clips(scheduler.data_dir, train=False)
    ]
    right: Counter[str] = Counter()
    total = Counter(speakers)
    for speaker, is_right in zip(speakers, heard, strict=True):
        right[speaker] += is_right
    return [(right[speaker], total[speaker]) for speaker in sorted(total)]
