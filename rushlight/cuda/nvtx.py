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
    """Begin a nested range with a name. Raises: RuntimeError, for there is no GPU's profiler here.

    >>> import rushlight as torch
    >>> try:
    ...     torch.cuda.nvtx.range_push("step")
    ... except RuntimeError as error:
    ...     print(error)
    NVTX functions not installed. Are you sure you have a CUDA build?
    """
    _refuse()


def range_pop() -> int:
    """End the innermost range of `range_push`. Raises: RuntimeError, as that does.

    >>> import rushlight as torch
    >>> try:
    ...     torch.cuda.nvtx.range_pop()
    ... except RuntimeError as error:
    ...     print(error)
    NVTX functions not installed. Are you sure you have a CUDA build?
    """
    _refuse()


def range_start(msg: str) -> int:
    """Begin a range that may end in another thread. Raises: RuntimeError, as `range_push`.

    >>> import rushlight as torch
    >>> try:
    ...     torch.cuda.nvtx.range_start("step")
    ... except RuntimeError as error:
    ...     print(error)
    NVTX functions not installed. Are you sure you have a CUDA build?
    """
    _refuse()


def range_end(range_id: int) -> None:
    """End the range that `range_start` gave. Raises: RuntimeError, as that does.

    >>> import rushlight as torch
    >>> try:
    ...     torch.cuda.nvtx.range_end(1)
    ... except RuntimeError as error:
    ...     print(error)
    NVTX functions not installed. Are you sure you have a CUDA build?
    """
    _refuse()


def mark(msg: str) -> None:
    """Put a mark into the timeline. Raises: RuntimeError, as `range_push`.

    >>> import rushlight as torch
    >>> try:
    ...     torch.cuda.nvtx.mark("here")
    ... except RuntimeError as error:
    ...     print(error)
    NVTX functions not installed. Are you sure you have a CUDA build?
    """
    _refuse()


@contextlib.contextmanager
def range(msg: str, *args: Any, **kwargs: Any) -> Iterator[None]:
    """A block that is a range of this name. Raises: RuntimeError when it is entered.

    >>> import rushlight as torch
    >>> try:
    ...     with torch.cuda.nvtx.range("step"):
    ...         pass
    ... except RuntimeError as error:
    ...     print(error)
    NVTX functions not installed. Are you sure you have a CUDA build?
    """
    _refuse()
    yield
