"""Train in one place, without federation: plain PyTorch."""

# --8<-- [start:train]
import math

import torch
import torch.nn.functional as F

from alphamed_tutorials.examples.speech_commands.data import augment, build_dataloader
from alphamed_tutorials.examples.speech_commands.model import M5


# --8<-- [start:train_an_epoch]
def train_an_epoch(model, loader, optimizer, device):
    model.train()
    for waveforms, labels in loader:
        waveforms, labels = waveforms.to(device), labels.to(device)
        optimizer.zero_grad()
        loss = F.nll_loss(model(augment(waveforms)), labels)
        loss.backward()
        optimizer.step()


# --8<-- [end:train_an_epoch]


@torch.no_grad()
def run_test(model, loader, device):
    model.eval()
    correct = 0
    for waveforms, labels in loader:
        guesses = model(waveforms.to(device)).argmax(1)
        correct += (guesses == labels.to(device)).sum().item()
    return correct / len(loader.dataset)


def train_centralised(train_dir, test_dir, num_epochs, seed):
    torch.manual_seed(seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = M5().to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005, weight_decay=1e-4)
    loader = build_dataloader(train_dir, train=True, batch_size=32)
    for epoch in range(num_epochs):
        for group in optimizer.param_groups:  # down to zero, along half a cosine
            group["lr"] = 0.005 * (1 + math.cos(math.pi * (epoch / num_epochs))) / 2
        train_an_epoch(model, loader, optimizer, device)
    test_loader = build_dataloader(test_dir, train=False, batch_size=1000)
    return model, run_test(model, test_loader, device)


# --8<-- [end:train]
