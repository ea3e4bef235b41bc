"""Resilient backpropagation."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from .checks import check_lr
from .elementwise import Elementwise, number


class Rprop(Elementwise):
    r"""Resilient backpropagation: only the gradient's sign counts, each weight has its own step.

    The step grows by etas[1] while the sign stays, shrinks by etas[0] when it turns (and that
    gradient is dropped), within `step_sizes`;  w = w - step * sign(g).

    Arguments: `params`; `lr`, the first step; `etas`; `step_sizes`, (least, largest); `maximize`.
    `foreach`, `capturable` choose nothing; `differentiable` records the update.  Made for full
    batches.  Raises ValueError for a negative `lr` or `etas` out of range.
    Source: Riedmiller & Braun, ICNN 1993.

    >>> import rushlight as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0]))
    >>> optimizer = torch.optim.Rprop([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.data
    tensor([0.9000])
    """

    _late_options = {"capturable": False}

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        defaults = {
            "lr": lr,
            "etas": etas,
            "step_sizes": step_sizes,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _slots(self, group):
        return ("prev", "step_size")

    def _new_slot(self, name, param, group):
        if name == "prev":
            return super()._new_slot(name, param, group)
        lr = number(group["lr"])
        value = complex(lr, lr) if param.is_complex() else lr
        return rl.full_like(param.detach(), value)

    def _advance(self, scalars, group, fresh):
        scalars["step"].add_(1)

    def _update(self, param, grad, state, numbers, group):
        shrink, grow = group["etas"]
        if group["maximize"]:
            grad = -grad
        previous, size = state["prev"], state["step_size"]
        turn = grad.mul(previous.clone() if group["differentiable"] else previous).sign()
        turned = turn.lt(0)
        factor = turn.masked_fill(turn.gt(0), grow).masked_fill(turned, shrink)
        size.mul_(factor.masked_fill(turn.eq(0), 1)).clamp_(*group["step_sizes"])
        grad = grad.masked_fill(turned, 0)
        param.addcmul_(grad.sign(), size, value=-1)
        previous.copy_(grad)
