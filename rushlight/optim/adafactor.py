"""Adafactor."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from .checks import reaches, stays_below
from .elementwise import at_least, number, rate, scalar_dtype
from .optimizer import Grouped


class Adafactor(Grouped):
    r"""Adafactor: the second moment of a matrix kept as one row and one column.

    b = 1 - t^beta2_decay;  rows = b rows + (1 - b) mean(g^2 over columns), columns alike;
    v = rows columns / mean(rows);  u = g / sqrt(v), clipped to root mean square d;
    w = w - max(eps2, rms(w)) min(lr, 1 / sqrt(t)) u.

    Arguments: `params`; `lr`; `beta2_decay`; `eps`, (eps1 or None for the dtype's, eps2); `d`;
    `weight_decay`, decoupled; `maximize`.  `foreach` is accepted and chooses nothing.
    Raises ValueError for values out of range, RuntimeError for complex or sparse gradients.
    Source: Shazeer & Stern 2018, https://arxiv.org/abs/1804.04235.

    >>> import rushlight as torch
    >>> w = torch.nn.Parameter(torch.ones(2, 3))
    >>> optimizer = torch.optim.Adafactor([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> {name: tuple(value.shape) for name, value in optimizer.state[w].items()}
    {'step': (), 'row_var': (2, 1), 'col_var': (1, 3)}
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        if isinstance(lr, rl.Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        checks = [
            (reaches(lr), f"Learning rate should be >= 0 but is: {lr}"),
            (stays_below(beta2_decay), f"beta2_decay should be <= 0 but is: {beta2_decay}"),
            (eps[0] is None or reaches(eps[0]), f"epsilon1 should be >= 0 but is: {eps[0]}"),
            (reaches(eps[1]), f"epsilon2 should be >= 0 but is: {eps[1]}"),
            (reaches(d, 1.0), f"Clipping threshold d should be >= 1 but is: {d}"),
            (reaches(weight_decay), f"weight_decay should be >= 0 but is: {weight_decay}"),
        ]
        for good, text in checks:
            if not good:
                raise ValueError(text)
        defaults = {
            "lr": lr,
            "beta2_decay": beta2_decay,
            "eps": eps,
            "d": d,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _prepare(self, param) -> dict[str, Any]:
        grad = param.grad
        if param.is_complex():
            raise RuntimeError("Adafactor does not support complex parameters")
        if grad.is_sparse:
            raise RuntimeError("Adafactor does not support sparse gradients")
        state = self.state[param]
        if not state:
            state["step"] = rl.tensor(0.0, dtype=scalar_dtype())
            if grad.dim() > 1:
                state["row_var"] = grad.new_zeros(grad[..., :1].shape)
                state["col_var"] = grad.new_zeros(grad[..., :1, :].shape)
            else:
                state["variance"] = rl.zeros_like(grad)
        if not isinstance(state["step"], rl.Tensor):  # a number in old checkpoints
            state["step"] = rl.tensor(float(state["step"]), dtype=scalar_dtype())
        return state

    def _step_param(self, param, group: dict[str, Any]) -> None:
        state = self._prepare(param)
        grad = -param.grad if group["maximize"] else param.grad
        lr, (eps1, eps2) = number(rate(group)), group["eps"]
        if eps1 is None:
            eps1 = rl.finfo(param.dtype).eps
        step = number(state["step"].add_(1))
        share = step ** group["beta2_decay"]
        scale = at_least(_root_mean_square(param), eps2) * -at_least(-(1 / step**0.5), -lr)
        if group["weight_decay"] != 0:
            param.mul_(1 - lr * group["weight_decay"])
        spread = self._second_moment(grad, state, share, eps1)
        update = spread.clamp(min=eps1 * eps1).rsqrt().mul(grad)
        scale = scale / at_least(_root_mean_square(update) / group["d"], 1.0)
        if isinstance(scale, rl.Tensor):  # in a trace
            param.sub_(update * scale)
        else:
            param.add_(update, alpha=-scale)

    @staticmethod
    def _second_moment(grad, state: dict[str, Any], share: float, eps1: float):
        """The running mean of the squared gradient, of matrices as rows times columns."""
        if grad.dim() <= 1:
            return state["variance"].lerp_(grad * grad, share)
        for name, dim in (("row_var", -1), ("col_var", -2)):
            state[name].lerp_(grad.square().mean(dim, keepdim=True), share)
        rows = state["row_var"]
        return (rows @ state["col_var"]).div(rows.mean(dim=-2, keepdim=True).clamp(min=eps1))


def _root_mean_square(tensor) -> Any:
    return number(tensor.square().mean().sqrt())
