"""Linear regression from scratch: tensors, backward() and a step by hand.

Run it with `rushlight run examples/linear_regression_scratch.py`, or with torch as it is.
"""

import torch


def make_data(w, b, num_examples):
    """Points on y = Xw + b, with a little noise."""
    X = torch.normal(0, 1, (num_examples, len(w)))
    y = torch.matmul(X, w) + b
    y += torch.normal(0, 0.01, y.shape)
    return X, y.reshape(-1, 1)


def batches(batch_size, features, labels):
    """All examples in random order, a batch at a time."""
    order = torch.randperm(len(features))
    for i in range(0, len(features), batch_size):
        chosen = order[i : i + batch_size]
        yield features[chosen], labels[chosen]


def linreg(X, w, b):
    return torch.matmul(X, w) + b


def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2


def sgd(params, lr, batch_size):
    """One step of minibatch stochastic gradient descent."""
    with torch.no_grad():
        for param in params:
            param -= lr * param.grad / batch_size
            param.grad.zero_()


torch.manual_seed(0)
true_w, true_b = torch.tensor([2.0, -3.4]), 4.2
features, labels = make_data(true_w, true_b, 1000)

w = torch.normal(0, 0.01, size=(2, 1), requires_grad=True)
b = torch.zeros(1, requires_grad=True)
lr, num_epochs, batch_size = 0.03, 3, 10

for epoch in range(num_epochs):
    for X, y in batches(batch_size, features, labels):
        loss = squared_loss(linreg(X, w, b), y)
        loss.sum().backward()
        sgd([w, b], lr, batch_size)
    with torch.no_grad():
        train_loss = squared_loss(linreg(features, w, b), labels).mean()
        print(f"epoch {epoch + 1}, loss {train_loss.item():.6f}")

print(f"w = {w.detach().reshape(-1).tolist()}, the truth is {true_w.tolist()}")
print(f"b = {b.item():.4f}, the truth is {true_b}")
print(
    f"largest error: {max((w.reshape(-1) - true_w).abs().max().item(), abs(b.item() - true_b)):.4f}"
)
