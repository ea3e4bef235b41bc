"""torch.distributed.autograd without calls to other processes: contexts are refused."""

from __future__ import annotations

from typing import Any, NoReturn

from ..core.errors import fail


def is_available() -> bool:
    """False: no gradient passes through a call to another process.

    >>> import rushlight as torch
    >>> import rushlight.distributed.autograd
    >>> torch.distributed.autograd.is_available()
    False
    """
    return False


def context(*args: Any, **kwargs: Any) -> NoReturn:
    """Refused."""
    raise fail(
        RuntimeError,
        "Need to initialize distributed autograd using torch.distributed.autograd.init()",
        "there are no calls to other processes: torch.distributed.nn has exchanges of tensors that"
        " gradients pass through",
    )


backward = get_gradients = context
