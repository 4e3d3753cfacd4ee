"""MNIST learns its embedded digits; chance is a tenth."""

from . import Contribution

CONTRIBUTION = Contribution(
    learning={"max_rounds": 10},
    has_learned=lambda run: run.metrics["test/accuracy"] > 0.7,
)
