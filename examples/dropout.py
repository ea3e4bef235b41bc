"""Dropout: a wide network on few, partly wrong labels, with and without it.

Run it with `rushlight run examples/dropout.py`, or with torch as it is.
"""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def dropout_layer(X, p):
    """Dropout from scratch: zero a share p of the elements, scale the rest up."""
    if p == 1:
        return torch.zeros_like(X)
    mask = (torch.rand(X.shape) > p).float()
    return mask * X / (1.0 - p)


def make_data(num_examples, wrong):
    """The sign of a sum of four out of twenty features; a share of the labels is wrong."""
    X = torch.randn(num_examples, 20)
    y = (X[:, :4].sum(dim=1) > 0).long()
    flip = torch.rand(num_examples) < wrong
    return X, torch.where(flip, 1 - y, y)


def accuracy(net, X, y):
    net.eval()
    with torch.no_grad():
        return (net(X).argmax(dim=1) == y).float().mean().item()


def train(p):
    torch.manual_seed(2)
    net = nn.Sequential(
        nn.Linear(20, 256), nn.ReLU(), nn.Dropout(p),
        nn.Linear(256, 256), nn.ReLU(), nn.Dropout(p), nn.Linear(256, 2),
    )  # fmt: skip
    loss = nn.CrossEntropyLoss()
    trainer = torch.optim.Adam(net.parameters(), lr=0.001)
    loader = DataLoader(TensorDataset(train_X, train_y), batch_size=32, shuffle=True)
    for _ in range(25):
        net.train()
        for X, y in loader:
            trainer.zero_grad()
            loss(net(X), y).backward()
            trainer.step()
    return accuracy(net, train_X, train_y), accuracy(net, test_X, test_y)


torch.manual_seed(0)
X = torch.ones(1000, 100)
kept = dropout_layer(X, 0.3)
print(f"of 100,000 ones dropout(0.3) keeps {(kept > 0).float().mean().item():.3f} of them")
print(f"and their mean stays {kept.mean().item():.3f}")

train_X, train_y = make_data(300, wrong=0.2)
test_X, test_y = make_data(1000, wrong=0.0)
for p in (0.0, 0.7):
    train_accuracy, test_accuracy = train(p)
    print(f"dropout {p}: train accuracy {train_accuracy:.4f}, test accuracy {test_accuracy:.4f}")
