"""Layers, losses, products and draws whose numbers change: one program for all calls."""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rushlight as torch

sys.path.insert(0, str(Path(__file__).parent))
from worlds import F, alike, backends

EACH: Any = torch
X = torch.linspace(-2, 2, 12).reshape(3, 4)
Y = torch.linspace(-1, 1.5, 12).reshape(3, 4)
W = torch.linspace(-1, 1, 16).reshape(4, 4)
LABELS = torch.tensor([0, 2, 1])
SIGNS = torch.tensor([1, -1, 1])
Said = dict[str, Callable[[Any, float], Any]]

SAID: Said = {
    "products": lambda x, k: torch.addmm(x, x, W, beta=k, alpha=2 * k) + x.addmm(x, W, alpha=k),
    "batches": lambda x, k: torch.baddbmm(x[None], x[None], W[None], beta=k, alpha=k),
    "sums": lambda x, k: (
        torch.addbmm(x, x[None], W[None], alpha=k) + torch.addr(x, Y[:, 0], W[0], beta=k)
    ),
    "vectors": lambda x, k: torch.addmv(x[:, 0], x, W[0], beta=k, alpha=0.5),
    "in place": lambda x, k: (x * 1).addmm_(x, W, beta=k, alpha=k).add_(Y, alpha=k),
    "the other way round": lambda x, k: torch.rsub(x, Y, alpha=k) + torch.sub(x, Y, alpha=k),
    "rows": lambda x, k: x.index_add(0, LABELS, Y * x, alpha=k),
    "softplus": lambda x, k: F.softplus(x, beta=k),
    "elu": lambda x, k: F.elu(x, alpha=k) + F.celu(x, k) + F.elu(x * 1, k, inplace=True),
    "slopes": lambda x, k: F.leaky_relu(x * 1, k, inplace=True) + F.rrelu(x, 0.1, 0.1 + k),
    "thresholds": lambda x, k: F.threshold(x, k, k / 2) + F.hardtanh(x, -k, 2 * k),
    "shrunk": lambda x, k: F.hardshrink(x, k) + 2 * F.softshrink(x, k),
    "huber": lambda x, k: F.huber_loss(x, Y, delta=k) + F.huber_loss(x, Y, "none", k),
    "smooth": lambda x, k: F.smooth_l1_loss(x, Y, beta=k, reduction="sum"),
    "smoothed labels": lambda x, k: F.cross_entropy(x, LABELS, label_smoothing=k / 4),
    "smoothed chances": lambda x, k: F.cross_entropy(x, Y.softmax(1), label_smoothing=k / 4),
    "attention": lambda x, k: F.scaled_dot_product_attention(x[None], x[None], Y[None], scale=k),
    "normalized": lambda x, k: F.normalize(x, eps=k) + F.cosine_similarity(x, Y, eps=k)[:, None],
    "margins": lambda x, k: (
        F.triplet_margin_loss(x, Y, 2 * x, margin=k)
        + F.margin_ranking_loss(x, Y, Y.sign(), margin=k)
    ),
    "more margins": lambda x, k: (
        F.hinge_embedding_loss(x, Y.sign(), k) + F.multi_margin_loss(x, LABELS, margin=k)
    ),
    "cosines": lambda x, k: F.cosine_embedding_loss(x, Y, SIGNS, margin=k / 4),
    "likelihoods": lambda x, k: (
        F.gaussian_nll_loss(x, Y, Y.abs(), eps=k) + F.poisson_nll_loss(x.abs(), Y, False, eps=k)
    ),
    "padded": lambda x, k: F.pad(x, (1, 2, 0, 1), value=k) * 2,
    "remainders": lambda x, k: torch.fmod(x, k) + torch.xlogy(x.detach(), k),
    "each": lambda x, k: EACH._foreach_mul([x, Y], k)[0] + EACH._foreach_lerp([x], [Y], k)[0],
    "each in place": lambda x, k: EACH._foreach_addcdiv_([x * 1], [Y], [Y], k)[0],
    "in a line": lambda x, k: torch.linspace(0, k, 4) * x + torch.linspace(k, 2 * k, 3)[:, None],
    "as a tensor": lambda x, k: (
        torch.as_tensor(k) * x + x.new_tensor([k, 1, 2, k]) + torch.scalar_tensor(k)
    ),
    "nested": lambda x, k: x @ x.new_tensor([[math.cos(k), k], [0, -k], [3, 4], [k, 5.5]]),
    "of two": lambda x, k: torch.where(x > 0, k, -2 * k) * x,
    "clipped": lambda x, k: _clipped(x, k),
    "in whole numbers": lambda x, k: (
        x * int(k * 10) + x * round(k, 1) + math.floor(3 * k) - math.ceil(k)
    ),
}  # fmt: skip
VALUES = [0.5, 0.25, 1.5, 0.1, 3.0, 0.7, 2.0, 0.3]


