"""train.py as a federated task: is a tumour malignant?"""

import copy
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

DATA_DIR = "/data/alphamed-federated-dataset/tumours"

# Column: mean and spread, from count, sum and sum of squares that the three hospitals told.
COLUMNS = {
    "mean radius": (14.09, 3.456),
    "mean texture": (19.26, 4.049),
    "mean perimeter": (91.66, 23.77),
    "mean area": (651.3, 351.9),
    "mean smoothness": (0.0962, 0.01382),
    "mean compactness": (0.1019, 0.04921),
    "mean concavity": (0.08561, 0.07716),
    "mean concave points": (0.04755, 0.03759),
    "mean symmetry": (0.1802, 0.02548),
    "mean fractal dimension": (0.06257, 0.00708),
    "radius error": (0.4033, 0.2994),
    "texture error": (1.206, 0.5609),
    "perimeter error": (2.841, 2.15),
    "area error": (40.68, 51.62),
    "smoothness error": (0.007039, 0.003197),
    "compactness error": (0.02434, 0.01702),
    "concavity error": (0.03092, 0.03087),
    "concave points error": (0.01143, 0.005955),
    "symmetry error": (0.01999, 0.007523),
    "fractal dimension error": (0.003718, 0.002887),
    "worst radius": (16.22, 4.801),
    "worst texture": (25.61, 5.924),
    "worst perimeter": (106.8, 33.24),
    "worst area": (876.9, 576.4),
    "worst smoothness": (0.1323, 0.02244),
    "worst compactness": (0.2461, 0.1456),
    "worst concavity": (0.2642, 0.1958),
    "worst concave points": (0.1122, 0.0631),
    "worst symmetry": (0.2878, 0.05585),
    "worst fractal dimension": (0.0832, 0.01761),
}
MEANS, SPREADS = torch.tensor(list(COLUMNS.values())).T
POSITIVE_WEIGHT = torch.tensor(213 / 127)  # benign for each malignant, of all hospitals


def read_samples(file):
    with open(file, encoding="utf-8-sig", newline="") as lines:
        rows = list(csv.DictReader(lines))
    inputs = torch.tensor([[float(row[name]) for name in COLUMNS] for row in rows])
    labels = torch.tensor([float(row["malignant"]) for row in rows])
    return TensorDataset((inputs - MEANS) / SPREADS, labels)


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
        names = [
            name for split in self.required_splits for name in ((split, "validation") if split == "test" else (split,))
        ]
        for name in names:
            file = Path(self.data_dir) / f"{name}.csv"
            try:
                if not file.read_bytes().endswith(b"\n"):
                    return False, f"{file}: the last line is cut off"
                inputs, labels = read_samples(file).tensors
            except Exception as error:  # its kind alone: its text may quote a patient's value
                return False, f"{file}: {type(error).__name__}"
            if not len(labels):
                return False, f"{file}: holds no tumour"
            if not (inputs.abs() < 20).all():
                return False, f"{file}: a value cannot be true, look at the units"
            if not set(labels.tolist()) <= {0, 1}:
                return False, f"{file}: malignant must be 0 or 1"
        return True, "the data are sound"


class MLP(nn.Module):
    def __init__(self, d_in):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(d_in, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.3),
            nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 1),
        )  # fmt: skip

    def forward(self, x):
        return self.net(x).squeeze(1)


def loss_of(scores, labels):
    return F.binary_cross_entropy_with_logits(scores, labels, pos_weight=POSITIVE_WEIGHT)


def area_under_curve(scores, labels):
    """Return how often a malignant tumour scores higher than a benign one: the nodes may have no scikit-learn."""
    pairs = scores[labels == 1][:, None] - scores[labels == 0][None]
    return ((pairs > 0).float() + 0.5 * (pairs == 0).float()).mean().item()


class TumourScheduler(FedAvgScheduler):
    data_dir = DATA_DIR

    def __init__(self, max_rounds=60, learning_rate=3e-3, batch_size=32, patience=8, seed=1234):
        super().__init__(max_rounds=max_rounds, log_rounds=1)
        self.learning_rate, self.batch_size, self.patience, self.seed = learning_rate, batch_size, patience, seed
        self.best_loss, self.rounds_without_gain = float("inf"), 0

    def build_model(self):
        torch.manual_seed(self.seed)
        return MLP(len(COLUMNS))

    def build_optimizer(self, model):
        return torch.optim.Adam(model.parameters(), lr=self.learning_rate, weight_decay=1e-3)

    def build_train_dataloader(self):
        samples = read_samples(Path(self.data_dir) / "train.csv")
        return DataLoader(samples, self.batch_size, shuffle=True, drop_last=True)

    def build_validation_dataloader(self):
        return DataLoader(read_samples(Path(self.data_dir) / "validation.csv"), 1000)

    def build_test_dataloader(self):
        return DataLoader(read_samples(Path(self.data_dir) / "test.csv"), 1000)

    def train_an_epoch(self):
        self.model.train()
        for group in self.optimizer.param_groups:  # halved twice, instead of when the validation loss stands still
            group["lr"] = self.learning_rate * 0.5 ** (3 * (self.current_round - 1) // self.max_rounds)
        for inputs, labels in self.train_loader:
            self.optimizer.zero_grad()
            loss = loss_of(self.model(inputs), labels)
            loss.backward()
            self.optimizer.step()

    @torch.no_grad()
    def measure(self, loader):
        self.model.eval()
        inputs, labels = loader.dataset.tensors
        scores = self.model(inputs)
        return loss_of(scores, labels).item(), area_under_curve(scores, labels)

    def run_test(self):
        loss, _ = self.measure(self.validation_loader)
        self.tb_writer.add_scalar("validation/loss", loss, self.current_round)
        if loss < self.best_loss:
            self.best_loss, self.rounds_without_gain = loss, 0
            self.best_state = copy.deepcopy(self.state_dict())
        else:
            self.rounds_without_gain += 1
        if self.is_task_finished():  # what is tested now is what is saved
            self.load_state_dict(self.best_state)
        _, area = self.measure(self.test_loader)
        self.tb_writer.add_scalar("test/auc", area, self.current_round)

    def is_task_finished(self):
        return super().is_task_finished() or self.rounds_without_gain >= self.patience
