"""A task that trains next to nothing: what remains is what the playground takes."""

import torch
from alphafed.fed_avg import FedAvgScheduler
from torch.utils.data import DataLoader


class Trivial(FedAvgScheduler):
    """Takes one step on one number."""

    def build_model(self):
        return torch.nn.Linear(1, 1)

    def build_optimizer(self, model):
        return torch.optim.SGD(model.parameters(), lr=0.1)

    def build_train_dataloader(self):
        return DataLoader(torch.ones(1, 1))

    build_test_dataloader = build_train_dataloader

    def train_an_epoch(self):
        for batch in self.train_loader:
            self.optimizer.zero_grad()
            self.model(batch).square().mean().backward()
            self.optimizer.step()

    def run_test(self):
        self.tb_writer.add_scalar("weight", self.model.weight.item(), self.current_round)
