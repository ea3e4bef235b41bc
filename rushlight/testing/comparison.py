"""`assert_close`: whether two values agree, and if not, by how much and where."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

import rushlight as rl

NUMBERS = (int, float, complex, np.number)
BOOLEANS = (bool, np.bool_)
_FINE = (1e-7, 1e-7)
TOLERANCES: dict[Any, tuple[float, float]] = {
    rl.float16: (1e-3, 1e-5), rl.bfloat16: (1.6e-2, 1e-5), rl.float32: (1.3e-6, 1e-5),
    rl.float64: _FINE, rl.complex64: (1.3e-6, 1e-5), rl.complex128: _FINE, float: _FINE,
    complex: _FINE,
}  # fmt: skip


class Options(NamedTuple):
    """How strictly two values are compared."""

    subclasses: bool
    rtol: float | None
    atol: float | None
    equal_nan: bool
    device: bool
    dtype: bool
    layout: bool
    stride: bool

    def tolerances(self, *kinds: Any) -> tuple[float, float]:
        """The tolerances given, or those of the coarsest of the types."""
        if self.rtol is not None and self.atol is not None:
            return self.rtol, self.atol
        found = [TOLERANCES.get(kind, (0.0, 0.0)) for kind in kinds]
        return max(rtol for rtol, _ in found), max(atol for _, atol in found)


class Mismatch(Exception):
    """What differs, and the keys that lead to it inside containers."""

    def __init__(self, text: str, path: tuple[Any, ...] = ()) -> None:
        super().__init__(text)
        self.text, self.path = text, path

    def message(self) -> str:
        if not self.path:
            return self.text
        where = "".join(f"[{key!r}]" for key in self.path)
        return f"{self.text}\n\nThe failure occurred for item {where}"


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """Raise AssertionError unless |actual - expected| <= atol + rtol |expected| everywhere.

    Compares tensors, numbers, and sequences and mappings of them. Without `rtol` and `atol` the
    coarser data type decides (float32: 1.3e-6 and 1e-5; integers must be equal). `msg` replaces
    the text, or makes one from it.
    Raises ValueError for one tolerance without the other, TypeError for other values.
    Source: https://pytorch.org/docs/stable/testing.html

    >>> import rushlight as torch
    >>> torch.testing.assert_close(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.000001]))
    """
    if (rtol is None) != (atol is None):
        missing = "rtol" if rtol is None else "atol"
        raise ValueError(
            f"Both 'rtol' and 'atol' must be either specified or omitted, but got no {missing}."
        )
    options = Options(allow_subclasses, rtol, atol, equal_nan, check_device, check_dtype,
                      check_layout, check_stride)  # fmt: skip
    try:
        _compare(actual, expected, options)
    except Mismatch as found:
        text = found.message()
    else:
        return
    raise AssertionError(msg(text) if callable(msg) else text if msg is None else msg)


def assert_allclose(
    actual: Any, expected: Any, rtol: float | None = None, atol: float | None = None,
    equal_nan: bool = True, msg: str = "",
) -> None:  # fmt: skip
    """`assert_close` under its old name: data types and devices may differ, nan equals nan.

    Arguments: `rtol` and `atol`, by default those of the types; `equal_nan`; `msg`, the text of the
    error instead. Raises: AssertionError where they differ.

    >>> import rushlight as torch, warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     torch.testing.assert_allclose(torch.ones(1), torch.ones(1, dtype=torch.float64))
    """
    warnings.warn(
        "`torch.testing.assert_allclose()` is deprecated since 1.12 and will be removed in a future"
        " release. Please use `torch.testing.assert_close()` instead.",
        FutureWarning, stacklevel=2,
    )  # fmt: skip
    actual, expected = (x if isinstance(x, rl.Tensor) else rl.tensor(x) for x in (actual, expected))
    assert_close(actual, expected, rtol=rtol, atol=atol, equal_nan=equal_nan, check_device=True,
                 check_dtype=False, check_stride=False, msg=msg or None)  # fmt: skip


def _is_sequence(x: Any) -> bool:
    return isinstance(x, Sequence) and not isinstance(x, (str, bytes))


def _compare(actual: Any, expected: Any, options: Options) -> None:
    if _is_sequence(actual) and _is_sequence(expected):
        if len(actual) != len(expected):
            raise Mismatch(
                f"The length of the sequences mismatch: {len(actual)} != {len(expected)}"
            )
        _compare_items(list(range(len(actual))), actual, expected, options)
    elif isinstance(actual, Mapping) and isinstance(expected, Mapping):
        _compare_keys(actual, expected)
        keys = list(actual)
        if all(isinstance(key, str) for key in keys):
            keys.sort()
        _compare_items(keys, actual, expected, options)
    elif actual is None or expected is None:
        if actual is not expected:
            raise Mismatch(f"None mismatch: {actual} is not {expected}")
    elif isinstance(actual, BOOLEANS) and isinstance(expected, BOOLEANS):
        if bool(actual) is not bool(expected):
            raise Mismatch(f"Booleans mismatch: {actual} is not {expected}")
    elif isinstance(actual, NUMBERS) and isinstance(expected, NUMBERS):
        _compare_numbers(actual, expected, options)
    else:
        _compare_tensors(*_tensors(actual, expected, options), options)


def _compare_items(keys: list[Any], actual: Any, expected: Any, options: Options) -> None:
    for key in keys:
        try:
            _compare(actual[key], expected[key], options)
        except Mismatch as found:
            raise Mismatch(found.text, (key, *found.path)) from None


def _compare_keys(actual: Mapping[Any, Any], expected: Mapping[Any, Any]) -> None:
    missing, more = set(expected) - set(actual), set(actual) - set(expected)
    if missing or more:
        raise Mismatch(
            "The keys of the mappings do not match:\n"
            f"Missing keys in the actual mapping: {sorted(missing)}\n"
            f"Additional keys in the actual mapping: {sorted(more)}"
        )


def _compare_numbers(actual: Any, expected: Any, options: Options) -> None:
    a, b = (x.item() if isinstance(x, np.number) else x for x in (actual, expected))
    if options.dtype and type(a) is not type(b):
        raise Mismatch(f"The (d)types do not match: {type(a)} != {type(b)}.")
    _compare_values(a, b, options.tolerances(type(a), type(b)), options.equal_nan)


def _compare_values(a: Any, b: Any, tolerances: tuple[float, float], equal_nan: bool) -> None:
    rtol, atol = tolerances
    gap = abs(a - b)
    if a == b or (equal_nan and a != a and b != b):
        return
    if math.isfinite(gap) and gap <= atol + rtol * abs(b):
        return
    share = gap / abs(b) if b != 0 else math.inf
    exact = rtol == atol == 0
    raise Mismatch(
        f"Scalars are not {'equal' if exact else 'close'}!\n\nExpected {b} but got {a}.\n"
        f"Absolute difference: {gap}{'' if exact else f' (up to {atol} allowed)'}\n"
        f"Relative difference: {share}{'' if exact else f' (up to {rtol} allowed)'}"
    )


def _tensors(actual: Any, expected: Any, options: Options) -> tuple[Any, Any]:
    """Two related tensor-likes as tensors; TypeError for anything else."""
    first, second = type(actual), type(expected)
    related = isinstance(actual, second) or isinstance(expected, first)
    if related and (options.subclasses or first is second):
        if isinstance(actual, rl.Tensor):
            return actual.detach(), expected.detach()
        if isinstance(actual, np.ndarray):
            return rl.as_tensor(actual), rl.as_tensor(expected)
    raise TypeError(f"No comparison pair was able to handle inputs of type {first} and {second}.")


def _compare_tensors(actual: Any, expected: Any, options: Options) -> None:
    for name, wanted in (("shape", True), ("layout", options.layout), ("device", options.device),
                         ("dtype", options.dtype)):  # fmt: skip
        first, second = getattr(actual, name), getattr(expected, name)
        if wanted and first != second:
            raise Mismatch(f"The values for attribute '{name}' do not match: {first} != {second}.")
    if options.stride and actual.stride() != expected.stride():
        raise Mismatch(
            f"The values for attribute 'stride()' do not match: {actual.stride()} !="
            f" {expected.stride()}."
        )
    tolerances = options.tolerances(actual.dtype, expected.dtype)
    if actual.dtype != expected.dtype:
        common = rl.promote_types(actual.dtype, expected.dtype)
        actual, expected = actual.to(common), expected.to(common)
    if actual.ndim == 0:
        _compare_values(actual.item(), expected.item(), tolerances, options.equal_nan)
        return
    if not (actual.is_floating_point() or actual.is_complex()):
        actual, expected = actual.to(rl.int64), expected.to(rl.int64)
    rtol, atol = tolerances
    matches = rl.isclose(actual, expected, rtol=rtol, atol=atol, equal_nan=options.equal_nan)
    if not matches.all():
        raise Mismatch(_report(actual, expected, matches, rtol, atol))


def _report(actual: Any, expected: Any, matches: Any, rtol: float, atol: float) -> str:
    exact = rtol == atol == 0
    wrong, total = int((~matches).sum()), matches.numel()
    gaps = (actual - expected).abs()
    shares = gaps / expected.abs()
    lines = [
        f"Tensor-likes are not {'equal' if exact else 'close'}!\n",
        f"Mismatched elements: {wrong} / {total} ({wrong / total:.1%})",
    ]
    for name, values, most in (("absolute", gaps, atol), ("relative", shares, rtol)):
        values = values.masked_fill(matches, 0)
        place = int(values.reshape(-1).argmax())
        index = tuple(int(i) for i in np.unravel_index(place, tuple(values.shape)))
        allowed = "" if exact else f" (up to {most} allowed)"
        found = values.reshape(-1)[place].item()
        lines.append(f"Greatest {name} difference: {found} at index {index}{allowed}")
    return "\n".join(lines)
