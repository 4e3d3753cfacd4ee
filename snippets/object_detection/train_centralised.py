"""Train in one place, without federation: plain PyTorch."""

# --8<-- [start:train]
import math

import torch
from torch import nn

from alphamed_tutorials.examples.object_detection.data import (
    PooledEvaluation,
    build_dataloader,
)
from alphamed_tutorials.examples.object_detection.model import build_model


# --8<-- [start:train_an_epoch]
def train_an_epoch(model, loader, optimizer, device, step_sizes):
    model.train()
    for images, targets in loader:
        images = [image.to(device) for image in images]
        targets = [
            {name: value.to(device) for name, value in target.items()}
            for target in targets
        ]
        for group in optimizer.param_groups:
            group["lr"] = next(step_sizes)
        losses = model(images, targets)
        loss = sum(losses.values())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()


# --8<-- [end:train_an_epoch]


@torch.no_grad()
def run_test(model, loader, device):
    model.eval()
    evaluation = PooledEvaluation()
    for images, targets in loader:
        outputs = model([image.to(device) for image in images])
        for target, output in zip(targets, outputs):
            evaluation.add(target, output)
    return evaluation.average_precision()


def schedule(learning_rate, num_epochs, steps_per_epoch, warmup_steps=20):
    for step in range(num_epochs * steps_per_epoch):
        share = (step // steps_per_epoch) / num_epochs
        warmup = min(1.0, (step + 1) / warmup_steps)
        yield learning_rate * warmup * (1 + math.cos(math.pi * share)) / 2


def train_centralised(
    train_dir, test_dir, num_epochs, seed, min_size=256, learning_rate=0.001
):
    torch.manual_seed(seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = build_model("lite0", min_size, weights="package").to(device)
    parameters = [each for each in model.parameters() if each.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=learning_rate)
    loader = build_dataloader(train_dir, train=True, batch_size=2)
    step_sizes = schedule(learning_rate, num_epochs, len(loader))
    for _ in range(num_epochs):
        train_an_epoch(model, loader, optimizer, device, step_sizes)
    test_loader = build_dataloader(test_dir, train=False, batch_size=1)
    return model, run_test(model, test_loader, device)


# --8<-- [end:train]
