"""The SDK's mean, and the one of the FedAvg paper."""

# --8<-- [start:means]
import torch

patients = torch.tensor([200.0, 300.0, 400.0])
parameter = torch.tensor([1.0, 2.0, 6.0])  # of one entry, as each hospital trained it
print(f"the SDK: {parameter.mean():.3f}")
print(f"the paper: {(patients * parameter).sum() / patients.sum():.3f}")
# --8<-- [end:means]
