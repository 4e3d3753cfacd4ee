"""The network that reads a handwritten digit, and its form for use outside training."""

# --8<-- [start:imports]
import torch
import torch.nn.functional as F
from torch import nn

# Of the 60,000 official training images. They travel with the task: no node measures its own.
MEAN, STD = 0.1307, 0.3081


# --8<-- [end:imports]
# --8<-- [start:model]
class ConvNet(nn.Module):
    """Classify 28×28 grey images of digits."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 10, kernel_size=5)
        self.conv2 = nn.Conv2d(10, 20, kernel_size=5)
        self.dropout = nn.Dropout2d()
        self.fc1 = nn.Linear(320, 50)
        self.fc2 = nn.Linear(50, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return log-probabilities [N, 10] of normalised images [N, 1, 28, 28]."""
        x = F.relu(F.max_pool2d(self.conv1(images), 2))  # [N, 10, 12, 12]
        x = F.relu(F.max_pool2d(self.dropout(self.conv2(x)), 2))  # [N, 20, 4, 4]
        x = x.flatten(1)  # [N, 320]
        x = F.relu(self.fc1(x))
        x = F.dropout(x, training=self.training)
        return F.log_softmax(self.fc2(x), dim=1)


# --8<-- [end:model]


# --8<-- [start:predictor]
class Predictor(nn.Module):
    """Answer for raw pixels; exported, so that nobody has to remember the normalisation.

    Args:
        model: The trained network.
    """

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model
        self.mean, self.std = (
            MEAN,
            STD,
        )  # TorchScript sees attributes, not module constants

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return probabilities [N, 10] of raw pixels [N, 28, 28], 0–255."""
        images = (pixels.unsqueeze(1).float() / 255 - self.mean) / self.std
        return self.model(images).exp()


# --8<-- [end:predictor]
