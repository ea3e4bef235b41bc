"""`x[...]` read and written, as torch reads its keys."""

from __future__ import annotations

import contextlib
import warnings
from typing import Any

import numpy as np

from ..core import dtypes, inplace
from ..core.dispatch import scalar_type_name, wrap_array, write_out
from ..core.errors import fail
from ..core.numbers import held
from ..core.overlaps import refuse_assigned
from ..core.shapes import spreads
from ..core.tensor import Tensor
from ..core.values import Value
from ..ops import indexing as ix
from ..ops import structure as s

__all__ = [
    "nonzero",
]  # fmt: skip


def _normal(key: Any) -> tuple[list[Any], bool]:
    """The key as a list of ints, slices, None, Ellipsis and arrays; and whether it has arrays."""
    if type(key) is list and _is_several(key):
        warnings.warn(_SEVERAL, UserWarning, stacklevel=3)
        key = tuple(key)
    parts: list[Any] = list(key) if type(key) is tuple else [key]
    advanced = False
    for i, part in enumerate(parts):
        if type(part) is int or part is None or part is Ellipsis:
            continue
        if isinstance(part, slice):
            parts[i] = _slice(part)
        elif _is_number(part):
            parts[i] = int(part._array)
        elif isinstance(part, np.integer) or _is_bare_number(part):
            parts[i] = int(part)
        else:
            parts[i] = index_array(part)
            advanced = True
    return parts, advanced


_SEVERAL = (
    "Using a non-tuple sequence for multidimensional indexing is deprecated and will be changed in"
    " pytorch 2.9; use x[tuple(seq)] instead of x[seq]. In pytorch 2.9 this will be interpreted as"
    " tensor index, x[torch.tensor(seq)], which will result either in an error or a different"
    " result"
)


_BYTES = "indexing with dtype torch.uint8 is now deprecated, please use a dtype torch.bool instead."


def _is_several(key: list[Any]) -> bool:
    """Whether torch takes a short list for the tuple of its members."""
    return len(key) < 32 and any(
        part is None or part is Ellipsis
        or isinstance(part, (Tensor, list, tuple, slice, range, np.ndarray))
        for part in key
    )  # fmt: skip


def _is_bare_number(part: Any) -> bool:
    return isinstance(part, np.ndarray) and part.ndim == 0 and part.dtype.kind in "iu"


def _is_number(part: Any) -> bool:
    """Whether a part of a key is a 0-d tensor of one integer, the same for all samples."""
    return (
        isinstance(part, Tensor) and part._array.ndim == 0 and part._array.dtype.kind in "iu"
        and part._array.dtype != np.uint8  # which is a mask
        and not isinstance(part._array, Value)
    )  # fmt: skip


_BOUNDS = frozenset((int, type(None)))
_ALL = (slice(None),)


def _simple(key: Any, shape: tuple[int, ...]) -> tuple[Any, ...] | None:
    """The parts of a key of nothing but integers in range, slices of numbers, None and an ellipsis,
    which is spelt out; else None."""
    parts = key if type(key) is tuple else (key,)
    if not parts or not shape:
        return None
    dim, rank = 0, len(shape)
    for place, part in enumerate(parts):
        if part is None:
            continue
        if part is Ellipsis:
            return _without_dots(parts, place, shape)
        if dim == rank:
            return None
        if type(part) is int:
            if not -shape[dim] <= part < shape[dim]:
                return None
        elif type(part) is slice and part.step is None:
            if type(part.start) not in _BOUNDS or type(part.stop) not in _BOUNDS:
                return None
        else:
            return None
        dim += 1
    return parts


def _without_dots(
    parts: tuple[Any, ...], place: int, shape: tuple[int, ...]
) -> tuple[Any, ...] | None:
    """`_simple` of a key whose ellipsis at a place stands for all dimensions not named."""
    used = 0
    for part in parts[place + 1 :]:
        if part is Ellipsis:
            return None
    for part in parts:
        used += part is not None and part is not Ellipsis
    if used > len(shape):
        return None
    return _simple((*parts[:place], *_ALL * (len(shape) - used), *parts[place + 1 :]), shape)


def _places(key: Any, shape: tuple[int, ...]) -> tuple[np.ndarray, ...] | None:
    """The arrays of a key of nothing but places, each one's in a dimension, or of one mask that
    fits; else None."""
    parts = key if type(key) is tuple else (key,)
    if not 0 < len(parts) <= len(shape):
        return None
    found = []
    for part in parts:
        if isinstance(part, Tensor):
            array = part._array
        elif type(part) in (list, range) and set(map(type, part)) == _WHOLE:
            array = np.array(part)
        else:
            return None
        if type(array) is not np.ndarray or not array.ndim:
            return None
        kind = array.dtype
        alone = kind is _BOOL and len(parts) == 1 and array.shape == shape[: array.ndim]
        if kind is not _INT64 and not alone:
            return None
        found.append(array)
    return tuple(found)


