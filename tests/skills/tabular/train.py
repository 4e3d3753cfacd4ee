#!/usr/bin/env python
# Breast cancer (Wisconsin) with an MLP. AUC with early stopping.
import copy

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

SEED = 1234
PATIENCE = 8
MAX_EPOCHS = 60


def set_seed(seed):
    np.random.seed(seed)
    torch.manual_seed(seed)


def get_data():
    X, y = load_breast_cancer(return_X_y=True)
    y = 1 - y  # 1 = malignant
    X_tr, X_te, y_tr, y_te = train_test_split(X, y, test_size=0.25, random_state=SEED, stratify=y)
    X_tr, X_va, y_tr, y_va = train_test_split(X_tr, y_tr, test_size=0.2, random_state=SEED, stratify=y_tr)
    scaler = StandardScaler().fit(X_tr)
    to_tensor = lambda a, b: TensorDataset(  # noqa: E731
        torch.tensor(scaler.transform(a), dtype=torch.float32), torch.tensor(b, dtype=torch.float32)
    )
    return to_tensor(X_tr, y_tr), to_tensor(X_va, y_va), to_tensor(X_te, y_te)


class MLP(nn.Module):
    def __init__(self, d_in):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(d_in, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.3),
            nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 1),
        )  # fmt: skip

    def forward(self, x):
        return self.net(x).squeeze(1)


@torch.no_grad()
def evaluate(model, ds, loss_fn):
    model.eval()
    x, y = ds.tensors
    logits = model(x)
    return loss_fn(logits, y).item(), roc_auc_score(y.numpy(), torch.sigmoid(logits).numpy())


def train():
    set_seed(SEED)
    ds_tr, ds_va, ds_te = get_data()
    pos = ds_tr.tensors[1].sum()
    neg = len(ds_tr) - pos
    loss_fn = nn.BCEWithLogitsLoss(pos_weight=neg / pos)
    model = MLP(ds_tr.tensors[0].shape[1])
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3, weight_decay=1e-3)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=3, factor=0.5)
    loader = DataLoader(ds_tr, batch_size=32, shuffle=True)

    best_loss, best_state, wait = float("inf"), None, 0
    for epoch in range(MAX_EPOCHS):
        model.train()
        for xb, yb in loader:
            optimizer.zero_grad()
            loss = loss_fn(model(xb), yb)
            loss.backward()
            optimizer.step()
        va_loss, va_auc = evaluate(model, ds_va, loss_fn)
        scheduler.step(va_loss)
        print(f"[{epoch:02d}] val loss {va_loss:.4f} auc {va_auc:.4f}")
        if va_loss < best_loss:
            best_loss, best_state, wait = va_loss, copy.deepcopy(model.state_dict()), 0
        else:
            wait += 1
            if wait >= PATIENCE:
                break
    model.load_state_dict(best_state)
    _, auc = evaluate(model, ds_te, loss_fn)
    print("test AUC", round(auc, 4))
    return model, auc


if __name__ == "__main__":
    train()
