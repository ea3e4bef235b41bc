"""Linear regression with a layer, a loss, an optimiser and a data loader.

Run it with `rushlight run examples/linear_regression_concise.py`, or with torch as it is.
"""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
true_w, true_b = torch.tensor([2.0, -3.4]), 4.2
features = torch.randn(1000, 2)
labels = (features @ true_w + true_b + 0.01 * torch.randn(1000)).reshape(-1, 1)
loader = DataLoader(TensorDataset(features, labels), batch_size=10, shuffle=True)

net = nn.Linear(2, 1)
loss = nn.MSELoss()
trainer = torch.optim.SGD(net.parameters(), lr=0.03)

for epoch in range(3):
    for X, y in loader:
        trainer.zero_grad()
        loss(net(X), y).backward()
        trainer.step()
    with torch.no_grad():
        print(f"epoch {epoch + 1}, loss {loss(net(features), labels).item():.6f}")

w, b = net.weight.detach().reshape(-1), net.bias.item()
print(f"w = {w.tolist()}, the truth is {true_w.tolist()}")
print(f"b = {b:.4f}, the truth is {true_b}")
print(f"largest error: {max((w - true_w).abs().max().item(), abs(b - true_b)):.4f}")
