"""Weight decay: 200 features, 20 examples, and what a penalty on large weights does.

Run it with `rushlight run examples/weight_decay.py`, or with torch as it is.
"""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

NUM_INPUTS = 200


def make_data(num_examples):
    """Labels 0.05 + 0.01 * (sum of the features), and a little noise."""
    X = torch.randn(num_examples, NUM_INPUTS)
    y = 0.05 + 0.01 * X.sum(dim=1, keepdim=True) + 0.01 * torch.randn(num_examples, 1)
    return X, y


def train(weight_decay):
    """Fit with a penalty on the weights, not on the bias."""
    torch.manual_seed(1)
    net = nn.Linear(NUM_INPUTS, 1)
    nn.init.normal_(net.weight)
    loss = nn.MSELoss()
    trainer = torch.optim.SGD(
        [{"params": net.weight, "weight_decay": weight_decay}, {"params": net.bias}], lr=0.003
    )
    loader = DataLoader(TensorDataset(train_X, train_y), batch_size=5, shuffle=True)
    for _ in range(100):
        for X, y in loader:
            trainer.zero_grad()
            loss(net(X), y).backward()
            trainer.step()
    with torch.no_grad():
        train_loss = loss(net(train_X), train_y).item()
        test_loss = loss(net(test_X), test_y).item()
    return train_loss, test_loss, net.weight.norm().item()


torch.manual_seed(0)
train_X, train_y = make_data(20)
test_X, test_y = make_data(100)

for weight_decay in (0, 3):
    train_loss, test_loss, norm = train(weight_decay)
    print(
        f"weight decay {weight_decay}: train loss {train_loss:.4f}, "
        f"test loss {test_loss:.4f}, norm of the weights {norm:.4f}"
    )
