"""The federated task: every node runs this class. Replace its parts by yours, from top to bottom."""

import csv
from pathlib import Path

import torch
import torch.nn.functional as F
from alphafed.fed_avg import FedAvgScheduler
from torch import nn
from torch.optim import SGD, Optimizer
from torch.utils.data import DataLoader, TensorDataset

# They travel with the task: a node that measured its own would train another model.
COLUMNS = ["age", "systolic_pressure", "glucose", "body_mass_index"]
MEANS = torch.tensor([55.0, 135.0, 6.5, 25.0])
SPREADS = torch.tensor([12.0, 18.0, 2.0, 4.0])


def read_samples(file: Path) -> TensorDataset:
    """Read one node's patients: measurements [N, 4], and 1 where diabetes was found [N]."""
    with open(file, encoding="utf-8-sig", newline="") as lines:
        rows = list(csv.DictReader(lines))
    inputs = torch.tensor([[float(row[name]) for name in COLUMNS] for row in rows])
    labels = torch.tensor([float(row["has_diabetes"]) for row in rows]).long()
    return TensorDataset((inputs - MEANS) / SPREADS, labels)


class MyTaskScheduler(FedAvgScheduler):
    """Tell from four measurements whether a patient has diabetes.

    Args:
        max_rounds: Rounds to run.
        learning_rate: Step size of SGD.
    """

    data_dir = "/data/alphamed-federated-dataset/my_task"  # on every node of AlphaMed

    def __init__(self, max_rounds: int = 10, learning_rate: float = 0.1):
        super().__init__(max_rounds=max_rounds, log_rounds=1)
        self.learning_rate = learning_rate

    def build_model(self) -> nn.Module:
        return nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))

    def build_optimizer(self, model: nn.Module) -> Optimizer:
        return SGD(model.parameters(), lr=self.learning_rate)

    def build_train_dataloader(self) -> DataLoader:
        samples = read_samples(Path(self.data_dir) / "train.csv")
        return DataLoader(samples, batch_size=32, shuffle=True)

    def build_test_dataloader(self) -> DataLoader:  # on the aggregator only
        return DataLoader(read_samples(Path(self.data_dir) / "test.csv"), batch_size=1000)

    def train_an_epoch(self) -> None:
        self.model.train()
        total_loss = 0.0
        for inputs, labels in self.train_loader:
            self.optimizer.zero_grad()
            loss = F.cross_entropy(self.model(inputs), labels)
            loss.backward()
            self.optimizer.step()
            total_loss += loss.item() * len(labels)
        mean_loss = total_loss / len(self.train_loader.dataset)
        self.tb_writer.add_scalar("train/loss", mean_loss, self.current_round)

    @torch.no_grad()
    def run_test(self) -> None:
        self.model.eval()
        correct = 0
        for inputs, labels in self.test_loader:
            correct += (self.model(inputs).argmax(1) == labels).sum().item()
        accuracy = correct / len(self.test_loader.dataset)
        self.tb_writer.add_scalar("test/accuracy", accuracy, self.current_round)
