"""LeNet learns to tell strokes by their direction, wherever they are in a noisy picture.

Run it with `rushlight run examples/lenet.py`, or with torch as it is. To train LeNet on
handwritten digits: `rushlight train lenet`.
"""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

NAMES = ["horizontal", "vertical", "falling", "rising"]


def strokes(num_examples):
    """Pictures of 28x28 with one stroke of eight pixels each."""
    pictures = 0.3 * torch.randn(num_examples, 1, 28, 28)
    labels = torch.randint(0, 4, (num_examples,))
    corners = torch.randint(0, 20, (num_examples, 2))
    steps = torch.arange(8)
    for i in range(num_examples):
        label = labels[i].item()
        rows = torch.full((8,), 4) if label == 0 else steps
        columns = torch.full((8,), 4) if label == 1 else steps
        if label == 3:
            columns = 7 - steps
        pictures[i, 0, corners[i, 0] + rows, corners[i, 1] + columns] += 1.5
    return pictures, labels


class LeNet(nn.Module):
    """The network of LeCun and others (1998), with ReLU and maximum pooling."""

    def __init__(self, num_classes):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 6, kernel_size=5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(6, 16, kernel_size=5), nn.ReLU(), nn.MaxPool2d(2),
        )  # fmt: skip
        self.classifier = nn.Sequential(
            nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(),
            nn.Linear(84, num_classes),
        )  # fmt: skip

    def forward(self, X):
        return self.classifier(self.features(X))


torch.manual_seed(0)
train_X, train_y = strokes(1600)
test_X, test_y = strokes(400)
loader = DataLoader(TensorDataset(train_X, train_y), batch_size=32, shuffle=True)

net = LeNet(len(NAMES))
loss = nn.CrossEntropyLoss()
trainer = torch.optim.Adam(net.parameters(), lr=0.002)

for epoch in range(5):
    net.train()
    for X, y in loader:
        trainer.zero_grad()
        loss(net(X), y).backward()
        trainer.step()
    net.eval()
    with torch.no_grad():
        right = net(test_X).argmax(dim=1) == test_y
    print(f"epoch {epoch + 1}, test accuracy: {right.float().mean().item():.4f}")

for label, name in enumerate(NAMES):
    print(f"{name}: {right[test_y == label].float().mean().item():.4f}")
