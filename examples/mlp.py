"""A multilayer perceptron separates three spirals, which no linear classifier can.

Run it with `rushlight run examples/mlp.py`, or with torch as it is.
"""

import math

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def spirals(per_class):
    """Three arms that wind around each other."""
    parts, labels = [], []
    for arm in range(3):
        radius = torch.linspace(0.1, 1, per_class)
        angle = 4 * radius + arm * 2 * math.pi / 3 + 0.15 * torch.randn(per_class)
        parts.append(torch.stack([radius * torch.cos(angle), radius * torch.sin(angle)], dim=1))
        labels.append(torch.full((per_class,), arm, dtype=torch.long))
    return torch.cat(parts), torch.cat(labels)


def accuracy(net, X, y):
    with torch.no_grad():
        return (net(X).argmax(dim=1) == y).float().mean().item()


def train(net, lr, num_epochs):
    loader = DataLoader(TensorDataset(train_X, train_y), batch_size=60, shuffle=True)
    loss = nn.CrossEntropyLoss()
    trainer = torch.optim.Adam(net.parameters(), lr=lr)
    for _ in range(num_epochs):
        for X, y in loader:
            trainer.zero_grad()
            loss(net(X), y).backward()
            trainer.step()
    return accuracy(net, test_X, test_y)


torch.manual_seed(0)
train_X, train_y = spirals(300)
test_X, test_y = spirals(100)

linear = nn.Linear(2, 3)
print(f"linear classifier, test accuracy: {train(linear, 0.05, 20):.4f}")

mlp = nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 3))
print(mlp)
print(f"multilayer perceptron, test accuracy: {train(mlp, 0.01, 40):.4f}")
