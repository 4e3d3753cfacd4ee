"""Breast cancer ranks malignant above benign; by chance half of the pairs are right."""

from . import Contribution

CONTRIBUTION = Contribution(
    learning={"max_rounds": 10},
    has_learned=lambda run: run.metrics["test/auc"] > 0.95,
)
