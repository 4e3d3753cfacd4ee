"""Train in one place, without federation: plain PyTorch."""

# --8<-- [start:train]
import torch
import torch.nn.functional as F

from alphamed_tutorials.examples.mnist.data import build_dataloader
from alphamed_tutorials.examples.mnist.model import ConvNet


# --8<-- [start:train_an_epoch]
def train_an_epoch(model, loader, optimizer, device):
    model.train()
    for images, labels in loader:
        images, labels = images.to(device), labels.to(device)
        optimizer.zero_grad()
        loss = F.nll_loss(model(images), labels)
        loss.backward()
        optimizer.step()


# --8<-- [end:train_an_epoch]


@torch.no_grad()
def run_test(model, loader, device):
    model.eval()
    correct = 0
    for images, labels in loader:
        correct += (model(images.to(device)).argmax(1) == labels.to(device)).sum().item()
    return correct / len(loader.dataset)


def train_centralised(train_dir, test_dir, num_epochs, seed):
    torch.manual_seed(seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = ConvNet().to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.5)
    loader = build_dataloader(train_dir, train=True, batch_size=64)
    for _ in range(num_epochs):
        train_an_epoch(model, loader, optimizer, device)
    test_loader = build_dataloader(test_dir, train=False, batch_size=1000)
    return model, run_test(model, test_loader, device)


# --8<-- [end:train]
