"""Import what the page about the program explains, for the page that makes it federated."""

# --8<-- [start:parts]
import torch

from alphamed_tutorials.examples.breast_cancer.dataset_verify import (
    DataError,
    check_split,
    shown,
)
from alphamed_tutorials.examples.breast_cancer.model import MEANS, SPREADS, standardise

# --8<-- [end:parts]
