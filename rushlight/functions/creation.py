"""Tensors from data, from constants and from ranges."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core import dtypes, shapes
from ..core.dispatch import wrap_array, write_out
from ..core.errors import fail
from ..core.state import DEFAULTS
from ..core.tensor import Tensor, set_requires_grad, wrap

__all__ = [
    "OutOfMemoryError", "arange", "as_tensor", "asarray", "empty", "empty_like", "empty_strided",
    "eye", "from_numpy", "full", "full_like", "linspace", "logspace", "ones", "ones_like",
    "range", "tensor", "zeros", "zeros_like",
]  # fmt: skip


def _finish(array: np.ndarray, requires_grad: bool = False, out: Any = None) -> Tensor:
    result = wrap(array)
    if out is not None:
        result = write_out(result, out)
    if requires_grad:
        if result.dtype.category < dtypes.FLOAT:
            raise RuntimeError(
                "Only Tensors of floating point and complex dtype can require gradients"
            )
        set_requires_grad(result, True)
    return result


def _kind(dtype: Any, default: dtypes.dtype | None = None) -> np.dtype:
    if dtype is None:
        return (default or DEFAULTS.dtype).numpy
    if isinstance(dtype, dtypes.dtype):
        return dtype.numpy
    found = {float: dtypes.float32, int: dtypes.int64, bool: dtypes.bool_}.get(dtype)
    if found is None:
        raise TypeError(f"dtype must be a torch.dtype, not {dtype!r}")
    return (DEFAULTS.dtype if dtype is float else found).numpy


def _describe(data: Any, depth: int = 0, place: tuple[int, ...] = ()) -> None:
    """Find what made a nested sequence no rectangle of numbers, and raise torch's error for it."""
    if isinstance(data, str):
        if depth == 0:
            raise TypeError("new(): invalid data type 'str'")
        raise fail(
            ValueError, "too many dimensions 'str'", f"a string at index {list(place)}: encode strings"
            " as numbers first (see rushlight.text.Vocab)",
        )  # fmt: skip
    if isinstance(data, (list, tuple)):
        lengths = [
            len(part) if isinstance(part, (list, tuple, np.ndarray)) else None for part in data
        ]
        for i, part in enumerate(data):
            _describe(part, depth + 1, (*place, i))
            if lengths[i] != lengths[0]:
                got = lengths[i]
                if got is None:
                    raise TypeError(f"not a sequence: index {[*place, i]} holds {data[i]!r}")
                raise fail(
                    ValueError,
                    f"expected sequence of length {lengths[0]} at dim {depth + 1} (got {got})",
                    f"row {[*place, i]} has {got} elements, row {[*place, 0]} has {lengths[0]}",
                )
        return
    if not isinstance(data, (bool, int, float, complex, np.generic, np.ndarray, Tensor)):
        raise fail(
            RuntimeError, f"Could not infer dtype of {type(data).__name__}",
            f"at index {list(place)}", *(["a missing value? fill or drop it first"] if data is None else []),
        )  # fmt: skip


def _holds_tensors(data: Any) -> bool:
    while isinstance(data, (list, tuple)) and data:
        data = data[0]
    return isinstance(data, Tensor)


def _unwrapped(data: Any) -> Any:
    if isinstance(data, Tensor):
        return data._array
    return [_unwrapped(part) for part in data] if isinstance(data, (list, tuple)) else data