def _clipped(x: Any, k: float) -> Any:
    leaves = [(x * 2).detach().requires_grad_(), Y.clone().requires_grad_()]
    torch.stack([(leaf * leaf).sum() for leaf in leaves]).sum().backward()
    norm = torch.nn.utils.clip_grad_norm_(leaves, k)
    torch.nn.utils.clip_grad_value_(leaves, 0.5 * k)
    return leaves[0].grad + leaves[1].grad + norm


def _with_slopes(function: Callable[[Any, float], Any], k: float) -> Any:
    x = X.clone().requires_grad_()
    y = function(x, k)
    if not y.requires_grad:
        return [y.tolist()]
    y.square().sum().backward()
    return [y.tolist(), (x.grad + 0.0).tolist()]


@backends
@pytest.mark.parametrize("name", SAID)
def test_one_program_serves_all_numbers(name: str, backend: str) -> None:
    compiled = torch.compile(SAID[name], backend=backend)
    for k in VALUES:
        alike(_with_slopes(compiled, k), _with_slopes(SAID[name], k))
    assert len(compiled.programs) == 1 and not compiled.reasons


@backends
@pytest.mark.parametrize("name", SAID)
def test_numbers_that_are_yet_to_come(name: str, backend: str) -> None:
    def step(x: Any, k: Any) -> Any:
        return SAID[name](x, k.sum().item() / 2)

    compiled = torch.compile(step, backend=backend)
    for k in VALUES:
        given = torch.tensor([k, k])
        with warnings.catch_warnings():  # shapes and whole numbers ask for it
            warnings.simplefilter("ignore")
            alike(compiled(X, given).tolist(), step(X, given).tolist())


EDGES: Said = {
    "hardtanh": lambda x, k: F.hardtanh(x, -k, k),
    "threshold": lambda x, k: F.threshold(x, k, 3 * k),
    "hardshrink": lambda x, k: F.hardshrink(x, k), "softshrink": lambda x, k: F.softshrink(x, k),
    "elu": lambda x, k: F.elu(x, k), "celu": lambda x, k: F.celu(x, k),
    "softplus": lambda x, k: F.softplus(x, k), "slopes": lambda x, k: F.leaky_relu(x, k),
    "nan_to_num": lambda x, k: torch.nan_to_num(x, nan=k, posinf=2 * k, neginf=-k),
    "huber": lambda x, k: F.huber_loss(x, torch.zeros(7), "none", k),
    "smooth": lambda x, k: F.smooth_l1_loss(x, torch.zeros(7), reduction="none", beta=k),
}  # fmt: skip


@backends
@pytest.mark.parametrize("name", EDGES)
def test_kinks_and_what_is_no_number(name: str, backend: str) -> None:
    compiled = torch.compile(EDGES[name], backend=backend)
    given = [-1.0, -0.5, 0.0, 0.5, 1.0, math.nan, math.inf]
    for k in (1.0, 0.5, 2.0, 0.25):
        found = []
        for function in (compiled, EDGES[name]):
            x = torch.tensor(given).requires_grad_()
            y = function(x, k)
            y.nan_to_num(0.0, 0.0, 0.0).sum().backward()
            found.append(str([round(n, 5) + 0.0 for n in (*y.tolist(), *x.grad.tolist())]))
        assert found[0] == found[1], k
    assert len(compiled.programs) == 1


