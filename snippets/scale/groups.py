"""Average in groups first: the same mean, if the mean of each group counts by its size."""

# --8<-- [start:groups]
import torch

owners = torch.randn(10, 4, generator=torch.Generator().manual_seed(1))
groups = owners.split([2, 3, 5])
means = torch.stack([group.mean(0) for group in groups])
sizes = torch.tensor([len(group) for group in groups])

flat = owners.mean(0)
by_size = (sizes[:, None] * means).sum(0) / sizes.sum()
print(f"by size, off by    {(by_size - flat).abs().max():.7f}")
print(f"unweighted, off by {(means.mean(0) - flat).abs().max():.7f}")
# --8<-- [end:groups]
