"""Softmax regression: a linear classifier of three clouds of points.

Run it with `rushlight run examples/softmax_regression.py`, or with torch as it is.
"""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def clouds(num_examples):
    """Points around three centres; the label says which."""
    centres = torch.tensor([[0.0, 2.0], [-2.0, -1.0], [2.0, -1.0]])
    labels = torch.randint(0, 3, (num_examples,))
    return centres[labels] + 0.7 * torch.randn(num_examples, 2), labels


torch.manual_seed(0)
train_X, train_y = clouds(1500)
test_X, test_y = clouds(500)
loader = DataLoader(TensorDataset(train_X, train_y), batch_size=50, shuffle=True)

net = nn.Linear(2, 3)
loss = nn.CrossEntropyLoss()
trainer = torch.optim.SGD(net.parameters(), lr=0.1)

for epoch in range(5):
    total = 0.0
    for X, y in loader:
        trainer.zero_grad()
        value = loss(net(X), y)
        value.backward()
        trainer.step()
        total += value.item() * len(y)
    print(f"epoch {epoch + 1}, loss {total / len(train_y):.4f}")

with torch.no_grad():
    probabilities = torch.softmax(net(test_X), dim=1)
    print("probabilities of the first three test points:")
    print(probabilities[:3])
    accuracy = (probabilities.argmax(dim=1) == test_y).float().mean().item()
print(f"test accuracy: {accuracy:.4f}")
