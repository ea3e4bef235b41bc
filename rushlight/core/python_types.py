"""Python's own types where a data type is asked for: `dtype=float` means float64."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from . import dtypes

DTYPES: dict[Any, dtypes.dtype] = {
    float: dtypes.float64, int: dtypes.int64, bool: dtypes.bool_, complex: dtypes.complex128,
}  # fmt: skip


def said(value: Any) -> Any:
    """The data type behind a type of Python's; any other value as it is.

    >>> from rushlight.core.python_types import said
    >>> said(float), said(3)
    (torch.float64, 3)
    """
    return DTYPES.get(value, value) if type(value) is type else value


def among(values: Iterable[Any]) -> bool:
    """Whether one of the values is such a type."""
    return any(type(value) is type and value in DTYPES for value in values)
