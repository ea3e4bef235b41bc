"""The training steps that are measured: one definition for every framework with torch's interface.

A step is zero_grad, forward, loss, backward and SGD, as a user writes it. `Job` is one contender at
one case: all begin with the same weights and data, so that their losses can be compared.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

sys.path.append(str(Path(__file__).resolve().parent.parent))  # rushlight, if not installed

LETTERS, HIDDEN, TIMES, BATCH = 28, 256, 35, 32
WIDTH, HEADS, TOKENS = 128, 4, 64
CHANNELS = [(64, 64, 1), (64, 64, 1), (64, 128, 2), (128, 128, 1), (128, 256, 2), (256, 256, 1),
            (256, 512, 2), (512, 512, 1)]  # fmt: skip


def linear(t: Any) -> Any:
    return t.nn.Linear(2, 1)


def softmax(t: Any) -> Any:
    return t.nn.Linear(784, 10)


def mlp(t: Any) -> Any:
    n = t.nn
    return n.Sequential(n.Linear(784, 256), n.ReLU(), n.Linear(256, 10))


def lenet_of(t: Any, activation: str, pool: str) -> Any:
    n = t.nn
    act, shrink = getattr(n, activation), getattr(n, pool)
    return n.Sequential(
        n.Conv2d(1, 6, 5, padding=2), act(), shrink(2), n.Conv2d(6, 16, 5), act(), shrink(2),
        n.Flatten(), n.Linear(400, 120), act(), n.Linear(120, 84), act(), n.Linear(84, 10),
    )  # fmt: skip


def lenet(t: Any) -> Any:
    return lenet_of(t, "Sigmoid", "AvgPool2d")


def lenet_relu(t: Any) -> Any:
    return lenet_of(t, "ReLU", "MaxPool2d")


def resnet(t: Any) -> Any:
    """ResNet-18 on one channel, written out, so that no library of models is needed."""
    n, f = t.nn, t.nn.functional

    class Block(n.Module):
        def __init__(self, i: int, o: int, stride: int) -> None:
            super().__init__()
            self.c1, self.b1 = n.Conv2d(i, o, 3, stride, 1), n.BatchNorm2d(o)
            self.c2, self.b2 = n.Conv2d(o, o, 3, 1, 1), n.BatchNorm2d(o)
            self.c3 = n.Conv2d(i, o, 1, stride) if i != o else None

        def forward(self, x: Any) -> Any:
            y = self.b2(self.c2(f.relu(self.b1(self.c1(x)))))
            return f.relu(y + (x if self.c3 is None else self.c3(x)))

    stem = [n.Conv2d(1, 64, 7, 2, 3), n.BatchNorm2d(64), n.ReLU(), n.MaxPool2d(3, 2, 1)]
    head = [n.AdaptiveAvgPool2d(1), n.Flatten(), n.Linear(512, 10)]
    return n.Sequential(*stem, *(Block(*c) for c in CHANNELS), *head)


def recurrent(kind: str, t: Any) -> Any:
    """A language model of characters: one recurrent layer and an output layer."""
    n = t.nn

    class Model(n.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.out = getattr(n, kind)(LETTERS, HIDDEN), n.Linear(HIDDEN, LETTERS)

        def forward(self, x: Any) -> Any:
            return self.out(self.layer(x)[0]).reshape(-1, LETTERS)

    return Model()


class Loop:
    """The same model from scratch: tensors and a Python loop over time."""

    def __init__(self, kind: str, t: Any) -> None:
        gates = {"RNN": 1, "GRU": 3, "LSTM": 4}[kind]
        self.t, self.cell, self.long = t, getattr(self, kind.lower()), kind == "LSTM"
        self.gates = [
            [0.05 * t.randn(n, HIDDEN) for n in (LETTERS, HIDDEN)] + [t.zeros(HIDDEN)]
            for _ in range(gates)
        ]
        self.out = [0.05 * t.randn(HIDDEN, LETTERS), t.zeros(LETTERS)]
        for weight in self.parameters():
            weight.requires_grad_()

    def parameters(self) -> list[Any]:
        return [weight for gate in self.gates for weight in gate] + self.out

    def rnn(self, x: Any, h: Any, c: Any) -> Any:
        ((w, u, b),) = self.gates
        return self.t.tanh(x @ w + h @ u + b), c

    def gru(self, x: Any, h: Any, c: Any) -> Any:
        t, ((wz, uz, bz), (wr, ur, br), (wn, un, bn)) = self.t, self.gates
        z = t.sigmoid(x @ wz + h @ uz + bz)
        r = t.sigmoid(x @ wr + h @ ur + br)
        n = t.tanh(x @ wn + (r * h) @ un + bn)
        return z * h + (1 - z) * n, c

    def lstm(self, x: Any, h: Any, c: Any) -> Any:
        t, sums = self.t, [x @ w + h @ u + b for w, u, b in self.gates]
        i, f, o = (t.sigmoid(s) for s in sums[:3])
        c = f * c + i * t.tanh(sums[3])
        return o * t.tanh(c), c

    def __call__(self, x: Any) -> Any:
        t = self.t
        h, c, outputs = t.zeros(BATCH, HIDDEN), t.zeros(BATCH, HIDDEN), []
        for at in x:
            h, c = self.cell(at, h, c)
            outputs.append(h)
        w, b = self.out
        return t.cat(outputs) @ w + b


def encoder(t: Any) -> Any:
    n, f = t.nn, t.nn.functional

    class Encoder(n.Module):
        def __init__(self) -> None:
            super().__init__()
            self.q, self.o = n.Linear(WIDTH, 3 * WIDTH), n.Linear(WIDTH, WIDTH)
            self.n1, self.n2 = n.LayerNorm(WIDTH), n.LayerNorm(WIDTH)
            self.f1, self.f2 = n.Linear(WIDTH, 4 * WIDTH), n.Linear(4 * WIDTH, WIDTH)

        def forward(self, x: Any) -> Any:
            parts = self.q(x).reshape(BATCH, TOKENS, 3, HEADS, WIDTH // HEADS)
            q, k, v = parts.permute(2, 0, 3, 1, 4)
            mixed = f.scaled_dot_product_attention(q, k, v).transpose(1, 2)
            x = self.n1(x + self.o(mixed.reshape(BATCH, TOKENS, WIDTH)))
            return self.n2(x + self.f2(f.relu(self.f1(x))))

    return Encoder()


# --- data

Arrays = tuple[np.ndarray, np.ndarray]


def draws() -> np.random.Generator:
    return np.random.default_rng(0)


def real(*shape: int) -> np.ndarray:
    return draws().standard_normal(shape).astype(np.float32)


def points() -> Arrays:
    x = real(10, 2)
    return x, (x @ np.array([[2.0], [-3.4]]) + 4.2).astype(np.float32)


def classes(*shape: int) -> Arrays:
    return real(*shape), draws().integers(0, 10, shape[0])


def letters() -> Arrays:
    text = draws().integers(0, LETTERS, (TIMES + 1, BATCH))
    return np.eye(LETTERS, dtype=np.float32)[text[:-1]], text[1:].reshape(-1)


def vectors() -> Arrays:
    x, y = real(2, BATCH, TOKENS, WIDTH)
    return x, y


class Case(NamedTuple):
    """One row: a model, its data and what its compiled step is to reach over torch and jax."""

    title: str
    model: Callable[[Any], Any]
    data: Callable[[], Arrays]
    loss: str = "cross_entropy"
    over_torch: float | None = None
    over_jax: float | None = None
    tolerance: float = 1e-2  # of the largest change of any weight in three steps


_RECURRENT = f"hidden {HIDDEN}, batch {BATCH}, {TIMES} steps"
CASES = {
    "a": Case("a linear regression, 2 features, batch 10", linear, points, "mse_loss", 50, 3),
    "b": Case("b softmax regression 784-10, batch 256", softmax,
              functools.partial(classes, 256, 784), over_torch=3, over_jax=3),
    "c": Case("c MLP 784-256-10, batch 256", mlp, functools.partial(classes, 256, 784),
              over_torch=1.8, over_jax=1.5),
    "d": Case("d LeNet (sigmoid, averages), batch 256", lenet,
              functools.partial(classes, 256, 1, 28, 28), over_torch=2.5, over_jax=5),
    "lenet": Case("d LeNet (ReLU, maxima), batch 256", lenet_relu,
                  functools.partial(classes, 256, 1, 28, 28)),
    "e": Case("e ResNet-18, batch 32, 96x96", resnet, functools.partial(classes, 32, 1, 96, 96),
              over_torch=1.3, over_jax=2.5, tolerance=0.2),
    "g": Case("g encoder block d 128, 4 heads, 64 tokens, batch 32", encoder, vectors,
              "mse_loss", 1.6, 3),
}  # fmt: skip
for _kind in ("RNN", "GRU", "LSTM"):
    for _name, _make in (("", recurrent), ("-loop", Loop)):
        CASES[_kind.lower() + _name] = Case(
            f"f {'nn.' if not _name else ''}{_kind}{' from scratch' * bool(_name)}, {_RECURRENT}",
            functools.partial(_make, _kind), letters, over_torch=2, over_jax=2,
        )  # fmt: skip
ROWS = "a b c d e rnn gru lstm rnn-loop gru-loop lstm-loop g".split()


# --- contenders


def initial(case: Case) -> list[np.ndarray]:
    """The weights that everybody begins with."""
    import rushlight

    rushlight.manual_seed(0)
    return [p.detach().numpy().copy() for p in case.model(rushlight).parameters()]


class Job:
    """One contender at one case: `job()` does a step and returns the loss."""

    def __init__(self, call: Callable[[], Any], weights: Callable[[], list[np.ndarray]]) -> None:
        self.call, self.weights = call, weights
        self.compiled: Any = None  # what `rushlight.compile` returned

    def __call__(self) -> Any:
        return self.call()


def _torchlike(t: Any, case: Case, start: list[np.ndarray]) -> tuple[Any, ...]:
    model = case.model(t)
    weights = list(model.parameters())
    with t.no_grad():
        for weight, value in zip(weights, start, strict=True):
            weight.copy_(t.from_numpy(value))
    opt = t.optim.SGD(weights, lr=0.01)
    x, y = map(t.from_numpy, case.data())
    return model, getattr(t.nn.functional, case.loss), opt, weights, x, y


def eager(t: Any, case: Case, start: list[np.ndarray], wrap: Any = None) -> Job:
    """The step as it is, or handed whole to `wrap`."""
    model, criterion, opt, weights, x, y = _torchlike(t, case, start)

    def step(x: Any, y: Any) -> Any:
        opt.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        opt.step()
        return loss

    run = step if wrap is None else wrap(step)
    job = Job(lambda: run(x, y), lambda: [w.detach().numpy() for w in weights])
    job.compiled = run
    return job


def torch_compiled(case: Case, start: list[np.ndarray]) -> Job:
    """Forward pass and loss compiled (and so the backward pass), and the optimiser's step."""
    import torch

    model, criterion, opt, weights, x, y = _torchlike(torch, case, start)
    forward = torch.compile(lambda x, y: criterion(model(x), y))
    update = torch.compile(opt.step)

    def step() -> Any:
        opt.zero_grad()
        loss = forward(x, y)
        loss.backward()
        update()
        return loss

    return Job(step, lambda: [w.detach().numpy() for w in weights])


def job(variant: str, name: str, start: list[np.ndarray] | None = None) -> Job:
    """A contender by name: rushlight, compiled, numpy, torch, torch.compile, jax."""
    case = CASES[name]
    start = initial(case) if start is None else start
    if variant == "jax":
        import jax_steps

        return jax_steps.job(name, case, start)
    if variant == "torch.compile":
        return torch_compiled(case, start)
    if variant == "torch":
        import torch

        return eager(torch, case, start)
    import rushlight as rl

    if variant == "rushlight":
        return eager(rl, case, start)
    backend = {"compiled": "llvm", "numpy": "numpy"}[variant]
    return eager(rl, case, start, lambda step: rl.compile(step, backend=backend))
