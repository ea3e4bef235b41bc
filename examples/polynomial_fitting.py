"""Under- and overfitting: polynomials of three degrees on points of a cubic.

Run it with `rushlight run examples/polynomial_fitting.py`, or with torch as it is.
"""

import math

import torch
from torch import nn

MAX_DEGREE = 20


def make_data(num_examples):
    """x, x^2/2!, x^3/3!, ... for random x, and the noisy value of a cubic."""
    true_w = torch.zeros(MAX_DEGREE)
    true_w[:4] = torch.tensor([5.0, 1.2, -3.4, 5.6])
    x = torch.randn(num_examples, 1)
    powers = x ** torch.arange(MAX_DEGREE).reshape(1, -1)
    features = powers / torch.tensor([math.factorial(i) for i in range(MAX_DEGREE)])
    labels = features @ true_w + 0.1 * torch.randn(num_examples)
    return features, labels.reshape(-1, 1)


def fit(num_terms):
    """Train on the first `num_terms` powers; the losses on training and on new points."""
    net = nn.Linear(num_terms, 1, bias=False)
    loss = nn.MSELoss()
    trainer = torch.optim.LBFGS(net.parameters(), max_iter=300, line_search_fn="strong_wolfe")

    def closure():
        trainer.zero_grad()
        value = loss(net(train_X[:, :num_terms]), train_y)
        value.backward()
        return value

    for _ in range(5):
        trainer.step(closure)
    with torch.no_grad():
        train_loss = loss(net(train_X[:, :num_terms]), train_y).item()
        test_loss = loss(net(test_X[:, :num_terms]), test_y).item()
    return train_loss, test_loss, net.weight.detach().reshape(-1)


torch.manual_seed(0)
train_X, train_y = make_data(20)
test_X, test_y = make_data(200)

for name, num_terms in (("underfitting", 2), ("right", 4), ("overfitting", 20)):
    train_loss, test_loss, weight = fit(num_terms)
    print(f"{name} ({num_terms} terms): train loss {train_loss:.4f}, test loss {test_loss:.4f}")
    if name == "right":
        print(f"  weights {[round(value, 2) for value in weight.tolist()]}")
