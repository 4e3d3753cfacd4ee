"""The same program as a federated task in one file."""

# --8<-- [start:file]
# --8<-- [start:shared]
# Tell from four measurements whether a patient has diabetes, in several hospitals.
import csv
import logging
from pathlib import Path

import torch
import torch.nn.functional as F
from alphafed.fed_avg import FedAvgScheduler
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

try:
    from alphafed.scheduler import DataChecker
except ImportError:  # an older SDK has none
    DataChecker = object

DATA_DIR = "/data/alphamed-federated-dataset/diabetes"  # on every node of AlphaMed

COLUMNS = ["age", "systolic_pressure", "glucose", "body_mass_index"]
MEANS = torch.tensor([55.0, 135.0, 6.5, 25.0])
SPREADS = torch.tensor([12.0, 18.0, 2.0, 4.0])


def read_samples(file):
    with open(file, encoding="utf-8-sig", newline="") as lines:
        rows = list(csv.DictReader(lines))
    inputs = torch.tensor([[float(row[name]) for name in COLUMNS] for row in rows])
    labels = torch.tensor([int(row["has_diabetes"]) for row in rows])
    return TensorDataset((inputs - MEANS) / SPREADS, labels)


def build_network():
    return nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))


@torch.no_grad()
def measure(model, loader):
    model.eval()
    loss, correct, count = 0.0, 0, len(loader.dataset)
    for inputs, labels in loader:
        scores = model(inputs)
        loss += F.cross_entropy(scores, labels, reduction="sum").item()
        correct += (scores.argmax(1) == labels).sum().item()
    return loss / count, correct / count


# --8<-- [end:shared]


# --8<-- [start:verify]
class DatasetVerify(DataChecker):
    data_dir = DATA_DIR
    required_splits = ("train",)  # of a data owner; the aggregator needs ("test",)

    def __init__(self, task_id, current_node):
        self.task_id, self.current_node = task_id, current_node

    def run(self):
        is_sound, reason = self.verify_data()
        logging.getLogger("app").info(reason)
        return is_sound

    def verify_data(self):
        for split in self.required_splits:
            file = Path(self.data_dir) / f"{split}.csv"
            try:
                if not file.read_bytes().endswith(b"\n"):
                    return False, f"{file}: the last line is cut off, copy it again"
                inputs, labels = read_samples(file).tensors
            except Exception as error:  # whatever it is, the log shall say it
                return False, f"{file}: {error!r}"
            if not (inputs.abs() < 10).all():  # also where a value is no number
                return False, f"{file}: a value cannot be true, look at the units"
            if not set(labels.tolist()) <= {0, 1}:
                return False, f"{file}: has_diabetes must be 0 or 1"
        return True, "数据可用 the data are sound"


# --8<-- [end:verify]


# --8<-- [start:scheduler]
class DiabetesScheduler(FedAvgScheduler):  # ①
    data_dir = DATA_DIR  # ②

    def __init__(self, max_rounds=10, learning_rate=0.01, batch_size=32, seed=1):
        super().__init__(max_rounds=max_rounds, log_rounds=1)  # ③
        self.learning_rate, self.batch_size, self.seed = learning_rate, batch_size, seed

    def build_model(self):
        torch.manual_seed(self.seed)  # ④
        return build_network()

    def build_optimizer(self, model):
        return torch.optim.Adam(model.parameters(), lr=self.learning_rate)

    def build_train_dataloader(self):
        samples = read_samples(Path(self.data_dir) / "train.csv")
        return DataLoader(samples, self.batch_size, shuffle=True)

    def build_test_dataloader(self):  # ⑤
        samples = read_samples(Path(self.data_dir) / "test.csv")
        return DataLoader(samples, batch_size=1000)

    # --8<-- [start:loop]
    def train_an_epoch(self):
        self.model.train()
        for inputs, labels in self.train_loader:
            self.optimizer.zero_grad()
            loss = F.cross_entropy(self.model(inputs), labels)
            loss.backward()
            self.optimizer.step()
        # --8<-- [end:loop]

    def run_test(self):
        loss, accuracy = measure(self.model, self.test_loader)
        self.tb_writer.add_scalar("test/loss", loss, self.current_round)  # ⑥
        self.tb_writer.add_scalar("test/accuracy", accuracy, self.current_round)


# --8<-- [end:scheduler]
# --8<-- [end:file]