def to_array(data: Any, dtype: Any = None) -> np.ndarray:
    """A new array from nested sequences, numbers, arrays or tensors, by torch's inference."""
    if isinstance(data, Tensor):
        data = data._array
    elif not isinstance(data, (np.ndarray, np.generic)) and hasattr(data, "__array__"):
        data = data.__array__()
    if isinstance(data, np.ndarray):
        kind = dtypes.of(data).numpy if dtype is None else _kind(dtype)
        return np.array(data, dtype=kind, order="K")
    if isinstance(data, (list, tuple)) and _holds_tensors(data):
        data = _unwrapped(data)
    elif hasattr(data, "__len__") and not isinstance(data, (list, tuple, str, bytes)):
        data = list(data)
    try:
        array = np.array(data)
    except ValueError:
        _describe(data)
        raise
    if array.dtype.kind not in "biufcV":
        _describe(data)
        if array.dtype.kind == "O":
            raise RuntimeError("Overflow when unpacking long")
    if dtype is not None:
        return _typed(data, array, _kind(dtype))
    if array.dtype.kind == "f" and not _keeps_type(data):
        return array.astype(DEFAULTS.dtype.numpy)
    if array.dtype.kind == "c" and not _keeps_type(data):
        return array.astype(DEFAULTS.dtype.to_complex().numpy)
    if array.size == 0 and not isinstance(data, np.generic):
        return array.astype(DEFAULTS.dtype.numpy)
    if array.dtype == np.uint64 and not _keeps_type(data):
        raise RuntimeError("Overflow when unpacking long")
    return array


def _typed(data: Any, array: np.ndarray, kind: np.dtype) -> np.ndarray:
    if array.dtype.kind == "c" and kind.kind != "c":
        raise TypeError(f"can't convert complex to {'float' if kind.kind == 'f' else 'int'}")
    return array.astype(kind)


def _keeps_type(data: Any) -> bool:
    """Whether the numbers are NumPy's (their own type stands) rather than Python's (the default)."""
    while isinstance(data, (list, tuple)) and data:
        data = data[0]
    return isinstance(data, (np.generic, np.ndarray))