_WHOLE, _INT64, _BOOL = {int}, np.dtype(np.int64), np.dtype(bool)


def _slice(part: slice) -> slice:
    step = 1 if part.step is None else _plain(part.step)
    if step <= 0:
        wrong = "step must be greater than zero" if step else "slice step cannot be zero"
        raise ValueError(wrong)
    return slice(*(_plain(bound) for bound in (part.start, part.stop, part.step)))


def _plain(bound: Any) -> Any:
    return int(bound) if isinstance(bound, Tensor) else bound


def _entry(part: Any) -> Any:
    if not isinstance(part, Tensor):
        return part
    return part._array if part.ndim else int(part)


def index_array(part: Any) -> np.ndarray:
    if isinstance(part, Tensor):
        array = part._array
    elif isinstance(part, (list, tuple, range)):
        array = np.asarray([_entry(p) for p in part])
    elif isinstance(part, str):
        raise TypeError("new(): invalid data type 'str'")
    else:
        array = np.asarray(part)
    if array.size == 0 and array.dtype.kind == "f" and not isinstance(part, Tensor):
        return array.astype(np.int64)
    if array.dtype == np.uint8:
        if array.ndim:
            warnings.warn(_BYTES, UserWarning, stacklevel=4)
        return array.astype(bool)
    if not isinstance(part, (Tensor, list, tuple, range, np.ndarray, bool, np.bool_)):
        raise fail(
            IndexError,
            "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are"
            f" valid indices (got {type(part).__name__})",
            *(["a place is a whole number: int(i), or // where it was divided"]
              if isinstance(part, float) else []),
        )  # fmt: skip
    short = isinstance(part, Tensor) and array.ndim and array.itemsize < 4
    if array.dtype.kind not in "iub" or (short and array.dtype.kind != "b"):
        raise fail(
            IndexError,
            "tensors used as indices must be long, int, byte or bool tensors",
            f"the index is {dtypes.of(array)!r}: places by index.long(), a mask by index.bool()",
        )
    return array


def _consumed(part: Any) -> int:
    if part is None or part is Ellipsis:
        return 0
    return part.ndim if isinstance(part, np.ndarray) and part.dtype.kind == "b" else 1


def _indexed_number(place: int) -> BaseException:
    if place:
        return IndexError(f"index {place} is out of bounds for dimension 0 with size 0")
    return fail(
        IndexError,
        "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in"
        " C++ to convert a 0-dim tensor to a number",
    )


def _checked(parts: list[Any], shape: tuple[int, ...]) -> list[Any]:
    """Ellipsis spelt out, integers in range, masks of the right size; torch's errors otherwise."""
    used = sum(map(_consumed, parts))
    if used > len(shape):
        if not shape and len(parts) == 1 and isinstance(parts[0], slice):
            raise IndexError("slice() cannot be applied to a 0-dim tensor.")
        if not shape and len(parts) == 1 and isinstance(parts[0], int):
            raise _indexed_number(parts[0])
        raise fail(
            IndexError,
            f"too many indices for tensor of dimension {len(shape)}",
            f"{used} dimensions are indexed; the shape is {shape}",
        )
    filled: list[Any] = []
    for part in parts:
        if part is Ellipsis:
            filled.extend([slice(None)] * (len(shape) - used))
            used = len(shape)
        else:
            filled.append(part)
    dim = 0
    for part in filled:
        if type(part) is int and not -shape[dim] <= part < shape[dim]:
            raise _misfit(parts, filled, shape)
        mask = part if isinstance(part, np.ndarray) and part.dtype.kind == "b" else None
        if mask is not None and mask.shape != shape[dim : dim + mask.ndim]:
            raise _misfit(parts, filled, shape)
        dim += _consumed(part)
    return filled


