"""Tell malignant from benign tumours by 30 measurements: a plain program, as a reader brings it."""

import copy
import csv
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

LEARNING_RATE, BATCH_SIZE, MAX_EPOCHS, PATIENCE = 0.01, 32, 100, 5


def read(file):
    with open(file, encoding="utf-8", newline="") as lines:
        rows = [[float(value) for value in row] for row in list(csv.reader(lines))[1:]]
    table = torch.tensor(rows)
    return TensorDataset(table[:, :-1], table[:, -1].long())


def measure(model, loader):
    model.eval()
    loss, correct, count = 0.0, 0, 0
    with torch.no_grad():
        for inputs, labels in loader:
            scores = model(inputs)
            loss += F.cross_entropy(scores, labels, reduction="sum").item()
            correct += (scores.argmax(1) == labels).sum().item()
            count += len(labels)
    return loss / count, correct / count


folder = Path(sys.argv[1])
torch.manual_seed(0)
train_loader = DataLoader(read(folder / "train.csv"), batch_size=BATCH_SIZE, shuffle=True, drop_last=True)
validation_loader = DataLoader(read(folder / "validation.csv"), batch_size=1000)
test_loader = DataLoader(read(folder / "test.csv"), batch_size=1000)

# BatchNorm first: the measurements have very different sizes.
model = nn.Sequential(nn.BatchNorm1d(30), nn.Linear(30, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)

best_loss, best_model, epochs_without_gain = float("inf"), None, 0
for _epoch in range(MAX_EPOCHS):
    model.train()
    for inputs, labels in train_loader:
        optimizer.zero_grad()
        F.cross_entropy(model(inputs), labels).backward()
        optimizer.step()
    loss, _ = measure(model, validation_loader)
    if loss < best_loss:
        best_loss, best_model, epochs_without_gain = loss, copy.deepcopy(model), 0
    else:
        epochs_without_gain += 1
    if epochs_without_gain == PATIENCE:
        break
loss, accuracy = measure(best_model, test_loader)
print(f"test accuracy {accuracy:.4f}")
