"""Transfer learning learns its embedded tiles; chance is a half."""

from . import Contribution

CONTRIBUTION = Contribution(
    loading={"freeze_backbone": False},
    learning={"max_rounds": 3},
    has_learned=lambda run: run.metrics["test/accuracy"] >= 0.9,
    unnoticed=frozenset({"missing"}),
)