def tensor(
    data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A new tensor with a copy of the data (nested sequences, a number, an array, a tensor).

    Raises ValueError for ragged rows, TypeError or RuntimeError for what is not a number.
    Source: https://pytorch.org/docs/stable/generated/torch.tensor.html

    >>> import rushlight as torch
    >>> torch.tensor([[1, 2], [3, 4]], dtype=torch.float32)
    tensor([[1., 2.],
            [3., 4.]])
    """
    dtypes.require_cpu(device)
    return _finish(to_array(data, dtype), requires_grad)


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """The data as a tensor, sharing memory with a tensor or array of the wanted type.

    >>> import rushlight as torch, numpy
    >>> a = numpy.zeros(2); torch.as_tensor(a)[0] = 7; a
    array([7., 0.])
    """
    dtypes.require_cpu(device)
    if isinstance(data, Tensor):
        return data if dtype is None or data.dtype is dtype else data.to(dtype)
    if isinstance(data, np.ndarray):
        if dtype is None or data.dtype == _kind(dtype):
            return from_numpy(data)
    return tensor(data, dtype=dtype)


asarray = as_tensor


def from_numpy(ndarray: np.ndarray) -> Tensor:
    """A tensor over the array's own memory: writes to one show in the other.

    Raises TypeError for what is no array or of a type no tensor has, ValueError for negative strides.
    Source: https://pytorch.org/docs/stable/generated/torch.from_numpy.html

    >>> import rushlight as torch, numpy
    >>> a = numpy.arange(3); t = torch.from_numpy(a); a[0] = 5; t
    tensor([5, 1, 2])
    """
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__})")
    if ndarray.dtype == object:
        bad = next(
            (i for i, cell in np.ndenumerate(ndarray) if not isinstance(cell, (int, float))), None
        )
        error = TypeError(
            "can't convert np.ndarray of type numpy.object_. The only supported types are: float64,"
            " float32, float16, complex64, complex128, int64, int32, int16, int8, uint64, uint32,"
            " uint16, uint8, and bool."
        )
        if bad is not None:
            error.add_note(f"the first cell that is no number is {bad}: {ndarray[bad]!r}")
        raise error
    dtypes.of(ndarray)
    if any(stride < 0 for stride in ndarray.strides):
        raise fail(
            ValueError,
            "At least one of the strides of this array is negative, and tensors with negative strides"
            " are not currently supported. (You can probably work around this by making a copy of"
            " your array with array.copy().) ",
        )
    if not ndarray.dtype.isnative:
        raise ValueError(
            "given numpy array has byte order different from the native byte order. Conversion between"
            " byte orders is currently not supported."
        )
    return wrap_array(ndarray.copy() if not ndarray.flags.writeable else ndarray.view(np.ndarray))


def _filled(name: str, make: Callable[..., np.ndarray], doc: str) -> Callable[..., Tensor]:
    def create(
        *size: Any, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
        requires_grad: bool = False, pin_memory: bool = False, memory_format: Any = None,
    ) -> Tensor:  # fmt: skip
        if device is not None:
            dtypes.require_cpu(device)
        shape = shapes.checked(shapes.sizes(size), name)
        if dtype is None and out is not None:
            dtype = out.dtype
        try:
            array = make(shape, _kind(dtype))
        except (MemoryError, ValueError) as error:
            raise _too_large(shape, _kind(dtype), error) from None
        return _finish(array, requires_grad, out)

    create.__name__ = create.__qualname__ = name
    create.__doc__ = doc
    return create


def _too_large(shape: Sequence[int], kind: np.dtype, error: BaseException) -> BaseException:
    wanted = kind.itemsize
    for size in shape:
        wanted *= size
    if wanted >= 1 << 63:
        return fail(RuntimeError, f"Storage size calculation overflowed with sizes={list(shape)}")
    failure = fail(
        OutOfMemoryError,
        f"[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried to"
        f" allocate {wanted} bytes. Error code 12 (Cannot allocate memory)",
        f"{wanted / 2**30:.1f} GiB asked for shape {tuple(shape)} of {kind.name}",
    )
    failure.__cause__ = error
    return failure


class OutOfMemoryError(RuntimeError, MemoryError):
    """Memory that could not be had: torch's RuntimeError and Python's MemoryError at once."""


zeros = _filled("zeros", np.zeros, """A tensor of zeros.

    >>> import rushlight as torch
    >>> torch.zeros(2)
    tensor([0., 0.])
    """)  # fmt: skip
ones = _filled("ones", np.ones, """A tensor of ones.

    >>> import rushlight as torch
    >>> torch.ones(1, 2)
    tensor([[1., 1.]])
    """)  # fmt: skip
empty = _filled("empty", np.empty, "A tensor whose values are whatever memory held.")


def full(
    size: Any, fill_value: Any, *, out: Any = None, dtype: Any = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor of one value; its type follows the value unless `dtype` is given.

    >>> import rushlight as torch
    >>> torch.full((2,), 7)
    tensor([7, 7])
    """
    dtypes.require_cpu(device)
    shape = shapes.checked(shapes.sizes((size,)))
    if isinstance(fill_value, Tensor):
        fill_value = fill_value.item()
    kind = _kind(dtype, dtypes.of_python(type(fill_value), DEFAULTS.dtype))
    array = np.empty(shape, kind)
    np.copyto(array, fill_value, casting="unsafe")
    return _finish(array, requires_grad, out)


def _like(name: str, make: Callable[..., np.ndarray]) -> Callable[..., Tensor]:
    def create(
        input: Tensor, *, dtype: Any = None, layout: Any = None, device: Any = None,
        requires_grad: bool = False, memory_format: Any = None, pin_memory: bool = False,
    ) -> Tensor:  # fmt: skip
        if not isinstance(input, Tensor):
            raise TypeError(
                f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}"
            )
        dtypes.require_cpu(device)
        array = make(input._array, None if dtype is None else _kind(dtype))
        return _finish(array, requires_grad)

    create.__name__ = create.__qualname__ = name
    create.__doc__ = f"`{name.removesuffix('_like')}` with the shape and type of another tensor."
    return create


zeros_like = _like("zeros_like", np.zeros_like)
ones_like = _like("ones_like", np.ones_like)
empty_like = _like("empty_like", np.empty_like)


def full_like(input: Tensor, fill_value: Any, *, dtype: Any = None, **options: Any) -> Tensor:
    """A tensor of one value with the shape and type of another."""
    return full(input._array.shape, fill_value, dtype=dtype or input.dtype, **options)