def _misfit(parts: list[Any], filled: list[Any], shape: tuple[int, ...]) -> BaseException:
    """What torch says, which cuts the tensor part by part and looks at the masks last."""
    left, dim, masks = list(shape), 0, []
    dots = next((i for i, part in enumerate(parts) if part is Ellipsis), len(filled))
    spelt = max(len(filled) - len(parts), -1)  # what an ellipsis stands for, less itself
    for place, part in enumerate(filled):
        if type(part) is int:
            at = place if place < dots else place - spelt
            if not -left[dim] <= part < left[dim]:
                return IndexError(
                    f"index {part} is out of bounds for dimension {at} with size {left[dim]}"
                )
            del left[dim]
            continue
        if part is None or getattr(part, "ndim", 1) == 0:
            left.insert(dim, 1)
        elif isinstance(part, slice):
            left[dim] = len(range(*part.indices(left[dim])))
        elif isinstance(part, np.ndarray) and part.dtype.kind == "b":
            masks.append((part, dim))
            dim += part.ndim - 1
        dim += 1
    for mask, dim in masks:
        for i, size in enumerate(mask.shape):
            if size != left[dim + i]:
                return IndexError(
                    f"The shape of the mask {list(mask.shape)} at index {i} does not match the"
                    f" shape of the indexed tensor {left} at index {dim + i}"
                )
    raise AssertionError("no part of the key misfits")


_BASIC, _ARRAYS = {int, slice, type(None)}, {np.ndarray}


