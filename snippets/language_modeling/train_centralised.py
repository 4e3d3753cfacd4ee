"""Train in one place, without federation: plain PyTorch."""

# --8<-- [start:train]
import math

import torch
import torch.nn.functional as F
from torch import nn

from alphamed_tutorials.examples.language_modeling.data import (
    build_dataloader,
    read_words,
)
from alphamed_tutorials.examples.language_modeling.model import TransformerModel


# --8<-- [start:train_an_epoch]
def train_an_epoch(model, loader, optimizer, device):
    model.train()
    for tokens, targets in loader:
        tokens, targets = tokens.to(device), targets.to(device)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(tokens).flatten(0, 1), targets.flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()


# --8<-- [end:train_an_epoch]


@torch.no_grad()
def run_test(model, loader, device):
    model.eval()
    total_loss, count = 0.0, 0
    for tokens, targets in loader:
        tokens, targets = tokens.to(device), targets.to(device)
        scores = model(tokens).flatten(0, 1)
        total_loss += F.cross_entropy(scores, targets.flatten(), reduction="sum").item()
        count += targets.numel()
    return math.exp(total_loss / count)  # perplexity


def train_centralised(train_dir, test_dir, num_epochs, seed):
    torch.manual_seed(seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    words = read_words()
    model = TransformerModel(words).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    loader = build_dataloader(train_dir, "train", words)
    for _ in range(num_epochs):
        train_an_epoch(model, loader, optimizer, device)
    return model, run_test(model, build_dataloader(test_dir, "test", words), device)


# --8<-- [end:train]
