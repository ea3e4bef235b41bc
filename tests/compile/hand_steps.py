"""Training steps as people write them by hand: what is put into tensors, swapped and put back.

A case makes a world of `t` (any library like torch) and gives a step of (x, y), which may have
been wrapped, and what can be seen after a call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Made = tuple[Callable[..., Any], Callable[[], Any]]
CASES: dict[str, Callable[[Any, Any], Made]] = {}


def case(make: Callable[[Any, Any], Made]) -> Callable[[Any, Any], Made]:
    """A step that must be a program."""
    CASES[make.__name__] = make
    return make


def net_of(t: Any) -> Any:
    """A small net."""
    return t.nn.Sequential(t.nn.Linear(4, 6), t.nn.Tanh(), t.nn.Linear(6, 2))


def world(t: Any, lr: float = 0.1) -> tuple[Any, Any]:
    net = net_of(t)
    return net, t.optim.SGD(net.parameters(), lr=lr, momentum=0.9)


def left(*things: Any) -> Callable[[], Any]:
    """What parameters, their gradients, buffers and optimiser states hold."""

    def seen() -> list[Any]:
        found: list[Any] = []
        for x in things:
            if hasattr(x, "named_parameters"):
                found += [(k, p, p.grad, p.requires_grad) for k, p in x.named_parameters()]
                found += list(x.named_buffers())
            elif hasattr(x, "state_dict"):
                found.append(x.state_dict())
            elif callable(x):
                found.append(x())
            elif isinstance(x, (list, dict, tuple)):
                found.append(x)
            else:
                found.append((x, x.grad if x.is_leaf else None, x.requires_grad))
        return found

    return seen
