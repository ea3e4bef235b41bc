"""Training steps that look at their loss or gradients on the way, as people write them."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import rushlight as torch
from rushlight import nn

sys.path.insert(0, str(Path(__file__).parent))
from worlds import seen

F = nn.functional
BAD = (7, 8, 11, 12)  # calls whose batch has a nan
Step = Callable[[Any, Any], Any]
CASES: dict[str, Callable[[World], Step]] = {}


class World:
    """A net, what trains it, and what a step keeps."""

    def __init__(self, optimizer: Any, dropout: float) -> None:
        torch.manual_seed(0)
        between = nn.Dropout(dropout) if dropout else nn.BatchNorm1d(48)
        self.net = nn.Sequential(nn.Linear(24, 48), nn.ReLU(), between, nn.Linear(48, 5))
        self.opt = optimizer(self.net.parameters())
        self.best, self.bad, self.sums = math.inf, 0, [0.0]

    def backward(self, x: Any, y: Any) -> Any:
        self.opt.zero_grad()
        loss = F.cross_entropy(self.net(x), y)
        loss.backward()
        return loss

    def state(self) -> Any:
        found = [seen(self.net.state_dict()), [seen(p.grad) for p in self.net.parameters()]]
        found.append(seen(self.opt.state_dict()["state"]))
        return [*found, self.best, self.bad, np.array(self.sums),
                torch.get_rng_state().numpy().copy()]  # fmt: skip


def case(make: Callable[[World], Step]) -> Callable[[World], Step]:
    CASES[make.__name__] = make
    return make


@case
def raises(w: World) -> Step:
    def step(x: Any, y: Any) -> Any:
        w.opt.zero_grad()
        loss = F.cross_entropy(w.net(x), y)
        if torch.isnan(loss):
            raise ValueError("not a number")
        loss.backward()
        w.opt.step()
        return loss

    return step


@case
def leaves_early(w: World) -> Step:
    def step(x: Any, y: Any) -> Any:
        w.opt.zero_grad()
        loss = F.cross_entropy(w.net(x), y)
        if not torch.isfinite(loss).all():
            return None
        loss.backward()
        w.opt.step()
        return loss.detach()

    return step


@case
def asserts(w: World) -> Step:
    def step(x: Any, y: Any) -> Any:
        out = w.net(x)
        assert torch.isfinite(out).all()
        loss = F.cross_entropy(out, y)
        assert not torch.isnan(loss).any(), loss
        w.opt.zero_grad()
        loss.backward()
        w.opt.step()
        return loss.item()

    return step


@case
def norm_of_gradients(w: World) -> Step:
    def step(x: Any, y: Any) -> Any:
        loss = w.backward(x, y)
        norm = nn.utils.clip_grad_norm_(w.net.parameters(), 1.0)
        if torch.isfinite(norm):
            w.opt.step()
        return loss, norm

    return step


@case
def two_ways(w: World) -> Step:
    def step(x: Any, y: Any) -> Any:
        loss = w.backward(x, y)
        if nn.utils.get_total_norm([p.grad for p in w.net.parameters()]) > 0.6:
            for p in w.net.parameters():
                p.grad.mul_(0.5)
        w.opt.step()
        return loss

    return step


@case
def after_the_step(w: World) -> Step:
    def step(x: Any, y: Any) -> Any:
        loss = w.backward(x, y)
        w.opt.step()
        if any(torch.isnan(p).any() for p in w.net.parameters()):
            raise ArithmeticError("weights")
        return loss

    return step


@case
def number_is_nan(w: World) -> Step:
    def step(x: Any, y: Any) -> Any:
        w.opt.zero_grad()
        loss = F.cross_entropy(w.net(x), y)
        if math.isnan(loss.item()) or np.isinf(loss.item()) or not math.isfinite(loss):
            raise ValueError("not a number")
        loss.backward()
        w.opt.step()
        return loss.item()

    return step


@case
def number_differs_from_itself(w: World) -> Step:
    def step(x: Any, y: Any) -> Any:
        w.opt.zero_grad()
        loss = F.cross_entropy(w.net(x), y)
        value = float(loss)
        if value != value or value > 1e6:
            return -1.0
        loss.backward()
        w.opt.step()
        return value

    return step


@case
def best_so_far(w: World) -> Step:
    def step(x: Any, y: Any) -> Any:
        loss = w.backward(x, y)
        w.opt.step()
        if loss.item() < w.best:
            w.best, w.bad = loss.item(), 0
        else:
            w.bad += 1
        w.sums[0] = max(0.9 * w.sums[0] + 0.1 * loss.item(), loss.item())
        return w.best, w.bad

    return step


@case
def counts(w: World) -> Step:
    def step(x: Any, y: Any) -> Any:
        w.opt.zero_grad()
        out = w.net(x)
        right = (out.argmax(1) == y).sum().item()
        F.cross_entropy(out, y).backward()
        w.opt.step()
        if right > 3:
            return right
        return "few" if right / len(x) > 0.1 else "hardly any"

    return step


@case
def without_gradients(w: World) -> Step:
    def step(x: Any, y: Any) -> Any:
        with torch.inference_mode():
            out = w.net(x)
            w.sums[0] += out.mean().item()
            return out.sum() if out.abs().max() > 0.9 else out.mean()

    return step


@case
def clips_by_a_number(w: World) -> Step:
    def step(x: Any, y: Any) -> Any:
        loss = w.backward(x, y)
        norm = torch.sqrt(sum((p.grad**2).sum() for p in w.net.parameters())).item()
        if not math.isfinite(norm):
            raise ArithmeticError("gradients")
        if norm > 0.6:
            for p in w.net.parameters():
                p.grad.mul_(0.6 / (norm + 1e-6))
        w.opt.step()
        return loss.item(), norm

    return step


@case
def clips_by_norms_of_each(w: World) -> Step:
    def step(x: Any, y: Any) -> Any:
        loss, total = w.backward(x, y), 0.0
        for p in w.net.parameters():
            total += p.grad.norm(2).item() ** 2
        total = total**0.5
        share = 0.6 / (total + 1e-6)
        if share < 1:
            for p in w.net.parameters():
                p.grad.mul_(share)
        w.opt.step()
        if total != total:
            raise ArithmeticError("gradients")
        return loss.item(), total, math.exp(loss.item())

    return step


OPTIMIZERS: dict[str, Any] = {
    "SGD": lambda ps: torch.optim.SGD(ps, 0.1),
    "Adam": lambda ps: torch.optim.Adam(ps, 0.01),
}
