"""Tensors from data: nested sequences, numbers, arrays, buffers."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..core import dtypes, elsewhere
from ..core.dispatch import scalar_type_name, wrap_array, write_out
from ..core.errors import fail
from ..core.gates import publish
from ..core.memory import lined
from ..core.state import DEFAULTS, STATE
from ..core.tape import hand_out, lent
from ..core.tensor import Tensor, set_requires_grad, wrap
from ..core.values import Value
from .arguments import kind_name

__all__ = ["as_tensor", "from_numpy", "frombuffer", "tensor"]


def finish(array: np.ndarray, requires_grad: bool = False, out: Any = None,
           blank: bool = False) -> Tensor:  # fmt: skip
    """The array as a new tensor (or in `out`), a leaf if it shall require grad.

    `out` takes its shape without a warning. If it shall be `blank`, only its looks are kept, on
    the meta device.
    """
    result = elsewhere.meta().moved(wrap(array)) if blank else wrap(array)
    if out is not None:
        if type(out._array) is np.ndarray and out._entry is None and out.shape != array.shape:
            out._array = np.empty(array.shape, out._array.dtype)
        result = write_out(result, out)
    if requires_grad:
        make_leaf(result)
    return result


def make_leaf(result: Tensor) -> None:
    """Let a new tensor require its gradient, if it is of a type that can."""
    if result.dtype.category < dtypes.FLOAT:
        raise fail(
            RuntimeError,
            "Only Tensors of floating point and complex dtype can require gradients",
            f"the tensor is {result.dtype}: give dtype=torch.float32, or convert it by .float()",
        )
    set_requires_grad(result, True)


def numpy_kind(dtype: Any, default: dtypes.dtype | None = None, name: str = "tensor") -> np.dtype:
    """The NumPy type behind a `dtype` argument, which may be a Python type; None is the default."""
    if dtype is None:
        return (default or DEFAULTS.dtype).numpy
    if isinstance(dtype, dtypes.dtype):
        return dtype.numpy
    found = dtypes.said(dtype)
    if not isinstance(found, dtypes.dtype):
        raise TypeError(f"{name}(): argument 'dtype' must be torch.dtype, not {kind_name(dtype)}")
    return found.numpy


def kind_for(out: Any, dtype: Any, default: dtypes.dtype | None, name: str) -> np.dtype:
    """The NumPy type of what a factory makes: that of `out`, from which `dtype` may not differ."""
    kind = numpy_kind(dtype, default if out is None else out.dtype, name)
    if out is not None and kind != out.dtype.numpy:
        raise RuntimeError(
            f"dtype {scalar_type_name(dtypes.OF_NUMPY[kind])} does not match dtype of out parameter"
            f" ({scalar_type_name(out.dtype)})"
        )
    return kind


# --- What is wrong with a nested sequence: first its sizes, then its types, then its cells


_DEEPEST = 128  # dimensions of nested sequences


def _expected_sizes(data: Any) -> list[int]:
    """The sizes that the first elements promise."""
    sizes = []
    while isinstance(data, (list, tuple, str, bytes)) or (
        hasattr(data, "__len__") and not isinstance(data, np.generic) and np.ndim(data) > 0
    ):
        if isinstance(data, (str, bytes)):
            if not sizes:
                raise TypeError(f"new(): invalid data type '{type(data).__name__}'")
            raise fail(
                ValueError, "too many dimensions 'str'",
                f"a string at index {[0] * len(sizes)}: encode strings as numbers first, say by"
                " their places in sorted(set(strings))",
            )  # fmt: skip
        sizes.append(len(data))
        if not len(data):
            break
        if len(sizes) > _DEEPEST:  # it may be its own first element
            raise ValueError(f"too many dimensions '{type(data).__name__}'")
        data = data[0]
    return sizes


def _refuse_endless(data: Any) -> None:
    """torch's error for a sequence that is its own first element, which NumPy would unfold."""
    first = data
    for _ in range(_DEEPEST):
        if isinstance(first, (list, tuple, str, bytes, np.ndarray)) or not hasattr(
            first, "__len__"
        ):
            return
        try:
            first = first[0]
        except (TypeError, LookupError):
            return
    raise ValueError(f"too many dimensions '{type(data).__name__}'")


