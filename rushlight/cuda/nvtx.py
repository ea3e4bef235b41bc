"""torch.cuda.nvtx: marks in the timelines of a GPU's profiler, which is not there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, NoReturn

from ..core.names import explain_missing as _explain_missing

__all__ = ["mark", "range", "range_end", "range_pop", "range_push", "range_start"]
_explain_missing(__name__)


def _refuse() -> NoReturn:
    raise RuntimeError("NVTX functions not installed. Are you sure you have a CUDA build?")


def range_push(msg: str) -> int:
    """Refuse: RuntimeError."""
    _refuse()


def range_pop() -> int:
    """Refuse: RuntimeError."""
    _refuse()


def range_start(msg: str) -> int:
    """Refuse: RuntimeError."""
    _refuse()


def range_end(range_id: int) -> None:
    """Refuse: RuntimeError."""
    _refuse()


def mark(msg: str) -> None:
    """Refuse: RuntimeError."""
    _refuse()


@contextlib.contextmanager
def range(msg: str, *args: Any, **kwargs: Any) -> Iterator[None]:
    """Refuse when the block is entered: RuntimeError."""
    _refuse()
    yield