@backends
def test_numbers_that_are_refused_or_mean_something_else(backend: str) -> None:
    infinite = torch.tensor([[0.0, -math.inf, 1.0]] * 3)
    cases: list[tuple[Callable[[Any, Any], Any], list[float]]] = [
        (lambda x, k: F.cross_entropy(infinite, LABELS * 0, label_smoothing=k), [0.1, 0.2, 0.0]),
        (lambda x, k: F.smooth_l1_loss(x, Y, beta=k), [1.0, 0.5, 0.0]),
        (lambda x, k: torch.addmm(x * math.nan, x, W, beta=k), [1.0, 0.5, 0.0]),
        (lambda x, k: F.dropout(x, k) * 0, [0.1, 0.2, 0.0, 1.0]),
        (lambda x, k: x.long() // int(k), [1.0, 2.0, 3.0]),
        (lambda x, k: x * int(k), [1.5, 2.5, 1e30]),
    ]
    for function, values in cases:
        compiled = torch.compile(function, backend=backend)
        for k in values:
            assert str(compiled(X, k).tolist()) == str(function(X, k).tolist()), k
    for function, wrong in (
        (lambda x, k: F.huber_loss(x, Y, delta=k), -1.0), (lambda x, k: F.dropout(x, k), 1.5),
        (lambda x, k: F.hardtanh(x, k, 0.9), 2.0), (lambda x, k: x * int(k), math.nan),
        (lambda x, k: x.clone().normal_(0, k), -1.0), (lambda x, k: F.softshrink(x, k), -1.0),
    ):  # fmt: skip
        compiled = torch.compile(function, backend=backend)
        for k in (0.5, 0.25, 0.75):
            compiled(X, k)
        with pytest.raises((RuntimeError, ValueError)):
            compiled(X, wrong)


DRAWN: Said = {
    "dropout": lambda x, k: F.dropout(x, k) + F.dropout(x * 1, k / 2, inplace=True),
    "channels": lambda x, k: F.dropout2d(x.reshape(1, 3, 2, 2), k) * F.dropout1d(x[None], k).sum(),
    "chances": lambda x, k: torch.empty(3, 4).bernoulli_(k) + torch.bernoulli(x.detach(), p=k),
    "normal": lambda x, k: torch.randn(4).normal_(k, k) + torch.normal(0.0, k, (3, 4)) * x,
    "many": lambda x, k: torch.empty(40).normal_(0, k).sum() * torch.normal(k, 1.0, (50,)).sum(),
    "uniform": lambda x, k: torch.empty(3, 4).uniform_(-k, k) + torch.empty(4).uniform_(0, to=k),
    "exponential": lambda x, k: torch.empty(3, 4).exponential_(k) + F.gumbel_softmax(x, tau=k),
}  # fmt: skip


@backends
@pytest.mark.parametrize("name", DRAWN)
def test_draws_are_those_of_the_eager_call(name: str, backend: str) -> None:
    compiled = torch.compile(DRAWN[name], backend=backend)
    for seed, k in enumerate((0.5, 0.25, 0.75, 0.1, 0.9, 0.3)):
        found = []
        for function in (compiled, DRAWN[name]):
            torch.manual_seed(seed)
            found.append((function(X, k).tolist(), torch.rand(3).tolist()))
        alike(found[0], found[1])
    assert len(compiled.programs) == 1 and not compiled.reasons


@backends
def test_layers_whose_numbers_are_annealed(backend: str) -> None:
    def made() -> Any:
        torch.manual_seed(0)
        net = torch.nn.Sequential(
            torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.ELU(), torch.nn.Dropout(0.5),
            torch.nn.Linear(8, 3),
        )  # fmt: skip
        loss_fn = torch.nn.CrossEntropyLoss(label_smoothing=0.1)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

        def step(x: Any) -> Any:
            optimizer.zero_grad()
            loss = loss_fn(net(x), LABELS)
            loss.backward()
            optimizer.step()
            return loss

        return net, loss_fn, step

    losses, running = [], []
    for wrap in (lambda step: torch.compile(step, backend=backend), lambda step: step):
        net, loss_fn, step = made()
        run = wrap(step)
        torch.manual_seed(1)
        losses.append([])
        for k in range(8):
            net[1].momentum, net[2].alpha, net[3].p = 0.5 / (k + 1), 1 + k / 10, 0.5 - k / 20
            loss_fn.label_smoothing = 0.2 - k / 50
            losses[-1].append(run(X).item())
        running.append([net[1].running_mean.tolist(), net[1].running_var.tolist()])
        if run is not step:
            assert len(run.programs) == 3 and not run.reasons  # the first two have constants
    alike(losses[0], losses[1])
    alike(running[0], running[1])


@backends
def test_whole_numbers_in_tensors(backend: str) -> None:
    table = torch.linspace(0, 1, 40)

    def said(x: Any, t: int) -> Any:
        times = torch.full((3,), t, dtype=torch.int64)
        places = torch.arange(t, t + 4)
        rest = torch.tensor([t, 2 * t]), torch.tensor(t), torch.where(x > 0, t, 0)
        held = x.long().clamp(max=t).masked_fill(x > 1, t)
        kinds = times.dtype is places.dtype is rest[0].dtype is rest[2].dtype is torch.int64
        near = sum(one.sum() for one in (*rest, held))
        return x * table[times][:, None] + table[places % 40] + near, kinds

    compiled = torch.compile(said, backend=backend, fullgraph=True)
    for t in (3, 5, 9, 30, 0, 17, 11):
        (found, same), (wanted, _) = compiled(X, t), said(X, t)
        alike(found.tolist(), wanted.tolist())
        assert same
    assert len(compiled.programs) == 1
