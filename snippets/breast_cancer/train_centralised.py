"""Train in one place, without federation: plain PyTorch."""

# --8<-- [start:train]
import copy

import torch

from alphamed_tutorials.examples.breast_cancer.data import (
    PatientDataset,
    build_dataloader,
)
from alphamed_tutorials.examples.breast_cancer.model import (
    NucleiNet,
    auc,
    probabilities_of,
    weighted_loss,
)


# --8<-- [start:train_an_epoch]
def train_an_epoch(model, loader, optimizer, device):
    model.train()
    for inputs, labels in loader:
        inputs, labels = inputs.to(device), labels.to(device)
        optimizer.zero_grad()
        loss = weighted_loss(model(inputs), labels)
        loss.backward()
        optimizer.step()


# --8<-- [end:train_an_epoch]


@torch.no_grad()
def answer(model, dataset, device):
    model.eval()
    return model(dataset.inputs.to(device)).cpu(), dataset.labels


def train_centralised(train_dir, test_dir, num_epochs, seed, patience=5):
    torch.manual_seed(seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = NucleiNet().to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
    loader = build_dataloader(train_dir, "train", batch_size=16)
    validation = PatientDataset(test_dir, "validation")
    best_loss, tests_without_gain = float("inf"), 0
    for _ in range(num_epochs):
        train_an_epoch(model, loader, optimizer, device)
        loss = weighted_loss(*answer(model, validation, device)).item()
        if loss < best_loss:
            best_loss, tests_without_gain = loss, 0
            best_state = copy.deepcopy(model.state_dict())
        else:
            tests_without_gain += 1
        if tests_without_gain >= patience:
            break
    model.load_state_dict(best_state)
    logits, labels = answer(model, PatientDataset(test_dir, "test"), device)
    return model, auc(probabilities_of(logits), labels)


# --8<-- [end:train]
