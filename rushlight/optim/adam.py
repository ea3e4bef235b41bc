"""Adam and, by `decoupled_weight_decay`, AdamW."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from .checks import check_betas, check_eps, check_fused, check_least, check_lr
from .elementwise import Elementwise, descent, nearer, number


class Adam(Elementwise):
    r"""Adam: steps scaled by running moments of the gradient.

    m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;
    w = w - lr * m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps).

    Arguments: `params`; `lr`; `betas`, the decay rates (b1, b2); `eps`; `weight_decay`, added to
    the gradient, or with `decoupled_weight_decay` taken off the weights; `amsgrad` uses the
    largest v so far; `maximize`.  `foreach`, `fused`, `capturable` are accepted and choose
    nothing; `differentiable` records the update.  Raises ValueError for values out of range.
    Source: Kingma & Ba 2015, https://arxiv.org/abs/1412.6980; Reddi et al. 2018 (amsgrad).

    >>> import rushlight as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0]))
    >>> optimizer = torch.optim.Adam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.data
    tensor([0.9000])
    """

    _late_options = {
        "amsgrad": False, "capturable": False, "fused": None, "decoupled_weight_decay": False,
    }  # fmt: skip
    _refuses_sparse = "Adam does not support sparse gradients, please consider SparseAdam instead"

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        betas: tuple[Any, Any] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        if isinstance(lr, rl.Tensor) and foreach and not capturable:
            raise ValueError(
                "lr as a Tensor is not supported for capturable=False and foreach=True"
            )
        check_lr(lr)
        check_eps(eps)
        check_betas(betas)
        check_least("weight_decay", weight_decay)
        _check_kinds(betas, foreach, capturable)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)
        check_fused(fused, foreach, differentiable)

    def _slots(self, group):
        names = ("exp_avg", "exp_avg_sq")
        return (*names, "max_exp_avg_sq") if group["amsgrad"] else names

    def _advance(self, scalars, group, fresh):
        step = number(scalars["step"].add_(1))
        beta1, beta2 = map(number, group["betas"])
        lr = number(group["lr"])
        return beta1, beta2, lr, lr / (1 - beta1**step), (1 - beta2**step) ** 0.5

    def _update(self, param, grad, state, numbers, group):
        beta1, beta2, lr, step_size, correction = numbers
        mean, square = state["exp_avg"], state["exp_avg_sq"]
        grad = descent(param, grad, group, lr)
        nearer(mean, grad, 1 - beta1)
        square.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
        if group["amsgrad"]:
            largest = state["max_exp_avg_sq"]
            before = largest.clone() if group["differentiable"] else largest
            square = largest.copy_(before.maximum(square))
        param.addcdiv_(mean, square.sqrt().div(correction).add(group["eps"]), value=-step_size)


def _check_kinds(betas: tuple[Any, Any], foreach: bool | None, capturable: bool) -> None:
    """Both floats or both tensors of one element, as torch demands."""
    kinds = {rl.Tensor if isinstance(beta, rl.Tensor) else type(beta) for beta in betas}
    if kinds not in ({float}, {rl.Tensor}):
        raise ValueError("betas must be either both floats or both Tensors")
    if kinds == {float}:
        return
    for index, beta in enumerate(betas):
        if not capturable and foreach:
            raise ValueError(
                f"betas[{index}] as a Tensor is not supported for capturable=False and foreach=True"
            )
        if beta.numel() != 1:
            raise ValueError(f"Tensor betas[{index}] must be 1-element")
