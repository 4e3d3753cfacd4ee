"""The model as it goes home."""

from torch import Tensor, nn


class Predictor(nn.Module):
    """Return the share of each kind [N, 2] for measures [N, 3]."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, measures: Tensor) -> Tensor:
        return self.model(measures).softmax(1)
