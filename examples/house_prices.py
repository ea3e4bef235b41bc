"""House prices (Ames, Iowa; the Kaggle competition) with K-fold cross-validation.

Run it with `RUSHLIGHT_DATA=folder rushlight run examples/house_prices.py`, or with torch as it is;
folder/house_prices must hold kaggle_house_pred_train.csv (http://d2l-data.s3-accelerate.amazonaws.com).
"""

import csv
import os
import sys

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

FOLDER = os.path.join(os.environ.get("RUSHLIGHT_DATA", "data"), "house_prices")
PATH = os.path.join(FOLDER, "kaggle_house_pred_train.csv")


def number(text):
    try:
        return float(text)
    except ValueError:
        return None


def column_features(values):
    """A numeric column standardised, missing as the mean; any other as one column per value."""
    present = [value for value in values if value not in ("NA", "")]
    if all(number(value) is not None for value in present):
        known = torch.tensor([number(value) for value in present])
        mean, std = known.mean().item(), known.std().item()
        return [[((number(v) - mean) / std) if number(v) is not None else 0.0 for v in values]]
    return [[float(v == kind) for v in values] for kind in sorted(set(values))]


def load():
    with open(PATH, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    columns = []
    for name in rows[0]:
        if name not in ("Id", "SalePrice"):
            columns += column_features([row[name] for row in rows])
    prices = torch.tensor([float(row["SalePrice"]) for row in rows])
    return torch.tensor(columns).T.contiguous(), torch.log(prices).reshape(-1, 1)


def log_rmse(net, X, y):
    """Root mean square of the error of log(price): relative errors count alike."""
    with torch.no_grad():
        return torch.sqrt(nn.functional.mse_loss(net(X), y)).item()


def train(X, y, num_epochs=40, lr=0.02, batch_size=64):
    """A linear model of log(price), trained with a falling learning rate."""
    net = nn.Linear(X.shape[1], 1)
    nn.init.zeros_(net.weight)
    nn.init.constant_(net.bias, y.mean().item())
    trainer = torch.optim.Adam(net.parameters(), lr=lr, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(trainer, num_epochs)
    for _ in range(num_epochs):
        for batch, target in DataLoader(TensorDataset(X, y), batch_size, shuffle=True):
            trainer.zero_grad()
            nn.functional.mse_loss(net(batch), target).backward()
            trainer.step()
        schedule.step()
    return net


if not os.path.exists(PATH):
    sys.exit(f"house prices: there is no {PATH}; set RUSHLIGHT_DATA to the folder that holds it")
torch.manual_seed(0)
X, y = load()
print(f"{len(X)} houses, {X.shape[1]} features")
folds, errors = torch.randperm(len(X)).chunk(5), []
for k, held_out in enumerate(folds):
    rest = torch.cat([fold for i, fold in enumerate(folds) if i != k])
    net = train(X[rest], y[rest])
    errors.append(log_rmse(net, X[held_out], y[held_out]))
    print(f"fold {k + 1}: train {log_rmse(net, X[rest], y[rest]):.4f}, held out {errors[-1]:.4f}")
print(f"mean log rmse over 5 folds: {sum(errors) / 5:.4f}")
