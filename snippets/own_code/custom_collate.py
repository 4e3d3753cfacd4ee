"""A collate function for samples of unequal length."""

# --8<-- [start:collate]
import torch
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader

MAX_VISITS = 6  # travels with the task


def collate(batch):  # at the top level of the file
    visits = [visits[:MAX_VISITS] for visits, _ in batch]
    lengths = torch.tensor([len(each) for each in visits])
    labels = torch.tensor([label for _, label in batch])
    return pad_sequence(visits, batch_first=True), lengths, labels


patients = [(torch.ones(2), 0), (torch.ones(9), 1), (torch.ones(4), 0)]
inputs, lengths, labels = next(
    iter(DataLoader(patients, batch_size=3, collate_fn=collate))
)
print(inputs, lengths)
print("mean with the padding in", inputs.mean(1))
print("mean of what was measured", inputs.sum(1) / lengths)
# --8<-- [end:collate]
