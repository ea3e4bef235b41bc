"""NAdam."""

from __future__ import annotations

from typing import Any

from .checks import check_betas, check_eps, check_least, check_lr
from .elementwise import Elementwise, descent, nearer, number


class NAdam(Elementwise):
    r"""Adam with Nesterov momentum.

    mu_t = b1 (1 - 0.96^(t momentum_decay) / 2);
    w = w - lr (1 - mu_t) / (1 - prod mu_1..t) g / d - lr mu_{t+1} / (1 - prod mu_1..t+1) m / d,
    with Adam's m, v and d = sqrt(v / (1 - b2^t)) + eps.

    Arguments: `params`; `lr`; `betas`; `eps`; `weight_decay`; `momentum_decay`;
    `decoupled_weight_decay`; `maximize`.  `foreach`, `capturable` choose nothing; `differentiable`
    records the update.  Raises ValueError for values out of range.
    Source: Dozat 2016, Incorporating Nesterov momentum into Adam.

    >>> import rushlight as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0]))
    >>> optimizer = torch.optim.NAdam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.data.round(decimals=3)
    tensor([0.8940])
    """

    _late_options = {"capturable": False, "decoupled_weight_decay": False}
    _scalars = ("step", "mu_product")

    def __init__(
        self,
        params: Any,
        lr: Any = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
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
        check_least("momentum_decay", momentum_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _slots(self, group):
        return ("exp_avg", "exp_avg_sq")

    def _new_scalar(self, name, group):
        return 1.0 if name == "mu_product" else 0.0

    def _advance(self, scalars, group, fresh):
        step = number(scalars["step"].add_(1))
        beta1, beta2 = group["betas"]
        lr, decay = number(group["lr"]), group["momentum_decay"]
        mu = beta1 * (1.0 - 0.5 * (0.96 ** (step * decay)))
        mu_next = beta1 * (1.0 - 0.5 * (0.96 ** ((step + 1) * decay)))
        product = number(scalars["mu_product"].mul_(mu))
        of_grad = -lr * (1.0 - mu) / (1.0 - product)
        of_mean = -lr * mu_next / (1.0 - product * mu_next)
        return lr, of_grad, of_mean, 1 - beta2**step

    def _update(self, param, grad, state, numbers, group):
        lr, of_grad, of_mean, correction = numbers
        beta1, beta2 = group["betas"]
        mean, square = state["exp_avg"], state["exp_avg_sq"]
        grad = descent(param, grad, group, lr)
        nearer(mean, grad, 1 - beta1)
        square.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
        scale = square.div(correction).sqrt().add(group["eps"])
        param.addcdiv_(grad, scale, value=of_grad)
        param.addcdiv_(mean, scale, value=of_mean)
