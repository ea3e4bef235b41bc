"""LeNet learns to tell strokes apart on several processes, each with its part of every batch.

Run it with `rushlight launch -n 2 examples/data_parallel.py`, or with torchrun as it is; with
`rushlight run examples/data_parallel.py` one process comes to the same accuracy.
"""

import os

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data.distributed import DistributedSampler

NAMES = ["horizontal", "vertical", "falling", "rising"]


def strokes(num_examples):
    """Pictures of 20x20 with one stroke of eight pixels each."""
    pictures = 0.3 * torch.randn(num_examples, 1, 20, 20)
    labels = torch.randint(0, 4, (num_examples,))
    corners = torch.randint(0, 12, (num_examples, 2))
    steps = torch.arange(8)
    for i in range(num_examples):
        label = labels[i].item()
        rows = torch.full((8,), 4) if label == 0 else steps
        columns = torch.full((8,), 4) if label == 1 else steps
        if label == 3:
            columns = 7 - steps
        pictures[i, 0, corners[i, 0] + rows, corners[i, 1] + columns] += 1.5
    return pictures, labels


def lenet():
    """The network of LeCun and others (1998) for small pictures."""
    return nn.Sequential(
        nn.Conv2d(1, 6, kernel_size=5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, kernel_size=5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64, 84), nn.ReLU(), nn.Linear(84, len(NAMES)),
    )  # fmt: skip


several = "WORLD_SIZE" in os.environ  # what the launcher sets
if several:
    dist.init_process_group("gloo")
rank, size = (dist.get_rank(), dist.get_world_size()) if several else (0, 1)

torch.manual_seed(0)  # all make the same data; each trains on its share
train_X, train_y = strokes(640)
test_X, test_y = strokes(200)
train_set = TensorDataset(train_X, train_y)
sampler = DistributedSampler(train_set, size, rank)
loader = DataLoader(train_set, batch_size=32 // size, sampler=sampler)

net = lenet()
model = DistributedDataParallel(net) if several else net
loss = nn.CrossEntropyLoss()
trainer = torch.optim.Adam(model.parameters(), lr=0.006)

for epoch in range(4):
    sampler.set_epoch(epoch)
    for X, y in loader:
        trainer.zero_grad()
        loss(model(X), y).backward()
        trainer.step()
    with torch.no_grad():
        right = (net(test_X).argmax(dim=1) == test_y).float()
    if rank == 0:
        print(f"epoch {epoch + 1}, test accuracy: {right.mean().item():.4f}")

if several:
    dist.destroy_process_group()
