"""Import what the page about the program explains, for the page that makes it federated."""

# --8<-- [start:parts]
from alphamed_tutorials.examples.mnist.dataset_verify import (
    DataError,
    check_split,
    shown,
)
from alphamed_tutorials.examples.mnist.model import MEAN, STD

# --8<-- [end:parts]
