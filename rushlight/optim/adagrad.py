"""Adagrad."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from .checks import check_eps, check_fused, check_least, check_lr
from .elementwise import Elementwise, descent, number


class Adagrad(Elementwise):
    r"""Adagrad: each weight's rate falls with the sum of its squared gradients.

    s = s + g^2;  w = w - lr / (1 + (t - 1) lr_decay) * g / (sqrt(s) + eps).

    Arguments: `params`; `lr`; `lr_decay`; `weight_decay`; `initial_accumulator_value`, s at the
    start; `eps`; `maximize`.  `foreach`, `fused` are accepted and choose nothing; `differentiable`
    records the update.  Raises ValueError for values out of range.
    Source: Duchi, Hazan, Singer, JMLR 2011.

    >>> import rushlight as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0]))
    >>> optimizer = torch.optim.Adagrad([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.data
    tensor([0.9000])
    """

    _late_options = {"fused": None}
    _refuses_sparse = None

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_lr(lr)
        check_least("lr_decay", lr_decay)
        check_least("weight_decay", weight_decay)
        check_least("initial_accumulator_value", initial_accumulator_value)
        check_eps(eps)
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        check_fused(fused, foreach, differentiable)
        for group in self.param_groups:
            for param in group["params"]:
                self._prepare(param, group, ("sum",))

    def share_memory(self) -> None:
        """Accepted for torch's sake: worker processes are handed copies here."""

    def _slots(self, group):
        return ("sum",)

    def _by_rows(self, group):
        if group["weight_decay"] != 0:
            raise RuntimeError("weight_decay option is not compatible with sparse gradients")
        return True

    def _new_slot(self, name, param, group):
        start = self.defaults["initial_accumulator_value"]
        value = complex(start, start) if param.is_complex() else start
        return rl.full_like(param.detach(), value)

    def _advance(self, scalars, group, fresh):
        step = number(scalars["step"].add_(1))
        return number(group["lr"]) / (1 + (step - 1) * group["lr_decay"])

    def _update(self, param, grad, state, numbers, group):
        grad = descent(param, grad, group)
        total = state["sum"].addcmul_(grad, grad, value=1)
        param.addcdiv_(grad, total.sqrt().add(group["eps"]), value=-numbers)
