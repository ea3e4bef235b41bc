"""SparseAdam."""

from __future__ import annotations

from math import sqrt
from typing import Any

import rushlight as rl

from ..core.errors import fail
from .elementwise import number, rate
from .optimizer import Grouped


class SparseAdam(Grouped):
    r"""Adam that leaves alone, moments and all, the rows of a table that a batch did not use.

    For the rows that have a gradient: m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;
    w = w - lr sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + eps).

    It is for tables read with `sparse=True` (Embedding, EmbeddingBag), whose gradients are sparse.

    Arguments: `params`; `lr`; `betas`; `eps`; `maximize`.
    Raises ValueError for values out of range and for sparse or complex parameters, RuntimeError
    for dense gradients.
    Source: Kingma & Ba 2015, https://arxiv.org/abs/1412.6980 (lazily, row by row).

    >>> import rushlight as torch
    >>> table = torch.nn.Embedding(3, 1, sparse=True)
    >>> optimizer = torch.optim.SparseAdam(table.parameters(), lr=0.5)
    >>> before = table.weight.detach().clone()
    >>> table(torch.tensor([1])).sum().backward()
    >>> optimizer.step()
    >>> (before - table.weight.detach()).flatten()
    tensor([0.0000, 0.5000, 0.0000])
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
    ) -> None:
        if isinstance(lr, rl.Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if not 0.0 < lr:  # noqa: SIM300  (torch's order, which errors show)
            raise ValueError(f"Invalid learning rate: {lr}")
        if not 0.0 < eps:  # noqa: SIM300  (the same)
            raise ValueError(f"Invalid epsilon value: {eps}")
        for index in (0, 1):
            if not 0.0 <= betas[index] < 1.0:
                raise ValueError(f"Invalid beta parameter at index {index}: {betas[index]}")
        defaults = {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize}
        super().__init__(params, defaults)
        self._check_kinds()

    def _check_kinds(self) -> None:
        places = {
            (index, place): param
            for index, group in enumerate(self.param_groups)
            for place, param in enumerate(group["params"])
        }
        sparse = [list(place) for place, param in places.items() if param.is_sparse]
        if sparse:
            raise fail(
                ValueError,
                f"Sparse params at indices {sparse}: SparseAdam requires dense parameter tensors",
                "the table is dense; its gradients are what is sparse",
            )
        complexes = [list(place) for place, param in places.items() if param.is_complex()]
        if complexes:
            raise ValueError(
                f"Complex params at indices {complexes}: SparseAdam does not support complex "
                "parameters"
            )

    def _step_param(self, param, group: dict[str, Any]) -> None:
        if not param.grad.is_sparse:
            raise fail(
                RuntimeError,
                "SparseAdam does not support dense gradients, please consider Adam instead",
                "it takes the tables of layers made with sparse=True",
            )
        state = self.state[param]
        if not state:
            state["step"] = 0
            state["exp_avg"], state["exp_avg_sq"] = rl.zeros_like(param), rl.zeros_like(param)
        state["step"] += 1
        grad = param.grad.coalesce()
        rows, g = tuple(grad.indices()), grad.values()
        if group["maximize"]:
            g = -g
        (first, second), step = group["betas"], state["step"]
        mean = state["exp_avg"][rows].lerp(g, 1 - first)
        square = state["exp_avg_sq"][rows].lerp(g * g, 1 - second)
        state["exp_avg"][rows], state["exp_avg_sq"][rows] = mean, square
        size = number(rate(group)) * sqrt(1 - second**step) / (1 - first**step)
        param[rows] = param[rows] - size * mean / (square.sqrt() + group["eps"])
