"""torch.distributed.tensor.experimental: plain tensors beside those in parts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ...core.names import explain_missing as _explain_missing
from .dispatching import IMPLICIT

__all__ = ["implicit_replication"]

_explain_missing(__name__)


@contextlib.contextmanager
def implicit_replication() -> Iterator[None]:
    """Within the block a plain tensor beside a DTensor counts as the same on all processes.

    Source: https://docs.pytorch.org/docs/stable/distributed.tensor.html

    >>> import rushlight as torch
    >>> from rushlight.distributed.tensor.experimental import implicit_replication
    >>> with implicit_replication():
    ...     print(torch.ones(2) + 1)
    tensor([2., 2.])
    """
    before, IMPLICIT[0] = IMPLICIT[0], True
    try:
        yield
    finally:
        IMPLICIT[0] = before