def _two_steps(parts: list[Any]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """A basic key (a view) and the key of arrays to apply to what it gives.

    torch applies integers before arrays, NumPy together with them; so integers go first.
    """
    kinds = set(map(type, parts))
    if kinds <= _BASIC:
        return tuple(parts), ()
    if kinds == _ARRAYS and 0 not in [part.ndim for part in parts]:
        return (), tuple(parts)
    basic: list[Any] = []
    then: list[Any] = []
    for part in parts:
        if isinstance(part, np.ndarray):
            if part.dtype.kind == "b":
                basic.extend([slice(None)] * part.ndim)
                basic.extend([None] if part.ndim == 0 else [])
            else:
                basic.append(slice(None))
            then.append(part.reshape(1) if part.dtype.kind == "b" and part.ndim == 0 else part)
        else:
            basic.append(part)
            if type(part) is not int:
                then.append(slice(None))
    while then and isinstance(then[-1], slice):
        then.pop()
    return tuple(basic), tuple(then)


def getitem(self: Tensor, key: Any) -> Tensor:
    """`x[key]`: a view for integers, slices, None and ...; a copy for arrays and masks."""
    if type(key) is int and self._array.ndim:
        size = self._array.shape[0]
        if -size <= key < size:
            return s.select(self, 0, key % size)
    simple = _simple(key, self._array.shape)
    if simple is not None:
        return s.part(self, (*simple, ...))
    places = _places(key, self._array.shape)
    if places is not None:
        return ix.index(self, places)
    parts, advanced = _normal(key)
    if not advanced:
        filled = _checked(parts, self._array.shape)
        if not self._array.ndim and not filled:
            return s.as_shape(self, ())
        if self._array.ndim == 0 and type(filled[0]) is int:
            raise IndexError(
                "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or"
                " `tensor.item<T>()` in C++ to convert a 0-dim tensor to a number"
            )
        return s.part(self, (*filled, ...))
    basic, then = _two_steps(_checked(parts, self._array.shape))
    source = self if all(part == slice(None) for part in basic) else s.part(self, basic)
    return ix.index(source, then)


def setitem(self: Tensor, key: Any, value: Any) -> None:
    """`x[key] = value`: written in place, recorded when gradients are."""
    if not isinstance(value, _VALUES):
        kind = f"torch.{scalar_type_name(self.dtype)}Tensor"
        raise fail(
            TypeError, f"can't assign a {_kind(value)} to a {kind}",
            "make it a tensor: torch.tensor(...)",
        )  # fmt: skip
    if not isinstance(value, Tensor):
        kind = self._array.dtype  # a half's numbers go by way of double
        value = held(value, kind if kind.char not in "eE" else np.dtype(np.float64))
    simple, advanced = _simple(key, self._array.shape), False
    if simple is None:
        parts: Any = _places(key, self._array.shape)
        parts, advanced = _normal(key) if parts is None else (parts, True)
    inplace.refuse_leaf(self, through_view=not advanced)
    if simple is None:
        simple = list(parts) if type(parts) is tuple else _checked(parts, self._array.shape)
        if advanced and isinstance(value, Tensor) and value._array.dtype != self._array.dtype:
            _check_types(self, simple, value)
    filled = list(simple)
    if not inplace.recording(self, (value,)):
        _write(self, filled, value)
        return
    source = (
        value if isinstance(value, Tensor) else wrap_array(np.asarray(value, self._array.dtype))
    )
    if not advanced:
        target = s.part(self, (*filled, ...))
        source = _shrunk(source, target)
        if not spreads(source._array.shape, target._array.shape):
            raise _value_misfit(self, filled, source._array)
        inplace.store(target, s.overwrite(inplace.shadow(target), source))
        return
    basic, then = _two_steps(filled)
    target = self if all(part == slice(None) for part in basic) else s.part(self, basic)
    value = s.cast(source, self.dtype)
    inplace.store(target, ix.index_put(inplace.shadow(target), value, then, False))


_VALUES = (Tensor, bool, int, float, complex, np.generic)


def _kind(value: Any) -> str:
    return f"{'numpy.' if isinstance(value, np.ndarray) else ''}{type(value).__name__}"


def _check_types(self: Tensor, parts: list[Any], value: Tensor) -> None:
    """Places take values of their own type alone; a mask takes one value of any."""
    places = [part for part in parts if isinstance(part, np.ndarray)]
    if len(places) == 1 and places[0].dtype.kind == "b" and value._array.size == 1:
        return
    basic, then = _two_steps(parts)
    with contextlib.suppress(IndexError):  # of which torch speaks later
        target = np.shape(self._array[(*basic, ...)][then])
        if not spreads(_without_ones(value._array.shape), target):
            raise _value_misfit(self, parts, value._array)
    raise fail(
        RuntimeError,
        "Index put requires the source and destination dtypes match, got"
        f" {scalar_type_name(self.dtype)} for the destination and {scalar_type_name(value.dtype)}"
        " for the source.",
        "convert it: value.to(x.dtype)",
    )


def _shrunk(value: Tensor, target: Tensor) -> Tensor:
    """Leading dimensions of size 1 that the target lacks, dropped."""
    extra = value._array.ndim - target._array.ndim
    if extra > 0 and all(size == 1 for size in value._array.shape[:extra]):
        return s.reshape(value, value._array.shape[extra:])
    return value


def _write(self: Tensor, filled: list[Any], value: Any) -> None:
    given = value._array if isinstance(value, Tensor) else value
    try:
        basic, then = _two_steps(filled)
        array = inplace.memory(self)[(*basic, ...)]
        refuse_assigned(self, array, value, then)
        if then:
            array[then] = _bare(given) if len(then) == 1 else given
        else:
            np.copyto(array, given, casting="unsafe")
    except IndexError as error:
        raise ix.in_torchs_words(error) from None
    except ValueError:
        raise _value_misfit(self, filled, given) from None
    (inplace.mark_quietly if self._silent else inplace.mark_written)(self._array)


def _bare(given: Any) -> Any:
    """Without leading dimensions of size 1, of which NumPy takes none for a mask."""
    if getattr(given, "ndim", 0) < 2 or type(given) is not np.ndarray:
        return given
    shape = _without_ones(given.shape)
    return given if len(shape) == given.ndim else given.reshape(shape)


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape without its leading sizes of 1."""
    return shape[next((i for i, n in enumerate(shape) if n != 1), len(shape)) :]


def _value_misfit(self: Tensor, filled: list[Any], given: Any) -> BaseException:
    shape = list(_without_ones(np.shape(given)))
    basic, then = _two_steps(filled)
    target = list(self._array[(*basic, ...)][then].shape)
    if not then and len(shape) > len(target):
        kind = scalar_type_name(wrap_array(given).dtype)
        return RuntimeError(
            f"expand(torch.{kind}Tensor{{{shape}}}, size={target}): the number of sizes provided"
            f" ({len(target)}) must be greater or equal to the number of dimensions in the tensor"
            f" ({len(shape)})"
        )
    for place, (m, n) in enumerate(zip(reversed(target), reversed(shape))):
        if m != n and n != 1 and not then:
            dim = len(target) - 1 - place
            return RuntimeError(
                f"The expanded size of the tensor ({m}) must match the existing size ({n}) at"
                f" non-singleton dimension {dim}.  Target sizes: {target}.  Tensor sizes: {shape}"
            )
    return RuntimeError(
        f"shape mismatch: value tensor of shape {shape} cannot be broadcast to indexing result of"
        f" shape {target}"
    )


def nonzero(input: Tensor, *, as_tuple: bool = False, out: Any = None) -> Any:
    """The places of the nonzero elements: one row each, or one index tensor per dimension.

    >>> import rushlight as torch
    >>> torch.nonzero(torch.tensor([0, 3, 0, 4]))
    tensor([[1],
            [3]])
    """
    array = input._array
    if isinstance(array, Value):
        array = array.values("aten::nonzero")
    if as_tuple:
        if out is not None:
            raise RuntimeError("nonzero does not support the out kwarg when as_tuple is True")
        places = ix.nonzero_places(array if array.ndim else array.reshape(1))
        return tuple(wrap_array(axis) for axis in places)
    if out is not None and out.dtype is not dtypes.int64:
        raise RuntimeError(
            "nonzero: Expected out tensor to have scalar type Long but got scalar type"
            f"{scalar_type_name(out.dtype)}"
        )
    found = wrap_array(ix.nonzero_rows(array))
    return found if out is None else write_out(found, out)
