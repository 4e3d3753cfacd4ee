"""Make toy patients for three hospitals and the aggregator."""

# --8<-- [start:toy]
from alphamed_tutorials import new

new("toy")
# --8<-- [end:toy]
