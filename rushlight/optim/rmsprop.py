"""RMSprop."""

from __future__ import annotations

from typing import Any

from .checks import check_eps, check_least, check_lr
from .elementwise import Elementwise, descent, number


class RMSprop(Elementwise):
    r"""RMSprop: the gradient divided by the root of its running mean square.

    v = alpha v + (1 - alpha) g^2;  w = w - lr * g / (sqrt(v) + eps).
    With `centered`, v - mean(g)^2 stands for v; with `momentum`, b = momentum b + g / (...) and
    w = w - lr * b.

    Arguments: `params`; `lr`; `alpha`; `eps`; `weight_decay`; `momentum`; `centered`; `maximize`.
    `foreach`, `capturable` are accepted and choose nothing; `differentiable` records the update.
    Source: Tieleman & Hinton, Coursera lecture 6.5, 2012; Graves 2013 (centered).

    >>> import rushlight as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0]))
    >>> optimizer = torch.optim.RMSprop([w], lr=0.01, alpha=0.75)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.data
    tensor([0.9800])
    """

    _late_options = {"momentum": 0, "centered": False, "capturable": False}

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        check_eps(eps)
        check_least("momentum", momentum)
        check_least("weight_decay", weight_decay)
        check_least("alpha", alpha)
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _slots(self, group):
        names = ["square_avg"]
        if group["momentum"] > 0:
            names.append("momentum_buffer")
        if group["centered"]:
            names.append("grad_avg")
        return tuple(names)

    def _advance(self, scalars, group, fresh):
        scalars["step"].add_(1)
        return number(group["lr"])

    def _update(self, param, grad, state, numbers, group):
        lr, alpha, momentum = numbers, group["alpha"], group["momentum"]
        grad = descent(param, grad, group)
        spread = state["square_avg"].mul_(alpha).addcmul_(grad, grad, value=1 - alpha)
        if group["centered"]:
            mean = state["grad_avg"].lerp_(grad, 1 - alpha)
            spread = spread.addcmul(mean, mean, value=-1)
        scale = spread.sqrt().add(group["eps"])
        if "momentum_buffer" in state:
            velocity = state["momentum_buffer"].mul_(momentum).addcdiv_(grad, scale)
            param.add_(velocity, alpha=-lr)
        else:
            param.addcdiv_(grad, scale, value=-lr)
