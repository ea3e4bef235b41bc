"""Averaged stochastic gradient descent."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from .checks import check_least, check_lr
from .elementwise import Elementwise, at_least, descent, number


class ASGD(Elementwise):
    r"""Averaged stochastic gradient descent; the average is kept in the state as `ax`.

    w = (1 - lambd eta) w - eta g;  ax = ax + mu (w - ax);
    eta = lr / (1 + lambd lr t)^alpha;  mu = 1 / max(1, t - t0).

    Arguments: `params`; `lr`; `lambd`; `alpha`; `t0`, where averaging starts; `weight_decay`;
    `maximize`.  `foreach`, `capturable` choose nothing; `differentiable` records the update.
    Source: Polyak & Juditsky, Acceleration of stochastic approximation by averaging, 1992.

    >>> import rushlight as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0]))
    >>> optimizer = torch.optim.ASGD([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.data
    tensor([0.8000])
    """

    _late_options = {"capturable": False}
    _scalars = ("step", "eta", "mu")

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_lr(lr)
        check_least("weight_decay", weight_decay)
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _slots(self, group):
        return ("ax",)

    def _new_scalar(self, name, group):
        if name != "eta":
            return {"step": 0.0, "mu": 1.0}[name]
        with rl.no_grad():
            return float(number(group["lr"]))

    def _advance(self, scalars, group, fresh):
        eta, mu = number(scalars["eta"].clone()), number(scalars["mu"].clone())
        step = number(scalars["step"].add_(1))
        lr, lambd = number(group["lr"]), group["lambd"]
        scalars["eta"].fill_(lr / ((1 + lambd * lr * step) ** group["alpha"]))
        scalars["mu"].fill_(1 / at_least(step - group["t0"], 1))
        return eta, None if type(mu) is float and mu == 1 else mu

    def _update(self, param, grad, state, numbers, group):
        eta, mu = numbers
        average = state["ax"]
        grad = descent(param, grad, group)
        param.mul_(1 - group["lambd"] * eta).add_(grad, alpha=-eta)
        if isinstance(mu, rl.Tensor):  # in a trace
            average.copy_(rl.where(mu == 1, param, average.add(param.sub(average).mul(mu))))
        elif mu is None:  # the parameter itself, until the average begins
            average.copy_(param)
        else:
            average.add_(param.sub(average).mul(mu))
