"""RAdam."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from .checks import check_betas, check_eps, check_least, check_lr
from .elementwise import Elementwise, descent, nearer, number


class RAdam(Elementwise):
    r"""Adam that waits until its second moment can be trusted.

    r = 2 / (1 - b2) - 1;  r_t = r - 2 t b2^t / (1 - b2^t);  while r_t <= 5 the step is
    lr * m / (1 - b1^t), later it is Adam's, scaled by
    sqrt((r_t - 4)(r_t - 2) r / ((r - 4)(r - 2) r_t)).

    Arguments: `params`; `lr`; `betas`; `eps`; `weight_decay`; `decoupled_weight_decay`;
    `maximize`.  `foreach`, `capturable` choose nothing; `differentiable` records the update.
    Source: Liu et al. 2020, https://arxiv.org/abs/1908.03265.

    >>> import rushlight as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0]))
    >>> optimizer = torch.optim.RAdam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.data
    tensor([0.8000])
    """

    _late_options = {"capturable": False, "decoupled_weight_decay": False}

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
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
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _slots(self, group):
        return ("exp_avg", "exp_avg_sq")

    def _advance(self, scalars, group, fresh):
        step = number(scalars["step"].add_(1))
        beta1, beta2 = group["betas"]
        correction2 = 1 - beta2**step
        limit = 2 / (1 - beta2) - 1
        length = limit - 2 * step * (beta2**step) / correction2
        trusted, rectify = length > 5.0, 0.0
        if trusted is not False:
            above = (length - 4) * (length - 2) * limit
            rectify = (above / ((limit - 4) * (limit - 2) * length)) ** 0.5
        return number(group["lr"]), 1 - beta1**step, correction2**0.5, (trusted, rectify)

    def _update(self, param, grad, state, numbers, group):
        lr, correction1, correction2_root, (trusted, rectify) = numbers
        beta1, beta2 = group["betas"]
        mean, square = state["exp_avg"], state["exp_avg_sq"]
        grad = descent(param, grad, group, lr)
        nearer(mean, grad, 1 - beta1)
        square.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
        change = mean.div(correction1).mul(lr)
        if trusted is not False:
            whole = change.mul(correction2_root / square.sqrt().add(group["eps"])).mul(rectify)
            change = whole if trusted is True else rl.where(trusted, whole, change)
        param.add_(change, alpha=-1.0)