def _check_types(data: Any, place: tuple[int, ...] = ()) -> None:
    if isinstance(data, (list, tuple)):
        for i, part in enumerate(data):
            _check_types(part, (*place, i))
    elif isinstance(data, str):
        raise fail(
            TypeError, "new(): invalid data type 'str'",
            f"a string at index {list(place)}: encode strings as numbers first",
        )  # fmt: skip
    elif not isinstance(data, (bool, int, float, complex, np.generic, np.ndarray, Tensor)):
        hint = ["a missing value? fill or drop it first"] if data is None else []
        raise fail(
            RuntimeError, f"Could not infer dtype of {type(data).__name__}",
            f"at index {list(place)}", *hint,
        )  # fmt: skip


def _check_rows(data: Any, sizes: Sequence[int], place: tuple[int, ...] = ()) -> None:
    depth = len(place)
    is_row = isinstance(data, (list, tuple)) or np.ndim(data) > 0
    if depth == len(sizes):
        if is_row:
            raise TypeError(
                f"'{type(data).__name__}' object cannot be interpreted as an integer"
                if _all_whole(data) else f"must be real number, not {type(data).__name__}"
            )  # fmt: skip
        return
    if not is_row:
        raise fail(TypeError, "not a sequence", f"index {list(place)} holds {data!r}")
    if len(data) != sizes[depth]:
        raise fail(
            ValueError,
            f"expected sequence of length {sizes[depth]} at dim {depth} (got {len(data)})",
            f"row {list(place)} has {len(data)} elements, the first has {sizes[depth]}",
        )
    for i, part in enumerate(data):
        _check_rows(part, sizes, (*place, i))


def _all_whole(data: Any) -> bool:
    return all(isinstance(x, (int, np.integer)) for x in _cells(data))


def _describe(data: Any) -> None:
    """Raise torch's error for what is no rectangle of numbers."""
    sizes = _expected_sizes(data)
    _check_types(data)
    whole = all(not isinstance(x, (float, np.floating)) for x in _cells(data))
    try:
        _check_rows(data, sizes)
    except TypeError as error:
        if "interpreted as an integer" in str(error) and not whole:
            raise TypeError("must be real number, not list") from None
        raise


def _cells(data: Any) -> Iterator[Any]:
    if isinstance(data, (list, tuple)):
        for part in data:
            yield from _cells(part)
    else:
        yield data


# --- The array


def _holds_tensors(data: Any) -> bool:
    for _ in range(_DEEPEST):
        if not (isinstance(data, (list, tuple)) and data):
            break
        data = data[0]
    return isinstance(data, Tensor)


def _from_tensors(data: Any) -> tuple[Any, dtypes.dtype]:
    """Nested sequences with one-element tensors in them: as numbers, and their common type."""
    common: dtypes.dtype | None = None

    def number(part: Any) -> Any:
        nonlocal common
        if isinstance(part, (list, tuple)):
            return [number(one) for one in part]
        if isinstance(part, Tensor):
            if part._array.size != 1:
                raise fail(
                    ValueError,
                    "only one element tensors can be converted to Python scalars",
                    f"a tensor of shape {part._array.shape} is in the list: torch.stack(list) joins"
                    " tensors of one shape",
                )
            kind, value = part.dtype, part._array.reshape(-1)[0]
        else:
            kind, value = dtypes.of_python(type(part), DEFAULTS.dtype), part
        common = kind if common is None else dtypes.promote_types(common, kind)
        return value

    numbers = number(data)
    assert common is not None
    return numbers, common


def _numbered(data: Any, dtype: Any) -> np.ndarray:
    numbers, common = _from_tensors(data)
    return to_array(numbers, common if dtype is None else dtype)


def not_repeated(array: np.ndarray) -> None:
    """End the trace where an array becomes a tensor that the next call may find changed."""
    if STATE.tracer is not None:
        STATE.tracer.refuse_content(array, computed=True)


def to_array(data: Any, dtype: Any = None) -> np.ndarray:
    """A new array from nested sequences, numbers, arrays or tensors, by torch's inference."""
    if isinstance(data, Tensor):
        data = data._array
        if isinstance(data, Value):
            return data.detached().copy()
    elif not isinstance(data, (np.ndarray, np.generic, float)) and hasattr(data, "__array__"):
        data = data.__array__()
    if isinstance(data, np.ndarray):
        not_repeated(data)
        own = dtypes.of(data).numpy  # refuses what holds no numbers, whatever type is asked for
        kind = own if dtype is None else numpy_kind(dtype)
        plain = type(data) is np.ndarray
        if plain:
            return lined(data.size * kind.itemsize, np.array, data, dtype=kind, order="K")
        return data.astype(kind)
    if isinstance(data, (list, tuple)) and _holds_tensors(data):
        return _numbered(data, dtype)
    if isinstance(data, (dict, set, frozenset)):
        raise RuntimeError(f"Could not infer dtype of {type(data).__name__}")
    if hasattr(data, "__len__") and not isinstance(data, (list, tuple, str, bytes)):
        _refuse_endless(data)
        data = [*data]  # pyright: ignore[reportGeneralTypeIssues]  # or it raises, as in torch
    try:
        array = np.array(data)
        if array.dtype == object and dtype is not None:
            array = np.array(array.tolist())  # rows of objects, which may all be numbers
    except ValueError:
        _describe(data)
        raise
    except RuntimeError:  # of tensors with gradients, which NumPy asked for their values
        return _numbered(data, dtype)
    if array.dtype.kind not in "biufcV":
        _describe(data)
        if array.dtype.kind == "O":
            array = _too_long(data, array, dtype)
    if dtype is not None:
        return _typed(array, numpy_kind(dtype))
    return _inferred(data, array)


