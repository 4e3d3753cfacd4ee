"""A small task in which nothing is wrong."""

import torch
from alphafed.fed_avg import FedAvgScheduler
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from .samples import read_samples


class SoundScheduler(FedAvgScheduler):
    """Tell two kinds of flowers apart."""

    data_dir = "/data/flowers"

    def __init__(self, max_rounds: int = 3, learning_rate: float = 0.02, seed: int = 0):
        super().__init__(max_rounds=max_rounds, log_rounds=1)
        self.learning_rate = learning_rate
        self.seed = seed

    def build_model(self):
        torch.manual_seed(self.seed)
        return nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Dropout(0.1), nn.Linear(8, 2))

    def build_optimizer(self, model):
        return torch.optim.SGD(model.parameters(), lr=self.learning_rate, momentum=0.5)

    def build_train_dataloader(self):
        return DataLoader(read_samples(self.data_dir), batch_size=8, shuffle=True)

    def build_test_dataloader(self):
        return DataLoader(read_samples(self.data_dir), batch_size=8)

    def train_an_epoch(self):
        self.model.train()
        for inputs, labels in self.train_loader:
            self.optimizer.zero_grad()
            loss = F.cross_entropy(self.model(inputs), labels)
            loss.backward()
            self.optimizer.step()
        self.tb_writer.add_scalar("train/loss", loss.item(), self.current_round)

    @torch.no_grad()
    def run_test(self):
        self.model.eval()
        correct = sum((self.model(inputs).argmax(1) == labels).sum().item() for inputs, labels in self.test_loader)
        self.tb_writer.add_scalar("test/accuracy", correct / len(self.test_loader.dataset), self.current_round)
