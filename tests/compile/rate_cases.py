"""Steps that set and read rates, and ask `float` and `math` for numbers, as people write them."""

from __future__ import annotations

import math
from collections.abc import Callable
from math import exp, sqrt
from typing import Any

from effect_cases import World

import rushlight as torch
from rushlight import nn

F = nn.functional
Made = tuple[Callable[..., Any], Any]  # a step, and what gives (and may move) the state around it
RATES: dict[str, tuple[int, Callable[[World], Made]]] = {}
SHARE = 0.5


def case(programs: int) -> Callable[[Callable[[World], Made]], Callable[[World], Made]]:
    """A case, and how many programs its calls with batches of two sizes make."""

    def add(make: Callable[[World], Made]) -> Callable[[World], Made]:
        RATES[make.__name__] = programs, make
        return make

    return add


def rates(w: World) -> Any:
    return [[x["lr"], x["momentum"], x["weight_decay"]] for x in w.opt.param_groups], w


@case(4)
def a_warm_up(w: World) -> Made:
    def step(x: Any, y: Any) -> Any:
        w.calls += 1
        for group in w.opt.param_groups:
            group["lr"] = 0.1 * min(1, w.calls / 6)
        return w.train(x, y)

    return step, lambda: rates(w)


@case(2)
def a_decay(w: World) -> Made:
    def step(x: Any, y: Any) -> Any:
        loss = w.train(x, y)
        w.opt.param_groups[0]["lr"] *= 0.9
        return loss, w.opt.param_groups[0]["lr"]

    return step, lambda: rates(w)


@case(3)  # it warms up with batches of one size
def a_cosine(w: World) -> Made:
    def rate() -> float:
        if w.calls < 3:
            return 0.1 * (w.calls + 1) / 4
        share = (w.calls - 3) / (40 - 3)
        return 0.01 + 0.5 * (1.0 + math.cos(math.pi * share)) * (0.1 - 0.01)

    def step(x: Any, y: Any) -> Any:
        lr = rate()
        for group in w.opt.param_groups:
            group["lr"] = lr
        w.calls += 1
        return w.train(x, y)

    return step, lambda: rates(w)


@case(2)
def other_functions(w: World) -> Made:
    def step(x: Any, y: Any) -> Any:
        w.calls += 1
        w.opt.param_groups[0]["lr"] = 0.1 * min(w.calls**-0.5, w.calls * 30**-1.5)
        w.beta = exp(-w.calls / 10) + sqrt(w.calls) + math.pow(w.calls, 2) + float(w.calls)
        return w.train(x, y) * math.log(w.calls + 1, 10) + w.beta, x * (w.calls % 3)

    return step, lambda: rates(w)


@case(2)
def of_several_groups(w: World) -> Made:
    first, _, last = w.net
    groups = [{"params": first.parameters()}, {"params": last.parameters(), "lr": 0.02}]
    w.opt = torch.optim.AdamW(groups, lr=0.01)
    w.train(torch.ones(4, 4), torch.ones(4, 2))

    def step(x: Any, y: Any) -> Any:
        w.calls += 1
        for k, group in enumerate(w.opt.param_groups):
            group["lr"] = (0.01 + 0.01 * k) * 0.95**w.calls
        return w.train(x, y)

    return step, lambda: ([x["lr"] for x in w.opt.param_groups], w)


@case(2)
def momentum_and_weight_decay(w: World) -> Made:
    w.opt = torch.optim.SGD(w.net.parameters(), lr=0.05, momentum=0.5, weight_decay=0.1)
    w.train(torch.ones(4, 4), torch.ones(4, 2))

    def step(x: Any, y: Any) -> Any:
        w.calls += 1
        for group in w.opt.param_groups:
            group["momentum"] = 0.9 - 0.4 / (w.calls + 1)
            group["weight_decay"] = 0.1 / (w.calls + 1)
        return w.train(x, y)

    return step, lambda: rates(w)


