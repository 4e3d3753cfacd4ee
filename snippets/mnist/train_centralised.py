"""The plain PyTorch program: all digits in one place, no federation."""

from pathlib import Path

from alphamed_tutorials.examples import find
from alphamed_tutorials.examples.mnist.data import build_dataloader
from alphamed_tutorials.examples.mnist.model import ConvNet
from alphamed_tutorials.partition import Partition
from alphamed_tutorials.preparation import prepare

# --8<-- [start:train]
import torch
import torch.nn.functional as F
from torch.optim import SGD


def train_an_epoch(model, loader, optimizer, device):
    model.train()
    for images, labels in loader:
        images, labels = images.to(device), labels.to(device)
        optimizer.zero_grad()
        loss = F.nll_loss(model(images), labels)
        loss.backward()
        optimizer.step()


@torch.no_grad()
def run_test(model, loader, device):
    model.eval()
    correct = 0
    for images, labels in loader:
        images, labels = images.to(device), labels.to(device)
        correct += (model(images).argmax(1) == labels).sum().item()
    return correct / len(loader.dataset)


def train_centralised(train_dir, test_dir, num_epochs, seed):
    torch.manual_seed(seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = ConvNet().to(device)
    optimizer = SGD(model.parameters(), lr=0.05, momentum=0.5)
    train_loader = build_dataloader(train_dir, train=True, batch_size=64)
    test_loader = build_dataloader(test_dir, train=False, batch_size=1000)
    for epoch in range(num_epochs):
        train_an_epoch(model, train_loader, optimizer, device)
    return model, run_test(model, test_loader, device)
# --8<-- [end:train]


# --8<-- [start:main]
prepare(find("mnist"), Path("data-in-one-place"), nodes=1, source=None, partition=Partition(), seed=1)
nodes = Path("data-in-one-place/nodes")
model, accuracy = train_centralised(nodes / "node1", nodes / "aggregator", num_epochs=5, seed=1)
print(f"centralised: accuracy {accuracy:.3f}")
# --8<-- [end:main]
