"""Train in one place, without federation: plain PyTorch."""

# --8<-- [start:train]
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader

from alphamed_tutorials.examples.transfer_learning.data import (
    PictureDataset,
    extract_features,
)
from alphamed_tutorials.examples.transfer_learning.model import Classifier


# --8<-- [start:train_an_epoch]
def train_an_epoch(trained, loader, optimizer, device):
    trained.train()
    for inputs, labels in loader:
        inputs, labels = inputs.to(device), labels.to(device)
        optimizer.zero_grad()
        loss = F.cross_entropy(trained(inputs), labels)
        loss.backward()
        optimizer.step()


# --8<-- [end:train_an_epoch]


@torch.no_grad()
def run_test(trained, loader, device):
    trained.eval()
    correct = 0
    for inputs, labels in loader:
        correct += (trained(inputs.to(device)).argmax(1).cpu() == labels).sum().item()
    return correct / len(loader.dataset)


def train_centralised(
    train_dir, test_dir, num_epochs, seed, freeze_backbone=True, learning_rate=0.001
):
    torch.manual_seed(seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = Classifier("efficientnet_lite0", train_dir)
    model.to(device, memory_format=torch.channels_last)
    trained = model.head if freeze_backbone else model
    optimizer = torch.optim.SGD(trained.parameters(), lr=learning_rate, momentum=0.9)

    dataset = PictureDataset(train_dir, "train", augment=not freeze_backbone)
    if freeze_backbone:
        dataset = extract_features(model, dataset, device)
    loader = DataLoader(dataset, batch_size=8, shuffle=True)
    for _ in range(num_epochs):
        train_an_epoch(trained, loader, optimizer, device)

    test_dataset = PictureDataset(test_dir, "val", augment=False)
    return model, run_test(model, DataLoader(test_dataset, batch_size=8), device)


# --8<-- [end:train]