@case(2)
def a_rate_that_is_read(w: World) -> Made:
    def step(x: Any, y: Any) -> Any:
        loss, lr = w.train(x, y), w.opt.param_groups[0]["lr"]
        w.losses.append({"loss": loss.item(), "lr": lr})
        return loss * lr

    def moved() -> Any:
        w.opt.param_groups[0]["lr"] *= 0.9
        return rates(w)

    return step, moved


@case(3)
def a_rate_of_outside(w: World) -> Made:
    lr = 0.1

    def step(x: Any, y: Any) -> Any:
        for group in w.opt.param_groups:
            group["lr"] = lr
        return w.train(x, y)

    def moved() -> Any:
        nonlocal lr
        lr *= 0.9
        return rates(w)

    return step, moved


@case(4)
def numbers_of_outside(w: World) -> Made:
    global SHARE
    SHARE = 0.5

    class Softened(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.heat, self.drop = w.net, 1.0, nn.Dropout(0.0)

        def forward(self, x: Any) -> Any:
            return self.drop(self.inner(x)) / self.heat

    net = Softened()

    def step(x: Any, y: Any) -> Any:
        w.opt.zero_grad()
        loss = SHARE * F.mse_loss(net(x), y) + (1 - SHARE) * F.l1_loss(net(x), y)
        loss.backward()
        w.opt.step()
        return loss.item(), SHARE

    def moved() -> Any:
        global SHARE
        SHARE = 0.5 + len(w.losses) / 100
        w.losses.append(0.0)
        net.heat *= 0.95
        return rates(w)

    return step, moved


@case(2)
def floats(w: World) -> Made:
    def step(x: Any, y: Any) -> Any:
        loss = w.train(x, y)
        w.total += float(loss) * len(x)
        w.losses.append(float(loss.detach()))
        w.last = float((x > 0).sum())
        return float(loss), float(x.double().sum()), float("2.5"), float(3)

    return step, lambda: w


@case(2)
def whole_numbers(w: World) -> Made:
    def step(x: Any, y: Any) -> Any:
        right = int((x > 0).sum())
        w.calls += right
        w.total += right / x.numel()
        return w.train(x, y), int("ff", 16), int(2.7), right, float(right)

    return step, lambda: w


@case(2)
def a_norm_of_gradients(w: World) -> Made:
    def step(x: Any, y: Any) -> Any:
        w.opt.zero_grad()
        loss = F.mse_loss(w.net(x), y)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(w.net.parameters(), 0.1)
        w.opt.step()
        return {"loss": float(loss), "norm": float(norm)}

    return step, None


@case(2)
def kinds_that_are_compared(w: World) -> Made:
    """What else is done with `float` and `math` is done as ever."""
    kinds = {float: "f", int: "i"}

    def step(x: Any, y: Any) -> Any:
        loss = float(w.train(x, y))
        made = [*map(float, (1, 2)), kinds[float], isinstance(loss, float), isinstance(3, int)]
        return loss, made, math.inf, math.floor(2.5), math.cos(0), torch.ones(2, dtype=float)

    return step, None


@case(3)
def a_float_that_decides(w: World) -> Made:
    def step(x: Any, y: Any) -> Any:
        loss = float(w.train(x, y))
        return 1.0 if loss > 0.8 else loss

    return step, lambda: w


@case(2)
def how_confused_it_is(w: World) -> Made:
    return lambda x, y: math.exp(float(w.train(x, y))), None


@case(0)
def cut_to_whole(w: World) -> Made:
    return lambda x, y: int(100 * w.train(x, y)), None


@case(3)
def a_plateau(w: World) -> Made:
    """A rate that falls when the loss does not."""

    def step(x: Any, y: Any) -> Any:
        loss = float(w.train(x, y))
        if loss > w.beta:
            w.opt.param_groups[0]["lr"] *= 0.5
        w.beta = loss
        return loss

    return step, lambda: rates(w)
