"""Tensors from constants and from ranges."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from math import isfinite
from typing import Any

import numpy as np

from ..core import dtypes, elsewhere, memory, numbers
from ..core.dispatch import scalar_type_name
from ..core.errors import fail, warn
from ..core.overrides import kin
from ..core.shapes import checked
from ..core.shortage import OutOfMemoryError, shortage
from ..core.state import DEFAULTS
from ..core.tensor import Tensor, wrap
from ..core.values import Value, like
from .arguments import combination, misfit, sizes_of, whole
from .from_data import finish, kind_for, numpy_kind
from .layouts import in_format
from .sequences import counted, powers, spaced

__all__ = [
    "OutOfMemoryError", "arange", "empty", "empty_like", "empty_strided", "eye", "full",
    "full_like", "linspace", "logspace", "ones", "ones_like", "range", "zeros", "zeros_like",
]  # fmt: skip

_NUMBERS = (bool, int, float, complex, np.number, np.bool_)
_SIZES = """

    Args: size, as numbers one after another or as a tuple; dtype (default: the default float type);
    requires_grad; memory_format; layout, device and pin_memory, as torch takes them.
    Raises: RuntimeError for a negative size, TypeError for none.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.{name}.html"""
_AS = """{what}, with the shape, type and order in memory of another tensor.

    Args: dtype, layout, device, requires_grad and memory_format, which differ where given.
    Raises: TypeError for an input that is no tensor.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.{name}.html"""


_CONTENT = {
    "zeros": "A tensor of zeros", "ones": "A tensor of ones",
    "empty": "A tensor of whatever memory held",
}  # fmt: skip


def _filled(name: str, make: Callable[..., np.ndarray], doc: str) -> Callable[..., Tensor]:
    def create(
        *args: Any, size: Any = None, out: Any = None, dtype: Any = None, layout: Any = None,
        device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
        memory_format: Any = None,
    ) -> Tensor:  # fmt: skip
        blank = False
        if layout is not None and elsewhere.sparse(layout):
            if name == "ones":
                raise RuntimeError("full(...) is not implemented for sparse layout")
            shape = sizes_of(name, args, size)
            return elsewhere.without_values(name, layout, shape, dtype, requires_grad)
        if device is not None or layout is not None or elsewhere.CHOSEN[0]:
            blank = elsewhere.absent(device, layout)
        if not args and size is None:
            raise TypeError(f'{name}() missing 1 required positional arguments: "size"')
        shape = sizes_of(name, args, size)
        kind = kind_for(out, dtype, None, name)
        if blank:
            return elsewhere.finished(shape, kind, requires_grad, out)
        try:
            array = make(shape, kind)
        except (MemoryError, ValueError) as error:
            raise _too_large(shape, kind, error) from None
        if memory_format is not None:
            array = in_format(wrap(array), memory_format)._array
        return finish(array, requires_grad, out)

    create.__name__ = create.__qualname__ = name
    sentence, *example = doc.split("\n", 1)
    create.__doc__ = "\n".join([sentence + _SIZES.format(name=name), *example])
    return create


def _too_large(shape: Sequence[int], kind: np.dtype, error: BaseException) -> BaseException:
    wanted = kind.itemsize
    for size in shape:
        wanted *= size
    if wanted >= 1 << 63:
        return fail(RuntimeError, f"Storage size calculation overflowed with sizes={list(shape)}")
    return shortage(error, shape, kind)


zeros = _filled("zeros", memory.zeros, """A tensor of zeros.

    >>> import rushlight as torch
    >>> torch.zeros(2)
    tensor([0., 0.])
    """)  # fmt: skip
ones = _filled("ones", memory.ones, """A tensor of ones.

    >>> import rushlight as torch
    >>> torch.ones(1, 2)
    tensor([[1., 1.]])
    """)  # fmt: skip
empty = _filled(
    "empty",
    lambda *form: memory.unset(memory.empty(*form)),
    "A tensor whose values are whatever memory held.",
)


def full(
    size: Any, fill_value: Any, *, out: Any = None, dtype: Any = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor of one value; its type follows the value unless `dtype` is given.

    Args: size, a tuple; fill_value, a number or a tensor of one; dtype; requires_grad; layout,
    device and pin_memory, as torch takes them.
    Raises: RuntimeError for a value that the type cannot hold or a negative size, TypeError for a
    size that is no tuple.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.full.html

    >>> import rushlight as torch
    >>> torch.full((2,), 7)
    tensor([7, 7])
    """
    if layout is dtypes.sparse_coo:
        raise RuntimeError("full(...) is not implemented for sparse layout")
    blank = elsewhere.absent(device, layout)
    if not isinstance(size, (tuple, list)):
        raise misfit("full", "size", 1, "tuple of ints", size)
    shape = sizes_of("full", (size,))
    if isinstance(fill_value, Tensor):
        fill_value = fill_value.item()
    elif not isinstance(fill_value, _NUMBERS):
        raise misfit("full", "fill_value", 2, "Number", fill_value)
    kind = kind_for(out, dtype, dtypes.of_python(type(fill_value), DEFAULTS.dtype), "full")
    fill_value = numbers.held(fill_value, kind)
    if blank:
        return elsewhere.finished(shape, kind, requires_grad, out)
    array = memory.empty(shape, kind)
    array[...] = dtypes.narrowed(np.asarray(fill_value), kind)
    return finish(array, requires_grad, out)


