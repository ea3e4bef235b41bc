"""A network in two halves on two processes: parts of a batch flow through it one after another.

Run it with `rushlight launch -n 2 examples/pipeline.py`, or with torchrun as it is.
"""

import math
from itertools import pairwise

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.pipelining import PipelineStage, Schedule1F1B


def spirals(num_examples):
    """Points on two spirals, and on which one each is."""
    labels = torch.randint(0, 2, (num_examples,))
    turn = torch.rand(num_examples) * 3
    angle = math.pi * (turn + labels)
    points = torch.stack([angle.cos(), angle.sin()], dim=1) * (0.3 + turn).unsqueeze(1)
    return points + 0.05 * torch.randn(num_examples, 2), labels


dist.init_process_group("gloo")
rank, size = dist.get_rank(), dist.get_world_size()

torch.manual_seed(0)  # every process makes the whole network and keeps its part
widths = [2, 64, 64, 64, 2]
layers = [
    nn.Sequential(nn.Linear(i, o), nn.ReLU()) if o != 2 else nn.Linear(i, o)
    for i, o in pairwise(widths)
]
each = len(layers) // size
part = nn.Sequential(*layers[rank * each : (rank + 1) * each])

stage = PipelineStage(part, rank, size, torch.device("cpu"))
schedule = Schedule1F1B(stage, n_microbatches=4, loss_fn=nn.CrossEntropyLoss())
trainer = torch.optim.Adam(part.parameters(), lr=0.01)

for step in range(60):
    X, y = spirals(256)
    losses = []
    trainer.zero_grad()
    scores = schedule.step(X) if rank == 0 else schedule.step(target=y, losses=losses)
    trainer.step()
    if rank == size - 1 and step % 20 == 19:
        right = (scores.argmax(dim=1) == y).float().mean().item()
        print(f"step {step + 1}, loss {sum(losses).item() / 4:.4f}, accuracy {right:.4f}")

dist.destroy_process_group()
