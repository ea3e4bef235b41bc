"""Muon."""

from __future__ import annotations

from math import sqrt
from typing import Any

import rushlight as rl

from .checks import reaches
from .elementwise import number, rate
from .optimizer import Grouped

_COEFFICIENTS = (3.4445, -4.775, 2.0315)
_ADJUSTMENTS = (None, "original", "match_rms_adamw")


class Muon(Grouped):
    r"""Muon: the momentum of a matrix, brought near to the closest orthogonal matrix.

    b = momentum b + (1 - momentum) g;  u = (1 - momentum) g + momentum b with `nesterov`, else b;
    x = u / |u|, then `ns_steps` times x = a x + (b s + c s^2) x with s = x x^T, in bfloat16;
    w = (1 - lr weight_decay) w - r lr x, where r is sqrt(max(1, rows / columns)), or
    0.2 sqrt(max(rows, columns)) with `adjust_lr_fn="match_rms_adamw"`.

    Arguments: `params`, matrices only; `lr`; `weight_decay`, decoupled; `momentum`; `nesterov`;
    `ns_coefficients` (a, b, c); `eps`, the least |u|; `ns_steps`; `adjust_lr_fn`.
    Raises ValueError for other parameters or values out of range, RuntimeError for complex ones.
    Source: Jordan et al. 2024, https://kellerjordan.github.io/posts/muon;
    Liu et al. 2025, https://arxiv.org/abs/2502.16982.

    >>> import rushlight as torch
    >>> w = torch.nn.Parameter(torch.eye(2))
    >>> optimizer = torch.optim.Muon([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> bool(w[0, 0] < 1)
    True
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = _COEFFICIENTS,
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        if isinstance(lr, rl.Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        checks = [
            (reaches(lr), f"Learning rate should be >= 0 but is: {lr}"),
            (reaches(momentum), f"momentum should be >= 0 but is: {momentum}"),
            (reaches(weight_decay), f"weight decay should be >= 0 but is: {weight_decay}"),
            (adjust_lr_fn in _ADJUSTMENTS,
             f"Adjust learning rate function {adjust_lr_fn} is not supported"),
        ]  # fmt: skip
        for good, text in checks:
            if not good:
                raise ValueError(text)
        defaults = {
            "lr": lr, "weight_decay": weight_decay, "momentum": momentum, "nesterov": nesterov,
            "ns_coefficients": ns_coefficients, "eps": eps, "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
        }  # fmt: skip
        super().__init__(params, defaults)
        for group in self.param_groups:
            for param in group["params"]:
                if param.ndim != 2:
                    raise ValueError(
                        "Muon only supports 2D parameters whereas we found a parameter with size:"
                        f" {param.size()}"
                    )

    def _step_param(self, param, group: dict[str, Any]) -> None:
        if param.is_complex():
            raise RuntimeError("Muon does not support complex parameters")
        grad, state, momentum = param.grad, self.state[param], group["momentum"]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = rl.zeros_like(grad)
        average = state["momentum_buffer"]
        average.lerp_(grad, 1 - momentum)
        wanted = grad.lerp(average, momentum) if group["nesterov"] else average
        update = _orthogonal(wanted, group["ns_coefficients"], group["ns_steps"], group["eps"])
        lr = number(rate(group))
        rows, columns = param.shape
        if group["adjust_lr_fn"] == "match_rms_adamw":
            reach = 0.2 * sqrt(max(rows, columns))
        else:
            reach = sqrt(max(1, rows / columns))
        param.mul_(1 - lr * group["weight_decay"])
        param.add_(update.to(param.dtype), alpha=-(lr * reach))


def _orthogonal(matrix: Any, coefficients: Any, steps: int, eps: float) -> Any:
    """The matrix with all its singular values brought near to 1, by Newton and Schulz."""
    if steps >= 100:
        raise ValueError("Number of steps must be less than 100 for computational efficiency")
    if len(coefficients) != 3:
        raise ValueError("Coefficients must be a tuple of exactly 3 values")
    a, b, c = coefficients
    x = matrix.bfloat16()
    tall = matrix.shape[0] > matrix.shape[1]
    x = x.T if tall else x
    x = (x / x.norm().clamp(min=eps)).float()  # products sum in it, whatever type they are given in
    for _ in range(steps):
        square = _rounded(x @ x.T)
        x = _rounded(rl.addmm(x, _rounded(_bent(square, b, c)), x, beta=a))
    return x.T if tall else x


def _bent(square: Any, b: float, c: float) -> Any:
    """b s + c s^2."""
    return rl.addmm(square, square, square, beta=b, alpha=c)


def _rounded(x: Any) -> Any:
    """What bfloat16 holds of float32 numbers, in float32."""
    return x.bfloat16().float()
