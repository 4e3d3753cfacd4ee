"""What the SDK's unweighted mean makes of unequal nodes."""

# --8<-- [start:mean]
import torch

# one parameter, as trained on 10 and on 990 digits
small, large = torch.tensor([0.0]), torch.tensor([1.0])
print("the SDK:", (small + large) / 2)
print("McMahan et al.:", (10 * small + 990 * large) / 1000)
# --8<-- [end:mean]
