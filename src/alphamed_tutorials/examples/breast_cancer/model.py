"""The network that tells malignant from benign, its loss, and how its probabilities are judged."""

# --8<-- [start:imports]
import math

import torch
import torch.nn.functional as F
from torch import nn

# --8<-- [end:imports]

# fmt: off
# --8<-- [start:constants]
# Of all hospitals' training patients, in µm and µm². They travel with the task.
MEANS = (
    14.11, 19.31, 92.03, 665.1, 0.09592, 0.1055, 0.08969, 0.04936, 0.1805, 0.0627,
    0.4089, 1.221, 2.877, 41.46, 0.006875, 0.0256, 0.03252, 0.012, 0.0204, 0.003829,
    16.31, 25.61, 107.7, 892, 0.132, 0.2523, 0.2699, 0.1145, 0.2895, 0.08403,
)
SPREADS = (
    3.541, 4.178, 24.43, 366.5, 0.01369, 0.04945, 0.07668, 0.0384, 0.02816, 0.006782,
    0.3003, 0.5563, 2.169, 52.67, 0.002728, 0.01662, 0.03067, 0.005971, 0.008227,
    0.002824, 4.872, 6.294, 34.16, 601.8, 0.02301, 0.1489, 0.1891, 0.06315, 0.06559,
    0.01807,
)
MALIGNANT_WEIGHT = 1.7  # benign training patients for each malignant one


# --8<-- [end:constants]
# fmt: on
# --8<-- [start:standardise]
def standardise(
    values: torch.Tensor, means: torch.Tensor, spreads: torch.Tensor
) -> torch.Tensor:
    """Return values [N, 30] around 0; a missing one gets the mean, which is 0."""
    return torch.where(values.isnan(), 0.0, (values - means) / spreads)


# --8<-- [end:standardise]


# --8<-- [start:model]
class NucleiNet(nn.Module):
    """Judge a breast mass by 30 measures of its cells' nuclei."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(30, 32),
            nn.BatchNorm1d(32),
            nn.ReLU(),
            nn.Linear(32, 16),
            nn.BatchNorm1d(16),
            nn.ReLU(),
            nn.Linear(16, 1),
        )

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return one logit [N] for each row of standardised values [N, 30]."""
        return self.layers(inputs).squeeze(1)


# --8<-- [end:model]


# --8<-- [start:loss]
def weighted_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the mean loss [] in which a malignant mass counts as much as 1.7 benign."""
    weight = logits.new_tensor(MALIGNANT_WEIGHT)
    return F.binary_cross_entropy_with_logits(logits, labels, pos_weight=weight)


def probabilities_of(logits: torch.Tensor) -> torch.Tensor:
    """Return probabilities of malignancy: the weight, which multiplied the odds, is taken out."""
    return torch.sigmoid(logits - math.log(MALIGNANT_WEIGHT))


# --8<-- [end:loss]


# --8<-- [start:judge]
def auc(scores: torch.Tensor, labels: torch.Tensor) -> float:
    """Return the share of pairs, malignant and benign, that are ranked rightly."""
    differences = scores[labels == 1][:, None] - scores[labels == 0]
    return (torch.sign(differences).double().mean().item() + 1) / 2  # a tie is half right


def reliability(
    probabilities: torch.Tensor, labels: torch.Tensor, bins: int = 10
) -> list[tuple[float, float, int]]:
    """Return mean probability, share of malignant, and patients of each bin that has some."""
    edges = torch.linspace(0, 1, bins + 1)[1:-1]
    places = torch.bucketize(probabilities, edges)
    groups = [(probabilities[places == i], labels[places == i]) for i in range(bins)]
    return [
        (said.mean().item(), true.mean().item(), len(said))
        for said, true in groups
        if len(said)
    ]


def calibration_error(probabilities: torch.Tensor, labels: torch.Tensor) -> float:
    """Return the expected calibration error: how far said and true shares lie apart."""
    rows = reliability(probabilities, labels)
    return sum(abs(said - true) * count for said, true, count in rows) / len(labels)


# --8<-- [end:judge]


# --8<-- [start:predictor]
class Predictor(nn.Module):
    """Answer for measures in µm and µm²; exported, with its constants and its gaps filled.

    Args:
        model: The trained network.
    """

    means: torch.Tensor
    spreads: torch.Tensor

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model
        self.register_buffer("means", torch.tensor(MEANS))
        self.register_buffer("spreads", torch.tensor(SPREADS))
        self.shift = math.log(MALIGNANT_WEIGHT)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return probabilities of malignancy [N] of values [N, 30], nan where missing."""
        logits = self.model(standardise(values, self.means, self.spreads))
        return torch.sigmoid(logits - self.shift)


# --8<-- [end:predictor]
