"""The reader's ordinary program, before anything is federated."""

if __name__ == "__main__":
    from alphamed_tutorials import new

    new("toy")

# --8<-- [start:file]
# --8<-- [start:reading]
# Tell from four measurements whether a patient has diabetes.
import csv

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

TRAIN_FILE = "toy/data/hospital_c/train.csv"
TEST_FILE = "toy/data/aggregator/test.csv"
NUM_EPOCHS, BATCH_SIZE, LEARNING_RATE, SEED = 10, 32, 0.01, 1

COLUMNS = ["age", "systolic_pressure", "glucose", "body_mass_index"]
MEANS = torch.tensor([55.0, 135.0, 6.5, 25.0])
SPREADS = torch.tensor([12.0, 18.0, 2.0, 4.0])


def read_samples(file):
    with open(file, encoding="utf-8-sig", newline="") as lines:
        rows = list(csv.DictReader(lines))
    inputs = torch.tensor([[float(row[name]) for name in COLUMNS] for row in rows])
    labels = torch.tensor([int(row["has_diabetes"]) for row in rows])
    return TensorDataset((inputs - MEANS) / SPREADS, labels)


def build_network():
    return nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))


# --8<-- [end:reading]
# --8<-- [start:training]
# --8<-- [start:loop]
def train_an_epoch(model, loader, optimizer):
    model.train()
    for inputs, labels in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(inputs), labels)
        loss.backward()
        optimizer.step()
    # --8<-- [end:loop]


@torch.no_grad()
def measure(model, loader):
    model.eval()
    loss, correct, count = 0.0, 0, len(loader.dataset)
    for inputs, labels in loader:
        scores = model(inputs)
        loss += F.cross_entropy(scores, labels, reduction="sum").item()
        correct += (scores.argmax(1) == labels).sum().item()
    return loss / count, correct / count


# --8<-- [end:training]
# --8<-- [start:main]
def main():
    torch.manual_seed(SEED)
    model = build_network()
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    train_loader = DataLoader(read_samples(TRAIN_FILE), BATCH_SIZE, shuffle=True)
    test_loader = DataLoader(read_samples(TEST_FILE), batch_size=1000)
    for _ in range(NUM_EPOCHS):
        train_an_epoch(model, train_loader, optimizer)
    loss, accuracy = measure(model, test_loader)
    print(f"loss {loss:.3f}, accuracy {accuracy:.3f}")
    torch.save(model.state_dict(), "plain.pt")


if __name__ == "__main__":
    main()
# --8<-- [end:main]
# --8<-- [end:file]
