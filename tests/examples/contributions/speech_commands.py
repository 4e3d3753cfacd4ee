"""Speech learns the words of the embedded voices; chance is a tenth."""

from . import Contribution

CONTRIBUTION = Contribution(
    learning={"max_rounds": 6, "merge_epochs": 4},
    has_learned=lambda run: run.metrics["test/accuracy"] > 0.5,
    unnoticed=frozenset({"missing"}),
)
