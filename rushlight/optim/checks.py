"""Checks of hyperparameters, with torch's words."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from ..core.errors import fail


def check_lr(lr: Any) -> None:
    """Refuse a negative learning rate, and a tensor of more than one element."""
    if isinstance(lr, rl.Tensor) and lr.numel() != 1:
        raise ValueError("Tensor lr must be 1-element")
    if not lr >= 0.0:
        raise fail(
            ValueError,
            f"Invalid learning rate: {lr}",
            "it must be at least 0; to climb instead of descend pass maximize=True",
        )


def check_least(name: str, value: Any) -> None:
    """Refuse a negative value: `Invalid {name} value: {value}`."""
    if not value >= 0.0:
        raise ValueError(f"Invalid {name} value: {value}")


def check_eps(eps: float) -> None:
    """Refuse a negative epsilon."""
    if not eps >= 0.0:
        raise ValueError(f"Invalid epsilon value: {eps}")


def check_betas(betas: Any) -> None:
    """Refuse decay rates outside [0, 1)."""
    for index in (0, 1):
        if not 0.0 <= betas[index] < 1.0:
            raise fail(
                ValueError,
                f"Invalid beta parameter at index {index}: {betas[index]}",
                "it must lie in [0, 1)",
            )


def check_fused(fused: bool | None, foreach: bool | None, differentiable: bool) -> None:
    """Refuse combinations that torch refuses; the flags choose nothing else here."""
    if fused:
        if differentiable:
            raise RuntimeError("`fused` does not support `differentiable`")
        if foreach:
            raise RuntimeError("`fused` and `foreach` cannot be `True` together.")
