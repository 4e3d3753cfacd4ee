"""Classify 8x8 digits with a small CNN.  Usage: python train.py --epochs 15"""

import argparse
import random

import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch.utils.data import DataLoader, Dataset

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"

digits = load_digits()
X_train, X_test, y_train, y_test = train_test_split(
    digits.images.astype("float32"), digits.target, test_size=0.2, random_state=42, stratify=digits.target
)
MEAN, STD = X_train.mean(), X_train.std()


class DigitDataset(Dataset):
    def __init__(self, images, labels, transform=None):
        self.images, self.labels, self.transform = images, labels, transform

    def __len__(self):
        return len(self.images)

    def __getitem__(self, idx):
        img = torch.from_numpy((self.images[idx] - MEAN) / STD)[None]
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


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--lr", type=float, default=0.05)
    parser.add_argument("--batch-size", type=int, default=64)
    args = parser.parse_args()

    torch.manual_seed(42)
    np.random.seed(42)
    random.seed(42)

    num_classes = len(np.unique(y_train))
    model = Net(num_classes).to(DEVICE)
    opt = torch.optim.SGD(model.parameters(), lr=args.lr, momentum=0.9, weight_decay=1e-4)
    sched = torch.optim.lr_scheduler.StepLR(opt, step_size=5, gamma=0.3)
    criterion = nn.CrossEntropyLoss(label_smoothing=0.05)
    train_dl = DataLoader(DigitDataset(X_train, y_train, random_shift), args.batch_size, shuffle=True)
    test_dl = DataLoader(DigitDataset(X_test, y_test), 256)

    best = 0.0
    for epoch in range(args.epochs):
        model.train()
        running = 0.0
        for xb, yb in train_dl:
            xb, yb = xb.to(DEVICE), yb.to(DEVICE)
            opt.zero_grad()
            loss = criterion(model(xb), yb)
            loss.backward()
            opt.step()
            running += loss.item()
        sched.step()

        model.eval()
        hits = 0
        with torch.no_grad():
            for xb, yb in test_dl:
                hits += (model(xb.to(DEVICE)).argmax(1).cpu() == yb).sum().item()
        acc = hits / len(y_test)
        print(f"epoch {epoch + 1:2d}  loss {running / len(train_dl):.4f}  acc {acc:.4f}")
        if acc > best:
            best = acc
            torch.save(model.state_dict(), "best.pt")
    print("best acc", best)


if __name__ == "__main__":
    main()
