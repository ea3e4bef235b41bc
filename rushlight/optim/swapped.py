"""An optimiser that for a while steps over other tensors than its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import rushlight as rl

from ..core.errors import fail
from .optimizer import Optimizer

_NAME = "swap_in_optimizer_params_and_state"


@contextmanager
def swap_in_optimizer_params_and_state(
    optimizer: Optimizer, swapin_parameters: dict[str, rl.Tensor],
    swapin_optim_state: dict[str, Any],
) -> Iterator[None]:  # fmt: skip
    """In the block the optimiser has these parameters and this state; then its own again.

    `swapin_parameters` stand in the order of the optimiser's, `swapin_optim_state` is what
    `state_dict()` gives. A step writes into the tensors of both, and nothing else of it stays.
    Raises RuntimeError for an optimiser that has not stepped yet, and for other numbers of
    parameters or groups.
    Source: https://docs.pytorch.org/docs/stable/optim.html

    >>> import rushlight as torch
    >>> w = torch.ones(2, requires_grad=True)
    >>> optimizer = torch.optim.SGD([w], lr=0.5, momentum=0.9)
    >>> w.grad = torch.ones(2)
    >>> optimizer.step()
    >>> other = torch.zeros(2)
    >>> other.grad = torch.ones(2)
    >>> with swap_in_optimizer_params_and_state(optimizer, {"w": other}, optimizer.state_dict()):
    ...     optimizer.step()
    >>> other, w
    (tensor([-0.9500, -0.9500]), tensor([0.5000, 0.5000], requires_grad=True))
    """
    own, state = optimizer.param_groups, optimizer.state
    if not state:
        raise fail(
            RuntimeError, f"{_NAME} requires initialized optimizer state.",
            "take one step first: it makes the state",
        )  # fmt: skip
    given = list(swapin_parameters.values())
    groups = swapin_optim_state["param_groups"]
    if len(given) != sum(len(group["params"]) for group in own):
        raise RuntimeError(
            f"{_NAME} requires the explicit parameter state to match optimizer.param_groups"
            " ordering."
        )
    if len(groups) != len(own):
        raise RuntimeError(
            "swapin_optim_state has a different number of parameter groups than the live optimizer."
        )
    known = iter(given)
    fresh = [
        {**group, "params": [next(known) for _ in mine["params"]]}
        for mine, group in zip(own, groups)
    ]
    by_number = {
        number: x
        for there, group in zip(fresh, groups)
        for number, x in zip(group["params"], there["params"])
    }
    kept = swapin_optim_state["state"]
    optimizer.param_groups = fresh
    optimizer.state = type(state)(dict)
    optimizer.state.update({by_number[number]: dict(values) for number, values in kept.items()})
    try:
        yield
    finally:
        for number, values in kept.items():
            _written(values, optimizer.state[by_number[number]])
        optimizer.param_groups, optimizer.state = own, state


def _written(values: dict[str, Any], after: dict[str, Any]) -> None:
    """Tensors of a state get what the optimiser, which may put new ones there, made of them."""
    with rl.no_grad():
        for name, x in values.items():
            if isinstance(x, rl.Tensor) and isinstance(after.get(name), rl.Tensor):
                x.copy_(after[name])
