"""The network that hears a spoken word, and its form for use outside training."""

# --8<-- [start:imports]
import torch
import torch.nn.functional as F
from torch import nn
from torchaudio.transforms import Resample

# Class 0, class 1, …: the list travels with the task, no node makes its own.
WORDS = ("down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes")
RECORDED_RATE, MODEL_RATE = 16000, 8000  # samples a second: in files, in the model
# --8<-- [end:imports]


# --8<-- [start:model]
class M5(nn.Module):
    """Classify one second of sound from its raw waveform (M5 of Dai et al. 2016).

    Args:
        num_classes: How many words there are.
        channels: Filters of the first two layers; the last two have twice as many.
    """

    def __init__(self, num_classes: int = len(WORDS), channels: int = 32):
        super().__init__()
        self.conv1 = nn.Conv1d(
            1, channels, kernel_size=80, stride=16
        )  # 80 samples: 10 ms
        self.bn1 = nn.BatchNorm1d(channels)
        self.conv2 = nn.Conv1d(channels, channels, kernel_size=3)
        self.bn2 = nn.BatchNorm1d(channels)
        self.conv3 = nn.Conv1d(channels, 2 * channels, kernel_size=3)
        self.bn3 = nn.BatchNorm1d(2 * channels)
        self.conv4 = nn.Conv1d(2 * channels, 2 * channels, kernel_size=3)
        self.bn4 = nn.BatchNorm1d(2 * channels)
        self.fc1 = nn.Linear(2 * channels, num_classes)

    def forward(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Return log-probabilities [N, num_classes] of waveforms [N, 1, 8000]."""
        x = F.max_pool1d(F.relu(self.bn1(self.conv1(waveforms))), 4)  # [N, 32, 124]
        x = F.max_pool1d(F.relu(self.bn2(self.conv2(x))), 4)  # [N, 32, 30]
        x = F.max_pool1d(F.relu(self.bn3(self.conv3(x))), 4)  # [N, 64, 7]
        x = F.max_pool1d(F.relu(self.bn4(self.conv4(x))), 4)  # [N, 64, 1]
        x = x.mean(2)  # over time: [N, 64]
        return F.log_softmax(self.fc1(x), dim=1)


# --8<-- [end:model]


# --8<-- [start:predictor]
class Predictor(nn.Module):
    """Answer for samples as they lie in a file; exported, so that no caller resamples.

    Args:
        model: The trained network.
    """

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model
        self.resample = Resample(RECORDED_RATE, MODEL_RATE)

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        """Return probabilities [N, 10] of 16-bit samples [N, 16000]."""
        waveforms = self.resample(samples.float() / 32768)
        return self.model(waveforms.unsqueeze(1)).exp()


# --8<-- [end:predictor]