def _too_long(data: Any, array: np.ndarray, dtype: Any) -> np.ndarray:
    """Whole numbers beyond 64 bits, which floating types take; TypeError for arrays of objects."""
    for kind in _types_in(data):
        if isinstance(kind, np.dtype):
            dtypes.of(np.empty(0, kind))
    if dtype is None or numpy_kind(dtype).kind in "biu":
        raise ValueError("Overflow when unpacking long long")
    return array.astype(np.float64)


def _inferred(data: Any, array: np.ndarray) -> np.ndarray:
    """The array in the type that torch gives it when none is asked for."""
    kinds = _types_in(data)
    if not kinds <= dtypes.PYTHON.keys():
        rest = type(array.dtype.type().item())  # of what converts itself: ranges, tensors
        found = [
            dtypes.of(np.empty(0, kind)) if isinstance(kind, np.dtype)
            else dtypes.of_python(kind if kind in dtypes.PYTHON else rest, DEFAULTS.dtype)
            for kind in kinds
        ]  # fmt: skip
        return array.astype(functools.reduce(dtypes.promote_types, found).numpy)
    if array.dtype.kind == "f" or array.size == 0:
        return array.astype(DEFAULTS.dtype.numpy)
    if array.dtype.kind == "c":
        return array.astype(DEFAULTS.dtype.to_complex().numpy)
    if array.dtype == np.uint64:
        raise ValueError("Overflow when unpacking long long")
    return array


def _typed(array: np.ndarray, kind: np.dtype) -> np.ndarray:
    if array.dtype.kind == "c" and kind.kind in "fV":
        raise TypeError("must be real number, not complex")
    if array.dtype.kind == "c" and kind.kind in "iu":
        raise TypeError("'complex' object cannot be interpreted as an integer")
    if kind.kind in "iu" and array.dtype.kind in "fiu" and array.size:
        if not fits(float(array.min()), kind) or not fits(float(array.max()), kind):
            raise fail(
                RuntimeError, f"value cannot be converted to type {kind.name} without overflow",
                f"the values go from {array.min()} to {array.max()}",
            )  # fmt: skip
        if array.dtype.kind == "f":
            return array.astype(np.int64).astype(kind)
    return dtypes.narrowed(array, kind)


def fits(value: float, kind: np.dtype) -> bool:
    """Whether torch takes the number for an integer type (unsigned ones wrap around once)."""
    if not math.isfinite(value):
        return False
    limits = np.iinfo(kind)
    low = -int(limits.max) if kind.kind == "u" else int(limits.min)
    return low <= math.trunc(value) <= int(limits.max) + (1 if kind.itemsize == 8 else 0)


def _types_in(data: Any) -> set[Any]:
    """The types of the numbers: NumPy's own, which stand, and Python's, which mean the default."""
    if not isinstance(data, (list, tuple)):
        return {data.dtype if isinstance(data, (np.generic, np.ndarray)) else type(data)}
    kinds: set[Any] = set(map(type, data))
    return kinds if kinds <= dtypes.PYTHON.keys() else set().union(*map(_types_in, data))


# --- The functions


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
    if isinstance(data, Tensor):
        advise_to_clone("torch.tensor")
    if device is not None or elsewhere.CHOSEN[0]:
        blank = elsewhere.absent(device)
        return finish(to_array(data, dtype), requires_grad, None, blank)
    return finish(to_array(data, dtype), requires_grad)


def advise_to_clone(name: str) -> None:
    """torch's warning that a tensor is copied by the function for data."""
    warnings.warn(
        "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or"
        " sourceTensor.detach().clone().requires_grad_(True), rather than"
        f" {name}(sourceTensor).",
        stacklevel=3,
    )


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """The data as a tensor, sharing memory with a tensor or array of the wanted type.

    >>> import rushlight as torch, numpy
    >>> a = numpy.zeros(2); torch.as_tensor(a)[0] = 7; a
    array([7., 0.])
    """
    if isinstance(data, Tensor):
        same = dtype is None or data.dtype is dtype
        return data if same and device is None else data.to(device, dtype)
    blank = elsewhere.absent(device)
    same = isinstance(data, np.ndarray) and (dtype is None or data.dtype == numpy_kind(dtype))
    if same and not blank:
        return from_numpy(data)
    return noted_tensor(data, dtype=dtype, device=device)


def noted_tensor(data: Any, **options: Any) -> Tensor:
    """`tensor`; while a trace runs, in the form in which it sees numbers among the data."""
    if STATE.tracer is None or isinstance(data, np.ndarray):
        return tensor(data, **options)
    return publish(tensor, __name__.partition(".")[0], "tensor")(data, **options)


def from_numpy(ndarray: np.ndarray) -> Tensor:
    """A tensor over the array's own memory: writes to one show in the other.

    Raises TypeError for what is no array or of a type no tensor has, ValueError for negative
    strides. Source: https://pytorch.org/docs/stable/generated/torch.from_numpy.html

    >>> import rushlight as torch, numpy
    >>> a = numpy.arange(3); t = torch.from_numpy(a); a[0] = 5; t
    tensor([5, 1, 2])
    """
    if not isinstance(ndarray, np.ndarray):
        listed = isinstance(ndarray, (list, tuple))
        raise fail(
            TypeError,
            f"expected np.ndarray (got {type(ndarray).__name__})",
            *(["a list becomes a tensor by torch.tensor(list)"] if listed else []),
        )
    if ndarray.dtype == object:
        raise _object_array(ndarray)
    dtypes.of(ndarray)
    not_repeated(ndarray)
    if any(stride < 0 for stride in ndarray.strides):
        raise fail(
            ValueError,
            "At least one stride in the given numpy array is negative, and tensors with negative"
            " strides are not currently supported. (You can probably work around this by making a"
            " copy of your array  with array.copy().) ",
        )
    if not ndarray.dtype.isnative:
        raise ValueError(
            "given numpy array has byte order different from the native byte order. Conversion"
            " between byte orders is currently not supported."
        )
    writable = ndarray.flags.writeable
    return wrap_array(hand_out(lent(ndarray.view(np.ndarray))) if writable else ndarray.copy())


def _object_array(array: np.ndarray) -> BaseException:
    bad = next((i for i, x in np.ndenumerate(array) if not isinstance(x, (int, float))), None)
    notes = [] if bad is None else [f"the first cell that is no number is {bad}: {array[bad]!r}"]
    return fail(
        TypeError,
        "can't convert np.ndarray of type numpy.object_. The only supported types are: float64,"
        " float32, float16, complex64, complex128, int64, int32, int16, int8, uint64, uint32,"
        " uint16, uint8, and bool.",
        *notes,
    )


def frombuffer(buffer: Any, *, dtype: Any, count: int = -1, offset: int = 0,
               requires_grad: bool = False) -> Tensor:  # fmt: skip
    """A 1-D tensor over the memory of an object with Python's buffer protocol.

    >>> import rushlight as torch
    >>> torch.frombuffer(bytearray([1, 2]), dtype=torch.uint8)
    tensor([1, 2], dtype=torch.uint8)
    """
    try:
        length = memoryview(buffer).nbytes
    except TypeError:
        raise ValueError("object does not implement Python buffer protocol.") from None
    kind = numpy_kind(dtype, name="frombuffer")
    size, rest = kind.itemsize, length - offset
    if length == 0 or count == 0:
        raise ValueError(f"both buffer length ({length}) and count ({count}) must not be 0")
    if not 0 <= offset < length:
        raise ValueError(
            f"offset ({offset} bytes) must be non-negative and no greater than buffer length"
            f" ({length} bytes) minus 1"
        )
    if count < 0 and rest % size:
        raise ValueError(
            f"buffer length ({rest} bytes) after offset ({offset} bytes) must be a multiple of"
            f" element size ({size})"
        )
    if count > 0 and offset + count * size > length:
        raise ValueError(
            f"requested buffer length ({count} * {size} bytes) after offset ({offset} bytes) must"
            f" not be greater than actual buffer length ({length} bytes)"
        )
    array = hand_out(lent(np.frombuffer(buffer, kind, count, offset)))
    return finish(array if array.flags.writeable else array.copy(), requires_grad)
