"""What the old arguments `size_average` and `reduce` of losses mean, for libraries' own losses."""

from __future__ import annotations

import warnings

_NUMBERS = {"none": 0, "mean": 1, "elementwise_mean": 1, "sum": 2}


def get_enum(reduction: str) -> int:
    """The number of a reduction: 0 for none, 1 for the mean, 2 for the sum.

    Raises:
        ValueError: for any other word.

    >>> from rushlight.nn import _reduction
    >>> _reduction.get_enum("sum")
    2
    """
    if reduction not in _NUMBERS:
        raise ValueError(f"{reduction} is not a valid value for reduction")
    if reduction == "elementwise_mean":
        warnings.warn(
            "reduction='elementwise_mean' is deprecated. Please use reduction='mean' instead.",
            stacklevel=2,
        )
    return _NUMBERS[reduction]


def legacy_get_string(
    size_average: bool | None, reduce: bool | None, emit_warning: bool = True
) -> str:
    """The reduction that the old pair of arguments means; None stands for True in either.

    >>> from rushlight.nn import _reduction
    >>> _reduction.legacy_get_string(False, None, emit_warning=False)
    'sum'
    """
    average = size_average is None or size_average
    reduction = "none" if not (reduce is None or reduce) else "mean" if average else "sum"
    if emit_warning:
        warnings.warn(
            "size_average and reduce args will be deprecated, please use"
            f" reduction='{reduction}' instead.",
            stacklevel=2,
        )
    return reduction


def legacy_get_enum(
    size_average: bool | None, reduce: bool | None, emit_warning: bool = True
) -> int:
    """The number of the reduction that the old pair of arguments means.

    >>> from rushlight.nn import _reduction
    >>> _reduction.legacy_get_enum(None, False, emit_warning=False)
    0
    """
    return get_enum(legacy_get_string(size_average, reduce, emit_warning))
