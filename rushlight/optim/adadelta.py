"""Adadelta."""

from __future__ import annotations

from typing import Any

from .checks import check_eps, check_least, check_lr
from .elementwise import Elementwise, descent, number


class Adadelta(Elementwise):
    r"""Adadelta: steps in the units of the weights, with no rate to tune.

    v = rho v + (1 - rho) g^2;  d = sqrt(u + eps) / sqrt(v + eps) * g;
    u = rho u + (1 - rho) d^2;  w = w - lr * d.

    Arguments: `params`; `lr`; `rho`; `eps`; `weight_decay`; `maximize`.  `foreach`, `capturable`
    are accepted and choose nothing; `differentiable` records the update.
    Source: Zeiler 2012, https://arxiv.org/abs/1212.5701.

    >>> import rushlight as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0]))
    >>> optimizer = torch.optim.Adadelta([w], eps=1e-2)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.data
    tensor([0.6877])
    """

    _late_options = {"capturable": False}

    def __init__(
        self,
        params: Any,
        lr: Any = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Invalid rho value: {rho}")
        check_eps(eps)
        check_least("weight_decay", weight_decay)
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "capturable": capturable,
            "foreach": foreach,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _slots(self, group):
        return ("square_avg", "acc_delta")

    def _advance(self, scalars, group, fresh):
        scalars["step"].add_(1)
        return number(group["lr"])

    def _update(self, param, grad, state, numbers, group):
        rho, eps = group["rho"], group["eps"]
        grad = descent(param, grad, group)
        square, travelled = state["square_avg"], state["acc_delta"]
        square.mul_(rho).addcmul_(grad, grad, value=1 - rho)
        change = travelled.add(eps).sqrt().div(square.add(eps).sqrt()).mul(grad)
        travelled.mul_(rho).addcmul_(change, change, value=1 - rho)
        param.add_(change, alpha=-numbers)
