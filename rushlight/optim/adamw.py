"""AdamW: Adam with the weight decay taken out of the gradient."""

from __future__ import annotations

from typing import Any

from .adam import Adam


class AdamW(Adam):
    """Adam with decoupled weight decay: w = (1 - lr * weight_decay) w before Adam's own step.

    Arguments: `params`; `lr`; `betas`, the decay rates (b1, b2) of Adam's moments; `eps`, added to
    the root; `weight_decay`; `amsgrad` uses the largest second moment so far; `maximize`.
    `foreach`, `fused`, `capturable` are accepted and choose nothing; `differentiable` records the
    update.  Raises ValueError for values out of range.
    Source: Loshchilov & Hutter 2019, https://arxiv.org/abs/1711.05101.

    >>> import rushlight as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0]))
    >>> optimizer = torch.optim.AdamW([w], lr=0.1, weight_decay=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.data
    tensor([0.8500])
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        betas: tuple[Any, Any] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )
