"""A tensor's text: what `repr` shows, letter for letter as torch writes it.

Three steps: pick the elements that will be seen, write each one once, lay the texts out in lines.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from .dtypes import COMPLEX_CODES

__all__ = [
    "add_suffixes",
    "format_tensor",
    "format_values",
    "get_printoptions",
    "printoptions",
    "set_printoptions",
]


class PrintOptions(NamedTuple):
    """What a user may set; replaced whole, so that no text is made from half of a change."""

    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


_PROFILES: dict[str | None, PrintOptions] = {
    "default": PrintOptions(),
    "short": PrintOptions(precision=2, edgeitems=2),
    "full": PrintOptions(threshold=math.inf),
}
_options = PrintOptions()


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Choose how tensors are printed; what is not given stays as it was, except `sci_mode`.

    Arguments:
        precision: digits after the point (4 at first).
        threshold: a tensor with more elements than this is summarised (1000).
        edgeitems: how many a summary shows at both ends of a dimension (3).
        linewidth: characters after which a line breaks (80).
        profile: "default", "short" or "full" to start from; another name changes nothing.
        sci_mode: True or False forces; None, also by omission, lets the values decide.

    As in torch nothing is checked here: a precision that cannot be used fails when printing.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.set_printoptions.html

    >>> import numpy as np
    >>> set_printoptions(precision=2)
    >>> format_tensor(np.array([1.12345, 2.0]))
    'tensor([1.12, 2.00])'
    >>> set_printoptions(profile="default")
    """
    global _options
    given = {
        "precision": precision,
        "threshold": threshold,
        "edgeitems": edgeitems,
        "linewidth": linewidth,
    }
    changed = {name: value for name, value in given.items() if value is not None}
    _options = _PROFILES.get(profile, _options)._replace(**changed, sci_mode=sci_mode)


def get_printoptions() -> dict[str, Any]:
    """The present print options by name, fit for `set_printoptions(**options)`.

    >>> get_printoptions()
    {'precision': 4, 'threshold': 1000, 'edgeitems': 3, 'linewidth': 80, 'sci_mode': None}
    """
    return _options._asdict()


@contextmanager
def printoptions(**options: Any) -> Iterator[None]:
    """Print with other options inside a `with`; takes what `set_printoptions` takes.

    Raises TypeError for an option that does not exist.

    >>> import numpy as np
    >>> with printoptions(sci_mode=True, precision=1):
    ...     format_tensor(np.array([1.5, 20.0]))
    'tensor([1.5e+00, 2.0e+01])'
    """
    global _options
    before = _options
    set_printoptions(**options)
    try:
        yield
    finally:
        _options = before


def format_tensor(
    array: np.ndarray,
    *,
    prefix: str = "tensor(",
    indent: int | None = None,
    dtype_name: str | None = None,
    default_dtype_name: str = "torch.float32",
    requires_grad: bool = False,
    grad_fn_name: str | None = None,
    device: str | None = None,
    tensor_contents: str | None = None,
) -> str:
    """The text of a tensor that holds `array`, as torch 2.13's `repr` gives it.

    Only what is shown is read and formatted, whatever the size of the array. Continuation lines
    start at column `indent`, which is the length of `prefix` unless given. The dtype appears when
    the values do not tell it (never if None), a device whenever it is given; "meta" shows a size
    in place of values. `tensor_contents` takes the place of the values.

    >>> import numpy as np
    >>> print(format_tensor(np.array([[1.5, -2.0], [0.0, np.inf]]), requires_grad=True))
    tensor([[ 1.5000, -2.0000],
            [ 0.0000,     inf]], requires_grad=True)
    >>> format_tensor(np.zeros((0, 3), np.int64), dtype_name="torch.int64")
    'tensor([], size=(0, 3), dtype=torch.int64)'
    """
    if indent is None:
        indent = len(prefix)
    if tensor_contents is None:
        tensor_contents = "..." if device == "meta" else format_values(array, indent)
    suffixes = [f"device='{device}'"] if device is not None else []
    suffixes += _describe_type(array, dtype_name, default_dtype_name, is_meta=device == "meta")
    if grad_fn_name is not None:
        suffixes.append(f"grad_fn=<{grad_fn_name}>")
    elif requires_grad:
        suffixes.append("requires_grad=True")
    return add_suffixes(prefix + tensor_contents, suffixes, indent)


def _describe_type(
    array: np.ndarray, dtype: str | None, default: str, *, is_meta: bool
) -> Iterator[str]:
    """The size and the dtype, each only where the values do not tell it."""
    has_values = array.size > 0 and not is_meta
    if is_meta or (not _options.edgeitems if has_values else array.ndim != 1):
        yield f"size={array.shape}"
    if dtype is not None and not _is_plain_dtype(dtype, default, has_values=has_values):
        yield f"dtype={dtype}"


def _is_plain_dtype(name: str, default: str, *, has_values: bool) -> bool:
    """Whether a reader who sees the values (if there are any) knows the dtype."""
    if name == default or not has_values:
        return name == default
    default_complex = "torch.complex128" if default == "torch.float64" else "torch.complex64"
    return name in ("torch.int64", "torch.bool", default_complex)


def add_suffixes(
    text: str, suffixes: Sequence[str], indent: int, *, force_newline: bool = False
) -> str:
    """Close `text` after its suffixes, each on a new line where the present one is full.

    >>> add_suffixes("tensor(1", ["dtype=torch.int8"], 7)
    'tensor(1, dtype=torch.int8)'
    """
    # torch counts the last line of the values two characters longer than it is, so a suffix
    # goes to a new line a little early; to break where torch breaks, so do we.
    column = len(text) - text.rfind("\n") + 1
    pieces = [text]
    for suffix in suffixes:
        if force_newline or column + len(suffix) + 2 > _options.linewidth:
            pieces.append(f",\n{' ' * indent}{suffix}")
            column = indent + len(suffix)
            force_newline = False
        else:
            pieces.append(f", {suffix}")
            column += len(suffix) + 2
    return "".join(pieces) + ")"


def format_values(array: np.ndarray, indent: int) -> str:
    """The bracketed values alone, for a first bracket that stands at column `indent`.

    >>> import numpy as np
    >>> print("values=" + format_values(np.eye(2), 7))
    values=[[1., 0.],
            [0., 1.]]
    """
    options = _options
    if array.size == 0:
        return "[]"
    shown, is_cut = array, [False] * array.ndim
    if array.size > options.threshold and array.ndim:
        if not options.edgeitems:
            return "[...]"
        shown, is_cut = _corners(array, options.edgeitems)
    texts, width = _write(shown, options)
    room = options.linewidth - (indent + array.ndim - 1)
    per_line = max(1, math.floor(room / (width + len(", "))))
    return _lay_out(texts, shown.shape, is_cut, indent, per_line)


def _corners(array: np.ndarray, edgeitems: int) -> tuple[np.ndarray, list[bool]]:
    """The elements a summary shows, and for each axis whether its middle was left out."""
    is_cut = [size > 2 * edgeitems for size in array.shape]
    if not any(is_cut):
        return array, is_cut
    kept = [
        [*range(size)[:edgeitems], *range(size)[-edgeitems:]] if cut else range(size)
        for size, cut in zip(array.shape, is_cut)
    ]
    return array[np.ix_(*kept)], is_cut


def _write(shown: np.ndarray, options: PrintOptions) -> tuple[list[str], int]:
    """Each element's text, padded on the left, and the width of a column."""
    kind = shown.dtype.kind
    if shown.dtype.char in COMPLEX_CODES:
        return _write_complex(shown, options)
    if kind in "biu":
        texts = list(map(str, shown.ravel().tolist()))
        width = max(map(len, texts))
    else:
        if kind != "f":  # bfloat16 and its kin, which NumPy knows by name only
            shown = shown.astype(np.float32)
        texts, width = _write_floats(shown.ravel().tolist(), options)
    return [text.rjust(width) for text in texts], width


def _write_complex(shown: np.ndarray, options: PrintOptions) -> tuple[list[str], int]:
    """Real parts in a column, imaginary parts right after them with their sign."""
    values = shown.ravel().tolist()
    reals, real_width = _write_floats([value.real for value in values], options)
    imags, imag_width = _write_floats([value.imag for value in values], options)
    texts = [
        f"{real:>{real_width}}{'' if imag.startswith('-') else '+'}{imag}j"
        for real, imag in zip(reals, imags)
    ]
    return texts, real_width + imag_width + len("j")


def _write_floats(values: list[float], options: PrintOptions) -> tuple[list[str], int]:
    """Each number in the one notation that suits all of them, and the widest ordinary one."""
    texts = list(map(_notation(values, options), values))
    # Zeros, infinities and nans take no part, here as in the choice of notation: they may
    # stick out of the column.
    widths = [len(text) for text, value in zip(texts, values) if value and math.isfinite(value)]
    return texts, max(widths, default=1)


def _notation(values: list[float], options: PrintOptions) -> Callable[[float], str]:
    """Whole (`3.`), fixed (`3.1416`) or scientific (`3.1416e+00`), decided by all values."""
    ordinary = [value for value in values if value and math.isfinite(value)]
    if not ordinary:
        return _write_whole
    scientific = options.sci_mode
    if scientific is None:
        smallest, largest = min(map(abs, ordinary)), max(map(abs, ordinary))
        scientific = largest / smallest > 1000.0 or largest > 1.0e8 or smallest < 1.0e-4
    if not scientific and all(map(float.is_integer, ordinary)):
        return _write_whole
    return f"{{:.{options.precision}{'e' if scientific else 'f'}}}".format


def _write_whole(value: float) -> str:
    """`3.`, but `inf` and `nan` without a point."""
    return f"{value:.0f}." if math.isfinite(value) else f"{value:.0f}"


def _lay_out(
    texts: list[str], sizes: tuple[int, ...], is_cut: list[bool], indent: int, per_line: int
) -> str:
    """Bracket the texts from the last axis outwards; `...` marks the middle of a cut axis."""
    blocks = texts
    last = len(sizes) - 1
    for axis in range(last, -1, -1):
        size = sizes[axis]
        groups = [blocks[start : start + size] for start in range(0, len(blocks), size)]
        if is_cut[axis]:
            for group in groups:
                group.insert(size // 2, " ..." if axis == last else "...")
        if axis == last:
            groups = [_break_lines(group, per_line) for group in groups]
        # One line break between rows, a blank line between matrices, two between those...
        separator = "," + "\n" * (last - axis or 1) + " " * (indent + axis + 1)
        blocks = [f"[{separator.join(group)}]" for group in groups]
    return blocks[0]


def _break_lines(row: list[str], per_line: int) -> list[str]:
    """Join a row's texts, so many to a line."""
    return [", ".join(row[start : start + per_line]) for start in range(0, len(row), per_line)]
