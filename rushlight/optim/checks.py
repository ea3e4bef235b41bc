"""Checks of hyperparameters, with torch's words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rushlight as rl

from ..core.errors import fail

Question = Callable[[Any], bool]


def _outside(value: Any) -> bool:
    return not 0.0 <= value  # noqa: SIM300  (torch's order, which errors for texts show)


def reaches(value: Any, least: float = 0.0) -> bool:
    """Whether a number is in range, asked in torch's order, which errors for texts show."""
    return least <= value


def stays_below(value: Any, most: float = 0.0) -> bool:
    """Whether a number is at most `most`, asked in torch's order."""
    return most >= value


def negative(value: Any) -> bool:
    """Whether a number is below zero, as SGD asks it: nan is not."""
    return value < 0.0


def _refused(value: Any, wrong: Question) -> bool:
    """`wrong(value)`; of texts, as programs get numbers from outside, it is told what they are."""
    try:
        return wrong(value)
    except TypeError as error:
        if isinstance(value, str):
            error.add_note(f"{value!r} is text: float({value!r}), or type=float in add_argument")
        raise


def check_lr(lr: Any, wrong: Question = _outside) -> None:
    """Refuse a negative learning rate, and a tensor of more than one element."""
    if isinstance(lr, rl.Tensor) and lr.numel() != 1:
        raise ValueError("Tensor lr must be 1-element")
    if _refused(lr, wrong):
        raise fail(
            ValueError,
            f"Invalid learning rate: {lr}",
            "it must be at least 0; to climb instead of descend pass maximize=True",
        )


def check_least(name: str, value: Any, wrong: Question = _outside) -> None:
    """Refuse a negative value: `Invalid {name} value: {value}`."""
    if _refused(value, wrong):
        raise ValueError(f"Invalid {name} value: {value}")


def check_eps(eps: float) -> None:
    """Refuse a negative epsilon."""
    if _refused(eps, _outside):
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


def check_fused_param(param: Any) -> None:
    """Refuse what torch's fused steps refuse: complex parameters, and those without values."""
    if param.device.type == "meta" or not param.is_floating_point():
        raise RuntimeError(
            "`fused=True` requires all the params to be floating point Tensors of supported "
            "devices: ['mps', 'cuda', 'xpu', 'hpu', 'cpu', 'mtia', 'privateuseone'] "
            f"but {param.dtype} and {param.device.type}"
        )