def _like(name: str, make: Callable[..., np.ndarray]) -> Callable[..., Tensor]:
    def create(
        input: Tensor, *, dtype: Any = None, layout: Any = None, device: Any = None,
        requires_grad: bool = False, memory_format: Any = None, pin_memory: bool = False,
    ) -> Tensor:  # fmt: skip
        if not isinstance(input, Tensor):
            raise misfit(name, "input", 1, "Tensor", input)
        if layout is not None and name == "zeros_like" and layout is not input.layout:
            return zeros(input.shape, dtype=dtype or input.dtype, layout=layout, device=device,
                         requires_grad=requires_grad)  # fmt: skip
        if layout is not input.layout:
            dtypes.require_cpu(None, layout)
        blank = device is not None and elsewhere.absent(device)
        kind = None if dtype is None else numpy_kind(dtype)
        if blank or isinstance(input._array, Value):
            a = input._array
            if not blank and a.blank is not None:
                return a.blank(name, kind)
            if blank or (a.absent and device is None):
                return elsewhere.alike(input, kind, requires_grad, memory_format)
            if a.absent:
                return finish(make(a.form, kind), requires_grad)
            return like(input, wrap(make(np.empty(a.shape, a.dtype), kind)))
        a = input._array
        if 0 in a.strides:
            a = memory.dense_like(a)
        array = memory.lined(a.nbytes, make, a, kind)
        if memory_format is not None:
            array = in_format(wrap(array), memory_format)._array
        return kin(finish(array, requires_grad), input)

    create.__name__ = create.__qualname__ = name
    create.__doc__ = _AS.format(name=name, what=_CONTENT[name.removesuffix("_like")])
    return create


zeros_like = _like("zeros_like", np.zeros_like)
ones_like = _like("ones_like", np.ones_like)
empty_like = _like("empty_like", lambda *form, **more: memory.unset(np.empty_like(*form, **more)))


def full_like(
    input: Tensor, fill_value: Any, *, dtype: Any = None, memory_format: Any = None, **options: Any
) -> Tensor:
    """A tensor of one value with the shape and type of another.

    Args: fill_value, a number; dtype, requires_grad, memory_format, which differ where given.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.full_like.html

    >>> import rushlight as torch
    >>> torch.full_like(torch.ones(2), 7)
    tensor([7., 7.])
    """
    if not isinstance(input, Tensor):
        raise misfit("full_like", "input", 1, "Tensor", input)
    if "out" in options:
        raise TypeError("full_like() got an unexpected keyword argument 'out'")
    options.setdefault("device", input.device)
    made = full(input._array.shape, fill_value, dtype=dtype or input.dtype, **options)
    if getattr(input._array, "absent", False):
        return made
    return kin(
        like(input, made if memory_format is None else in_format(made, memory_format)), input
    )


def empty_strided(size: Any, stride: Any, *, dtype: Any = None, requires_grad: bool = False,
                  device: Any = None, layout: Any = None,
                  pin_memory: bool = False) -> Tensor:  # fmt: skip
    """An uninitialised tensor with the given sizes and strides (in elements).

    Raises: RuntimeError for sizes and strides of unequal count, and for negative ones.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.empty_strided.html

    >>> import rushlight as torch
    >>> torch.empty_strided((2, 3), (1, 2)).stride()
    (1, 2)
    """
    if len(size) != len(stride):
        raise RuntimeError(
            f"dimensionality of sizes ({len(size)}) must match dimensionality of strides"
            f" ({len(stride)})"
        )
    kind = numpy_kind(dtype)
    _check_strided(tuple(size), tuple(stride), kind.itemsize)
    steps = tuple(s * kind.itemsize for s in stride)
    if elsewhere.absent(device, layout):
        return elsewhere.finished(tuple(size), kind, requires_grad, None, steps)
    length = 1 + sum((n - 1) * s for n, s in zip(size, stride)) if all(size) else 0
    flat = memory.unset(np.empty(length, kind))
    return finish(dtypes.laid(flat, tuple(size), steps), requires_grad)


def _check_strided(size: tuple[int, ...], stride: tuple[int, ...], itemsize: int) -> None:
    """torch's errors for sizes below 0 and for strides that no memory is laid out by."""
    beyond = [(n - 1) * s for n, s in zip(checked(size), stride)] if all(size) else []
    if min(beyond, default=0) < 0 or (sum(beyond) + 1) * itemsize > sys.maxsize:
        sizes = f"sizes={list(size)} and strides={list(stride)}"
        raise fail(
            RuntimeError, f"Storage size calculation overflowed with {sizes}",
            "strides are counted in elements, 0 or more",
        )  # fmt: skip


def _number(value: Any) -> Any:
    return value.item() if isinstance(value, Tensor) else value


def _ends(args: tuple[Any, ...], start: Any, end: Any, step: Any) -> tuple[Any, Any, Any]:
    """`(end)`, `(start, end)` or `(start, end, step)`, checked to be numbers."""
    given = [*args]
    if start is not None:
        given.insert(0, start)
    if end is not None:
        given.insert(1 if start is not None or args else 0, end)
    if step is not None:
        given.append(step)
    if not 1 <= len(given) <= 3:
        raise combination("arange", args, {})
    for value in given:
        if not isinstance(value, (Tensor, *_NUMBERS)):
            if len(given) == 1:
                raise misfit("arange", "end", 1, "Number", value)
            raise combination("arange", given, {})
    if len(given) == 1:
        return 0, _number(given[0]), 1
    return _number(given[0]), _number(given[1]), _number(given[2]) if len(given) == 3 else 1


_WHOLE = (int, np.integer)


