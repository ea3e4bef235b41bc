"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.errors import fail
from ..core.state import SMALL
from ..core.tape import mark_written
from .checks import check_fused, check_least, check_lr, negative
from .elementwise import BLOCK, Elementwise, descent, number


class SGD(Elementwise):
    r"""Stochastic gradient descent, with momentum and Nesterov's variant.

    d = g + weight_decay * w;  b = momentum * b + (1 - dampening) * d (b = d at first);
    w = w - lr * b, or w - lr * (d + momentum * b) with `nesterov`.

    Arguments: `params`; `lr`; `momentum`; `dampening`; `weight_decay`; `nesterov`; `maximize`.
    `foreach`, `fused` are accepted and choose nothing; `differentiable` records the update.
    Raises ValueError for negative values, or Nesterov without momentum.
    Source: Sutskever et al., On the importance of initialization and momentum, ICML 2013.

    >>> import rushlight as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0]))
    >>> optimizer = torch.optim.SGD([w], lr=0.1, momentum=0.9)
    >>> for _ in range(2):
    ...     optimizer.zero_grad()
    ...     (w * w).sum().backward()
    ...     optimizer.step()
    >>> w.data
    tensor([0.4600])
    """

    _late_options = {"nesterov": False, "fused": None}
    _scalars = ()
    _refuses_sparse = None

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: Any = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_lr(lr, negative)
        check_least("momentum", momentum, negative)
        check_least("weight_decay", weight_decay, negative)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise fail(
                ValueError,
                "Nesterov momentum requires a momentum and zero dampening",
                f"momentum is {momentum}, dampening {dampening}",
            )
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        check_fused(fused, foreach, differentiable)

    def _slots(self, group):
        return ("momentum_buffer",) if group["momentum"] != 0 else ()

    def _by_rows(self, group):
        return group["momentum"] == 0 and group["weight_decay"] == 0

    def _step_arrays(self, index, group, params, arrays, grads):
        if group["momentum"] != 0 or group["weight_decay"] != 0:
            super()._step_arrays(index, group, params, arrays, grads)
            return
        # two array operations per parameter: cheaper than copying anything into a bucket
        rate = number(group["lr"]) * (-1 if group["maximize"] else 1)
        few = SMALL.descend
        for array, grad in zip(arrays, grads):
            if few is not None and few(array, grad, rate):
                pass
            elif array.size > BLOCK and array.flags.c_contiguous:
                flat, slope = array.reshape(-1), grad.reshape(-1)
                for start in range(0, flat.size, BLOCK):
                    piece = flat[start : start + BLOCK]
                    np.subtract(piece, slope[start : start + BLOCK] * rate, piece)
            else:
                np.subtract(array, np.multiply(grad, rate), array)
            mark_written(array)

    def _advance(self, scalars, group, fresh):
        return fresh, number(group["lr"])

    def _update(self, param, grad, state, numbers, group):
        fresh, lr = numbers
        momentum = number(group["momentum"])
        grad = descent(param, grad, group)
        if "momentum_buffer" in state:
            velocity = state["momentum_buffer"]
            if fresh:
                velocity.copy_(grad)
            else:
                velocity.mul_(momentum).add_(grad, alpha=1 - number(group["dampening"]))
            grad = grad.add(velocity, alpha=momentum) if group["nesterov"] else velocity
        param.add_(grad, alpha=-lr)
