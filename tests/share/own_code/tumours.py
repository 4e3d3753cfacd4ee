"""The same as a federated task, in one file: what is to be changed is the frame, the lines inside stay."""

import copy
import csv
import logging
from pathlib import Path

import torch
import torch.nn.functional as F
from alphafed.fed_avg import FedAvgScheduler
from alphafed.scheduler import DataChecker
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

DATA_DIR = "/data/alphamed-federated-dataset/tumours"


def read(file):
    with open(file, encoding="utf-8", newline="") as lines:
        rows = [[float(value) for value in row] for row in list(csv.reader(lines))[1:]]
    table = torch.tensor(rows)
    return TensorDataset(table[:, :-1], table[:, -1].long())


def measure(model, loader):
    model.eval()
    loss, correct, count = 0.0, 0, 0
    with torch.no_grad():
        for inputs, labels in loader:
            scores = model(inputs)
            loss += F.cross_entropy(scores, labels, reduction="sum").item()
            correct += (scores.argmax(1) == labels).sum().item()
            count += len(labels)
    return loss / count, correct / count


class TumourScheduler(FedAvgScheduler):
    data_dir = DATA_DIR

    def __init__(self, max_rounds=100, learning_rate=0.01, batch_size=32, patience=5):
        super().__init__(max_rounds=max_rounds, log_rounds=1)
        self.learning_rate, self.batch_size, self.patience = learning_rate, batch_size, patience
        self.best_loss, self.rounds_without_gain = float("inf"), 0

    def build_model(self):
        # BatchNorm first: the measurements have very different sizes.
        return nn.Sequential(nn.BatchNorm1d(30), nn.Linear(30, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 2))

    def build_optimizer(self, model):
        return torch.optim.Adam(model.parameters(), lr=self.learning_rate)

    def build_train_dataloader(self):
        samples = read(Path(self.data_dir) / "train.csv")
        return DataLoader(samples, batch_size=self.batch_size, shuffle=True, drop_last=True)

    def build_validation_dataloader(self):
        return DataLoader(read(Path(self.data_dir) / "validation.csv"), batch_size=1000)

    def build_test_dataloader(self):
        return DataLoader(read(Path(self.data_dir) / "test.csv"), batch_size=1000)

    def train_an_epoch(self):
        self.model.train()
        for inputs, labels in self.train_loader:
            self.optimizer.zero_grad()
            F.cross_entropy(self.model(inputs), labels).backward()
            self.optimizer.step()

    def run_test(self):
        loss, _ = measure(self.model, self.validation_loader)
        if loss < self.best_loss:
            self.best_loss, self.best_state, self.rounds_without_gain = loss, copy.deepcopy(self.state_dict()), 0
        else:
            self.rounds_without_gain += 1
        if self.is_task_finished():  # what is tested now is saved
            self.load_state_dict(self.best_state)
        _, accuracy = measure(self.model, self.test_loader)
        self.tb_writer.add_scalar("validation/loss", loss, self.current_round)
        self.tb_writer.add_scalar("test/accuracy", accuracy, self.current_round)

    def is_task_finished(self):
        return super().is_task_finished() or self.rounds_without_gain >= self.patience


class DatasetVerify(DataChecker):
    data_dir = DATA_DIR
    required_splits = ("train",)

    def __init__(self, task_id, current_node):
        self.task_id, self.current_node = task_id, current_node

    def run(self):
        is_sound, reason = self.verify_data()
        logging.getLogger("app").info(reason)
        return is_sound

    def verify_data(self):
        for split in self.required_splits:
            try:
                read(Path(self.data_dir) / f"{split}.csv")
            except (OSError, ValueError, IndexError) as error:
                return False, f"{self.data_dir}/{split}.csv: {error}"
        return True, "sound"
