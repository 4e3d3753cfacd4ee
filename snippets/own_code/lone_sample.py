"""A last batch of one row, and BatchNorm."""

# --8<-- [start:batch]
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def try_to_train(num_rows, **options):
    samples = TensorDataset(torch.randn(num_rows, 4))
    loader = DataLoader(samples, batch_size=min(32, num_rows), **options)
    model = nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16))
    try:
        for (inputs,) in loader:
            model(inputs)
    except ValueError as error:
        return error
    return f"batches: {len(loader)}"


print(try_to_train(33))  # 32 rows, and one is left over
print(try_to_train(33, drop_last=True))
print(try_to_train(20, drop_last=True))  # without min() there would be no batch at all
# --8<-- [end:batch]
