"""Import what the page about the program explains, for the page that makes it federated."""

# --8<-- [start:parts]
from alphamed_tutorials.examples.speech_commands.dataset_verify import (
    DataError,
    check_split,
    shown,
)
from alphamed_tutorials.examples.speech_commands.model import WORDS

# --8<-- [end:parts]
