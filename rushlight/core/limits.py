"""The limits of number types: `finfo` and `iinfo`."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import dtypes
from .errors import fail
from .state import DEFAULTS


class finfo:
    """Limits of a floating-point type: `bits eps max min tiny smallest_normal resolution dtype`.

    >>> import rushlight as torch
    >>> torch.finfo(torch.float32).eps
    1.1920928955078125e-07
    """

    def __init__(self, type: Any = None) -> None:
        kind = DEFAULTS.dtype if type is None else _kind("finfo", type)
        if kind.category < dtypes.FLOAT:
            raise fail(
                TypeError,
                "torch.finfo() requires a floating point input type. Use torch.iinfo to handle"
                " 'torch.finfo'",
                f"the type given is {kind!r}",
            )
        limits = dtypes.limits_of(kind.to_real())
        self.bits, self.dtype = limits.bits, kind.to_real().name
        self.eps, self.max, self.min = float(limits.eps), float(limits.max), float(limits.min)
        if kind is dtypes.float8_e5m2fnuz:
            self.eps = 0.125  # as torch says; the step above 1 is 0.25
        self.tiny = self.smallest_normal = float(limits.tiny)
        self.resolution = 10.0**-limits.precision if kind.rank else 1.0

    def __eq__(self, other: object) -> bool:
        return self.dtype == other.dtype if isinstance(other, finfo) else NotImplemented

    __hash__ = None  # pyright: ignore[reportAssignmentType] (torch's have none)

    def __repr__(self) -> str:
        parts = ("resolution", "min", "max", "eps", "smallest_normal", "tiny")
        shown = ", ".join(f"{part}={_short(getattr(self, part))}" for part in parts)
        return f"finfo({shown}, dtype={self.dtype})"


def _kind(name: str, given: Any) -> dtypes.dtype:
    """The data type given, or that of a Python type."""
    try:
        kind = dtypes.PYTHON.get(given, given)
    except TypeError:  # of what has no hash
        kind = given
    if not isinstance(kind, dtypes.dtype):
        found = type(given).__name__
        raise TypeError(f"{name}(): argument 'type' (position 1) must be torch.dtype, not {found}")
    return kind


def _short(value: float) -> str:
    return f"{value:g}"


class iinfo:
    """Limits of an integer type: `bits max min dtype`.

    >>> import rushlight as torch
    >>> torch.iinfo(torch.int8)
    iinfo(min=-128, max=127, dtype=int8)
    """

    def __init__(self, type: Any) -> None:
        kind = _kind("iinfo", type)
        if kind is dtypes.bool_:
            raise TypeError("torch.bool is not supported by torch.iinfo")
        if kind.category != dtypes.INTEGER:
            raise fail(
                TypeError,
                "torch.iinfo() requires an integer input type. Use torch.finfo to handle"
                " 'torch.iinfo'",
                f"the type given is {kind!r}",
            )
        limits = np.iinfo(kind.numpy)
        self.bits, self.max, self.min, self.dtype = limits.bits, limits.max, limits.min, kind.name

    def __eq__(self, other: object) -> bool:
        return self.dtype == other.dtype if isinstance(other, iinfo) else NotImplemented

    __hash__ = None  # pyright: ignore[reportAssignmentType] (as above)

    def __repr__(self) -> str:
        return f"iinfo(min={_short(self.min)}, max={_short(self.max)}, dtype={self.dtype})"
