"""Loss curves: compiled training follows eager training, whatever the net, rule and loop."""

from __future__ import annotations

import importlib.util
import warnings
from typing import Any

import numpy as np
import pytest

import rushlight as torch

nn, F, optim = torch.nn, torch.nn.functional, torch.optim
BACKENDS = ["numpy"] + (["llvm"] if importlib.util.find_spec("llvmlite") else [])


class Recurrent(nn.Module):
    def __init__(self, kind: Any) -> None:
        super().__init__()
        self.cell, self.out = kind(4, 5, batch_first=True), nn.Linear(5, 2)

    def forward(self, x: Any) -> Any:
        return self.out(self.cell(x)[0][:, -1])


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.1, batch_first=True)
        self.out = nn.Linear(4, 2)

    def forward(self, x: Any) -> Any:
        return self.out(self.layer(x).mean(1))


NETS = {
    "linear": (lambda: nn.Linear(4, 2), (4,)),
    "mlp": (
        lambda: nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Dropout(0.2), nn.Linear(6, 2)),
        (4,),
    ),
    "lstm": (lambda: Recurrent(nn.LSTM), (3, 4)),
    "gru": (lambda: Recurrent(nn.GRU), (3, 4)),
    "block": (Block, (3, 4)),
    "conv": (lambda: nn.Sequential(nn.Conv2d(1, 3, 3, bias=False), nn.BatchNorm2d(3), nn.ReLU(),
                                   nn.Flatten(), nn.Linear(48, 2)), (1, 6, 6)),
}  # fmt: skip
RULES = {
    "sgd": lambda p: optim.SGD(p, lr=0.05),
    "momentum": lambda p: optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=0.01),
    "adam": lambda p: optim.Adam(p, lr=0.01),
    "adamw": lambda p: optim.AdamW(p, lr=0.01, weight_decay=0.1),
}
SCHEDULES = {
    "step": lambda o: optim.lr_scheduler.StepLR(o, 3, 0.5),
    "cosine": lambda o: optim.lr_scheduler.CosineAnnealingLR(o, 8),
    "warm-up": lambda o: optim.lr_scheduler.LambdaLR(o, lambda k: min(1.0, (k + 1) / 4)),
}


def curve(name: str, rule: str, schedule: str, way: str, backend: str | None) -> list[float]:
    """Losses of two epochs: micro-batches, clipping, a smaller last batch, a look at eval mode."""
    torch.manual_seed(3)
    make, shape = NETS[name]
    net = make()
    opt = RULES[rule](net.parameters())
    rates = SCHEDULES[schedule](opt)
    rows = torch.randn(18, *shape)
    wanted = torch.randn(18, 2)

    def step(parts: Any, targets: Any) -> Any:
        opt.zero_grad()
        total = 0.0
        for x, y in zip(parts, targets):
            loss = F.mse_loss(run(x), y) / len(parts)
            loss.backward()
            total = total + loss.detach()
        nn.utils.clip_grad_norm_(net.parameters(), 0.5)
        opt.step()
        return total

    run, update = net, step
    if backend is not None and way == "whole":
        update = torch.compile(step, backend=backend)
    elif backend is not None:
        run = torch.compile(net, backend=backend)
    losses = []
    for _ in range(2):
        net.train()
        for first in (0, 4, 8, 12, 16):
            x, y = rows[first : first + 4], wanted[first : first + 4]
            losses.append(float(update(list(x.split(2)), list(y.split(2)))))
            rates.step()
        net.eval()
        with torch.no_grad():
            losses.append(float(F.mse_loss(run(rows), wanted)))
    return [*losses, float(torch.rand(()))]


CASES = [
    (name, rule, list(SCHEDULES)[(i + j) % 3], way)
    for i, name in enumerate(NETS) for j, rule in enumerate(RULES) for way in ("whole", "module")
]  # fmt: skip


def check(case: tuple[str, str, str, str], backend: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted, found = curve(*case, None), curve(*case, backend)
    assert np.isfinite(wanted).all()
    np.testing.assert_allclose(found, wanted, rtol=3e-4, atol=3e-5)


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_curves_of_training_by_numpy(case: tuple[str, str, str, str]) -> None:
    check(case, "numpy")


@pytest.mark.skipif("llvm" not in BACKENDS, reason="needs llvmlite")
@pytest.mark.parametrize("case", CASES[1::5], ids="-".join)
def test_curves_of_native_training(case: tuple[str, str, str, str]) -> None:
    check(case, "llvm")
