"""torch.random: the default generator and its state."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from .core.names import explain_missing as _explain_missing
from .functions.drawing import (
    Generator,
    default_generator,
    get_rng_state,
    initial_seed,
    manual_seed,
    opened,
    seed,
    set_rng_state,
)

__all__ = [
    "fork_rng", "get_rng_state", "initial_seed", "manual_seed", "seed", "set_rng_state",
    "thread_safe_generator",
]  # fmt: skip
assert Generator and default_generator  # reachable as torch.random.Generator, as in torch

_explain_missing(__name__)


def thread_safe_generator() -> Generator | None:
    """None, the default generator: workers of a DataLoader are processes, each with its own.

    >>> import rushlight as torch
    >>> a = torch.randint(9, (2,), generator=torch.random.thread_safe_generator())
    >>> a.shape
    torch.Size([2])
    """
    return None


@contextlib.contextmanager
def fork_rng(devices: Any = None, enabled: bool = True, _caller: str = "fork_rng",
             _devices_kw: str = "devices",
             device_type: str = "cuda") -> Iterator[None]:  # fmt: skip
    """A block whose draws leave the default generator as it was.

    Arguments: `enabled`: False makes it a plain block; devices are accepted, the CPU's generator is
    the one there is. Source: https://docs.pytorch.org/docs/stable/random.html

    >>> import rushlight as torch
    >>> before = torch.get_rng_state()
    >>> with torch.random.fork_rng(): _ = torch.rand(3)
    >>> bool((before == torch.get_rng_state()).all())
    True
    """
    if not enabled:
        yield
        return
    state = opened(default_generator).get_state()
    try:
        yield
    finally:
        default_generator._engine.set_state(state)