def arange(
    *args: Any, start: Any = None, end: Any = None, step: Any = None, out: Any = None,
    dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """`arange(start, end, step)`: start, start + step, ... below end.

    Integers give int64, anything else the default type. Start is 0 and step 1 unless given.
    Raises RuntimeError for a step of 0 or one that leads away from the end.
    Source: https://pytorch.org/docs/stable/generated/torch.arange.html

    >>> import rushlight as torch
    >>> torch.arange(1, 2.5, 0.5)
    tensor([1.0000, 1.5000, 2.0000])
    """
    blank = elsewhere.absent(device, layout)
    start, end, step = _ends(args, start, end, step)
    integral = isinstance(start, _WHOLE) and isinstance(end, _WHOLE) and isinstance(step, _WHOLE)
    kind = kind_for(out, dtype, dtypes.int64 if integral else DEFAULTS.dtype, "arange")
    _check_range(start, end, step, kind)
    if integral:
        array = np.arange(start, end, step).astype(kind, copy=False)
        return _in_line(array, requires_grad, out, blank, warned=True)
    if kind == np.int64:
        array = np.arange(int(start), int(end), int(step))
    elif kind.kind in "iu":
        array = (int(start) + np.arange(int(np.ceil((end - start) / step))) * int(step)).astype(
            kind
        )
    else:
        length = int(np.ceil((end - start) / step))
        array = counted(start, step, length, kind)
    return _in_line(array, requires_grad, out, blank, warned=True)


def _in_line(
    array: np.ndarray, requires_grad: bool, out: Any, blank: bool, warned: bool = False
) -> Tensor:
    """Numbers in a row as a new tensor, or into `out`, which keeps its shape if they fill it."""
    if out is not None and type(out._array) is np.ndarray:
        held, made = out._array.size, array.size
        if held == made:
            array = array.reshape(out._array.shape)
        elif held and warned:
            warn(
                f"The number of elements in the out tensor of shape {list(out.shape)} is {held}"
                f" which does not match the computed number of elements {made}. Note that this may"
                " occur as a result of rounding error. The out tensor will be resized to a tensor"
                f" of shape ({made},)."
            )
    return finish(array, requires_grad, out, blank)


def _check_range(start: Any, end: Any, step: Any, kind: np.dtype) -> None:
    if isinstance(start, complex) or isinstance(end, complex) or isinstance(step, complex):
        raise RuntimeError("value cannot be converted to type double without overflow")
    if kind.kind in "bcW":
        name = scalar_type_name(dtypes.OF_NUMPY[kind])
        raise NotImplementedError(f"\"arange_cpu\" not implemented for '{name}'")
    if not (isfinite(start) and isfinite(end)):
        raise RuntimeError(f"unsupported range: {start:g} -> {end:g}")
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if kind == np.int64 and int(step) == 0:
        raise ValueError("step must be nonzero")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")


def range(
    start: Any = 0, end: Any = None, step: Any = 1, *, out: Any = None, dtype: Any = None,
    layout: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Like `arange` but with `end` included, and of the default type (deprecated in torch).

    >>> import warnings
    >>> import rushlight as torch
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     torch.range(1, 4)
    tensor([1., 2., 3., 4.])
    """
    warn(
        "torch.range is deprecated and will be removed in a future release because its behavior is"
        " inconsistent with Python's range builtin. Instead, use torch.arange, which produces"
        " values in [start, end)."
    )
    start, end = (0, start) if end is None else (start, end)
    blank = elsewhere.absent(device, layout)
    count = int(np.floor((end - start) / step)) + 1
    values = start + np.arange(count, dtype=np.float64) * step
    values = values.astype(kind_for(out, dtype, None, "range"))
    return _in_line(values, requires_grad, out, blank)


def _steps(
    name: str, start: Any, end: Any, steps: Any, dtype: Any, out: Any
) -> tuple[Any, Any, int, Any]:
    """Checked ends, count and type of `linspace` and `logspace`."""
    ends = start, end
    if steps is None or not all(isinstance(x, (Tensor, *_NUMBERS)) for x in ends):
        raise combination(name, [x for x in (start, end, steps) if x is not None], {})
    if not isinstance(steps, (int, np.integer, Tensor)):
        raise combination(name, (start, end, steps), {})
    ranks = [x._array.ndim if isinstance(x, Tensor) else 0 for x in ends]
    if any(ranks):
        raise RuntimeError(
            f"{name} only supports 0-dimensional start and end tensors, but got start with"
            f" {ranks[0]} dimension(s) and end with {ranks[1]} dimension(s)."
        )
    start, end = map(_number, ends)
    kind = _spaced_kind(name, isinstance(start, complex) or isinstance(end, complex), dtype, out)
    if kind.kind == "b":
        raise NotImplementedError(f"\"{name}_cpu\" not implemented for 'Bool'")
    return start, end, int(steps), kind


def _spaced_kind(name: str, of_complex: bool, dtype: Any, out: Any) -> np.dtype:
    """The type of the steps between two ends, where complex ends refuse any other type."""
    default = DEFAULTS.dtype.to_complex() if of_complex else DEFAULTS.dtype
    kind = kind_for(out, dtype, default, name)
    if not of_complex or kind.kind == "c":
        return kind
    if out is not None:
        raise numbers.refused(kind)
    parts = "float" if default is dtypes.complex64 else "double"
    raise RuntimeError(
        f"torch.{name}(): inferred dtype c10::complex<{parts}> can't be safely cast to passed dtype"
        f" {scalar_type_name(dtypes.OF_NUMPY[kind])}"
    )


def linspace(
    start: Any, end: Any, steps: Any = None, *, out: Any = None, dtype: Any = None,
    layout: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """`steps` evenly spaced values from `start` to `end`, both included.

    Args: dtype, the default float type unless given, complex for complex ends. Shapes: (steps,).
    Raises: RuntimeError for negative steps.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.linspace.html

    >>> import rushlight as torch
    >>> torch.linspace(0, 1, 3)
    tensor([0.0000, 0.5000, 1.0000])
    """
    blank = elsewhere.absent(device, layout)
    start, end, count, kind = _steps("linspace", start, end, steps, dtype, out)
    return _in_line(spaced(start, end, count, kind), requires_grad, out, blank)


def logspace(
    start: Any, end: Any, steps: Any = None, base: float = 10.0, *, out: Any = None,
    dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """`base` to the power of `steps` evenly spaced exponents.

    Args: dtype, the default float type unless given. Shapes: (steps,), from base**start to
        base**end.
    Raises: RuntimeError for negative steps.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.logspace.html

    >>> import rushlight as torch
    >>> torch.logspace(0, 2, 3)
    tensor([  1.,  10., 100.])
    """
    blank = elsewhere.absent(device, layout)
    start, end, count, kind = _steps("logspace", start, end, steps, dtype, out)
    values = powers(start, end, count, float(base), kind)
    return _in_line(values, requires_grad, out, blank)


def eye(
    n: int, m: int | None = None, *, out: Any = None, dtype: Any = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Ones on the diagonal, zeros elsewhere.

    Args: n rows and m columns, as many unless given. Raises: RuntimeError for negative numbers.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.eye.html

    >>> import rushlight as torch
    >>> torch.eye(2, dtype=torch.int64)
    tensor([[1, 0],
            [0, 1]])
    """
    blank = elsewhere.absent(device, layout)
    n = whole("eye", "n", 1, n)
    if isinstance(m, float):
        raise combination("eye", (n, m), {})
    for name, value in (("n", n), ("m", n if m is None else m)):
        if value < 0:
            raise RuntimeError(f"{name} must be greater or equal to 0, got {value}")
    kind = kind_for(out, dtype, None, "eye")
    if blank:
        return elsewhere.finished((n, n if m is None else m), kind, requires_grad, out)
    return finish(np.eye(n, m, dtype=kind), requires_grad, out)
