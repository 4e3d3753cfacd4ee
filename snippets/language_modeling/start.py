"""Import what the page about the program explains, for the page that makes it federated."""

# --8<-- [start:parts]
from alphamed_tutorials.examples.language_modeling.dataset_verify import (
    DataError,
    check_split,
    shown,
)

# --8<-- [end:parts]
