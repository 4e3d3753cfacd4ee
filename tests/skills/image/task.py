"""train.py as a federated task: which digit is it?"""

import logging
import random
from pathlib import Path

import numpy as np
import torch
import torch.nn as nn
from alphafed.fed_avg import FedAvgScheduler
from torch.utils.data import DataLoader, Dataset

try:
    from alphafed.scheduler import DataChecker
except ImportError:  # an older SDK has none
    DataChecker = object

DATA_DIR = "/data/alphamed-federated-dataset/digits"
NUM_CLASSES = 10
MEAN, STD = 4.8951, 6.0211  # of all pixels of the three sites, from count, sum and sum of squares


def read_samples(file):
    with np.load(file, allow_pickle=False) as arrays:
        return arrays["images"].astype("float32"), arrays["labels"].astype("int64")


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
            file = Path(self.data_dir) / f"{split}.npz"
            try:
                images, labels = read_samples(file)
            except Exception as error:
                return False, f"{file}: {type(error).__name__}"
            if not len(labels) or images.shape != (len(labels), 8, 8):
                return False, f"{file}: {len(labels)} labels, images of shape {images.shape}"
            if not (0 <= images.min() < images.max() <= 16):
                return False, f"{file}: grey values must be 0 to 16, and not all the same"
            if not set(labels.tolist()) <= set(range(NUM_CLASSES)):
                return False, f"{file}: labels must be 0 to {NUM_CLASSES - 1}"
        return True, "the data are sound"


class DigitDataset(Dataset):
    def __init__(self, images, labels, transform=None):
        self.images, self.labels, self.transform = images, labels, transform

    def __len__(self):
        return len(self.images)

    def __getitem__(self, idx):
        img = torch.from_numpy((self.images[idx] - np.float32(MEAN)) / np.float32(STD))[None]
        if self.transform:
            img = self.transform(img)
        return img, int(self.labels[idx])


def random_shift(img):
    dx, dy = random.randint(-1, 1), random.randint(-1, 1)
    return torch.roll(img, (dx, dy), dims=(1, 2))


class Net(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(inplace=True), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        )  # fmt: skip
        self.dropout = nn.Dropout(0.2)
        self.fc = nn.Linear(32 * 2 * 2, num_classes)

    def forward(self, x):
        x = self.features(x)
        return self.fc(self.dropout(x.flatten(1)))


class DigitScheduler(FedAvgScheduler):
    data_dir = DATA_DIR

    def __init__(self, max_rounds=15, lr=0.05, batch_size=64, seed=42):
        super().__init__(max_rounds=max_rounds, log_rounds=1)
        self.lr, self.batch_size, self.seed = lr, batch_size, seed

    def build_model(self):
        torch.manual_seed(self.seed)
        random.seed(self.seed)  # for random_shift
        return Net(NUM_CLASSES)

    def build_optimizer(self, model):
        return torch.optim.SGD(model.parameters(), lr=self.lr, momentum=0.9, weight_decay=1e-4)

    def build_train_dataloader(self):
        samples = DigitDataset(*read_samples(Path(self.data_dir) / "train.npz"), random_shift)
        return DataLoader(samples, self.batch_size, shuffle=True, drop_last=True)

    def build_test_dataloader(self):
        return DataLoader(DigitDataset(*read_samples(Path(self.data_dir) / "test.npz")), 256)

    def train_an_epoch(self):
        self.model.train()
        for group in self.optimizer.param_groups:  # StepLR(5, 0.3), counted in rounds
            group["lr"] = self.lr * 0.3 ** ((self.current_round - 1) // 5)
        running = 0.0
        for xb, yb in self.train_loader:
            self.optimizer.zero_grad()
            loss = nn.functional.cross_entropy(self.model(xb), yb, label_smoothing=0.05)
            loss.backward()
            self.optimizer.step()
            running += loss.item()
        self.tb_writer.add_scalar("train/loss", running / len(self.train_loader), self.current_round)

    @torch.no_grad()
    def run_test(self):
        self.model.eval()
        hits = sum((self.model(xb).argmax(1) == yb).sum().item() for xb, yb in self.test_loader)
        self.tb_writer.add_scalar("test/accuracy", hits / len(self.test_loader.dataset), self.current_round)
