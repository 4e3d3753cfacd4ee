"""Import what the page about the program explains, for the page that makes it federated."""

# --8<-- [start:parts]
from alphamed_tutorials.examples.object_detection.dataset_verify import (
    DataError,
    check_split,
    shown,
)
from alphamed_tutorials.examples.object_detection.model import find_coco_weights

# --8<-- [end:parts]