def empty_strided(size: Any, stride: Any, *, dtype: Any = None, requires_grad: bool = False,
                  **options: Any) -> Tensor:  # fmt: skip
    """An uninitialised tensor with the given sizes and strides (in elements)."""
    kind = _kind(dtype)
    length = 1 + sum((n - 1) * s for n, s in zip(size, stride)) if all(size) else 0
    flat = np.empty(length, kind)
    steps = tuple(s * kind.itemsize for s in stride)
    return _finish(np.lib.stride_tricks.as_strided(flat, tuple(size), steps), requires_grad)


def _number(value: Any) -> Any:
    return value.item() if isinstance(value, Tensor) else value


def arange(
    start: Any = 0, end: Any = None, step: Any = 1, *, out: Any = None, dtype: Any = None,
    layout: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """`start, start + step, ...` below `end`: int64 for integers, else the default type.

    >>> import rushlight as torch
    >>> torch.arange(1, 2.5, 0.5)
    tensor([1.0000, 1.5000, 2.0000])
    """
    dtypes.require_cpu(device)
    start, end, step = map(_number, (start, end, step))
    if end is None:
        start, end = 0, start
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    integral = all(isinstance(value, (int, np.integer)) for value in (start, end, step))
    kind = _kind(dtype, dtypes.int64 if integral else DEFAULTS.dtype)
    if integral:
        array = np.arange(start, end, step).astype(kind, copy=False)
    else:
        length = int(np.ceil((end - start) / step))
        array = (start + np.arange(length, dtype=np.float64) * step).astype(kind)
    return _finish(array, requires_grad, out)


def range(start: Any = 0, end: Any = None, step: Any = 1, **options: Any) -> Tensor:
    """Like `arange` but with `end` included, and of the default type (deprecated in torch)."""
    start, end = (0, start) if end is None else (start, end)
    options.setdefault("dtype", DEFAULTS.dtype)
    count = int(np.floor((end - start) / step)) + 1
    return _finish(
        (start + np.arange(count, dtype=np.float64) * step).astype(_kind(options["dtype"]))
    )


def _spaced(start: Any, end: Any, steps: int, kind: np.dtype) -> np.ndarray:
    """`steps` values counted from both ends, in the result's own precision as torch does."""
    if steps < 0:
        raise RuntimeError("number of steps must be non-negative")
    if steps == 1:
        return np.array([start]).astype(kind)
    work = np.dtype(np.float64) if kind.kind in "iu" else kind
    if work.itemsize == 2:
        work = np.dtype(np.float32)
    step = work.type((end - start) / max(steps - 1, 1))
    places = np.arange(steps, dtype=np.int64)
    front = work.type(start) + step * places.astype(work)
    back = work.type(end) - step * (steps - 1 - places).astype(work)
    return np.where(places < steps // 2, front, back).astype(kind)


def linspace(
    start: Any, end: Any, steps: int, *, out: Any = None, dtype: Any = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """`steps` evenly spaced values from `start` to `end`, both included.

    >>> import rushlight as torch
    >>> torch.linspace(0, 1, 3)
    tensor([0.0000, 0.5000, 1.0000])
    """
    dtypes.require_cpu(device)
    return _finish(
        _spaced(_number(start), _number(end), int(steps), _kind(dtype)), requires_grad, out
    )


def logspace(
    start: Any, end: Any, steps: int, base: float = 10.0, *, out: Any = None, dtype: Any = None,
    layout: Any = None, device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """`base` to the power of `steps` evenly spaced exponents."""
    dtypes.require_cpu(device)
    kind = _kind(dtype)
    exponents = _spaced(_number(start), _number(end), int(steps), np.dtype(np.float64))
    return _finish(np.power(float(base), exponents).astype(kind), requires_grad, out)


def eye(
    n: int, m: int | None = None, *, out: Any = None, dtype: Any = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Ones on the diagonal, zeros elsewhere.

    >>> import rushlight as torch
    >>> torch.eye(2, dtype=torch.int64)
    tensor([[1, 0],
            [0, 1]])
    """
    dtypes.require_cpu(device)
    for name, value in (("n", n), ("m", n if m is None else m)):
        if value < 0:
            raise RuntimeError(f"{name} must be greater or equal to 0, got {value}")
    return _finish(np.eye(n, m, dtype=_kind(dtype)), requires_grad, out)
