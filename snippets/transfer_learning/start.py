"""Import what the page about the program explains, for the page that makes it federated."""

# --8<-- [start:parts]
from torch import nn

from alphamed_tutorials.examples.transfer_learning.dataset_verify import (
    DataError,
    check_split,
    shown,
)
from alphamed_tutorials.examples.transfer_learning.model import CLASSES, crop_centre

# --8<-- [end:parts]
