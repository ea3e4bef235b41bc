"""Adamax."""

from __future__ import annotations

from typing import Any

from .checks import check_betas, check_eps, check_least, check_lr
from .elementwise import Elementwise, descent, nearer, number


class Adamax(Elementwise):
    r"""Adamax: Adam with the largest decayed gradient in place of the second moment.

    m = b1 m + (1 - b1) g;  u = max(b2 u, |g| + eps);  w = w - lr / (1 - b1^t) * m / u.

    Arguments: `params`; `lr`; `betas`; `eps`; `weight_decay`; `maximize`.  `foreach`, `capturable`
    are accepted and choose nothing; `differentiable` records the update.
    Source: Kingma & Ba 2015, section 7.1, https://arxiv.org/abs/1412.6980.

    >>> import rushlight as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0]))
    >>> optimizer = torch.optim.Adamax([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.data
    tensor([0.9000])
    """

    _late_options = {"capturable": False}

    def __init__(
        self,
        params: Any,
        lr: Any = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_lr(lr)
        check_eps(eps)
        check_betas(betas)
        check_least("weight_decay", weight_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _slots(self, group):
        return ("exp_avg", "exp_inf")

    def _advance(self, scalars, group, fresh):
        step = number(scalars["step"].add_(1))
        return number(group["lr"]) / (1 - group["betas"][0] ** step)

    def _update(self, param, grad, state, numbers, group):
        beta1, beta2 = group["betas"]
        mean, largest = state["exp_avg"], state["exp_inf"]
        grad = descent(param, grad, group)
        nearer(mean, grad, 1 - beta1)
        largest.copy_(largest.mul(beta2).maximum(grad.abs().add(group["eps"])))
        param.addcdiv_(mean, largest, value=-numbers)
