"""Sizes: the `Size` tuple, dimension arithmetic and broadcasting, as pure integer functions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import wraps
from itertools import zip_longest
from math import prod
from operator import index as as_index
from typing import Any

from .errors import ShapeError, fail


def _size(place: int, value: Any) -> int:
    """One of a Size's numbers; a program may hold a kind of int of its own, which stays."""
    if isinstance(value, int) and type(value) is not bool:
        return value
    try:
        return as_index(value)
    except TypeError:
        kind, home = type(value).__name__, type(value).__module__
        kind = f"{home}.{kind}" if home == "numpy" else kind
        raise TypeError(
            f"torch.Size() takes an iterable of 'int' (item {place} is '{kind}')"
        ) from None


class Size(tuple):
    """A tensor's sizes: a tuple that prints as torch's and knows `numel`.

    >>> import rushlight as torch
    >>> torch.zeros(2, 3).size()
    torch.Size([2, 3])
    """

    __slots__ = ()

    def __new__(cls, values: Iterable[Any] = (), /) -> Size:
        made = tuple.__new__(cls, values)
        for one in made:
            if type(one) is not int:
                return tuple.__new__(cls, (_size(i, n) for i, n in enumerate(made)))
        return made

    def numel(self) -> int:
        return prod(self)

    def __repr__(self) -> str:
        return f"torch.Size([{', '.join(map(str, self))}])"

    __str__ = __repr__

    def __getitem__(self, key: Any) -> Any:
        found = tuple.__getitem__(self, key)
        return Size(found) if isinstance(key, slice) else found

    def __add__(self, other: Any) -> Size:
        if not isinstance(other, tuple):
            kind = type(other).__name__
            raise TypeError(f"can only concatenate tuple (not {kind}) to torch.Size")
        return Size(tuple.__add__(self, other))

    def __radd__(self, other: Any) -> Size:
        return Size(other + tuple(self)) if isinstance(other, tuple) else NotImplemented

    def __mul__(self, times: Any) -> Size:
        return Size(tuple.__mul__(self, times))

    __rmul__ = __mul__

    def __reduce__(self):
        return Size, (tuple(self),)


def sizes(arguments: Sequence[Any], missed: str = "") -> tuple[int, ...]:
    """`f(2, 3)`, `f((2, 3))` and `f([2, 3])` alike: the sizes as a tuple of ints.

    `missed` names a function, and its argument, that has to be given: "flip dims".
    """
    if not arguments and missed:
        name, argument = missed.split()
        raise TypeError(f'{name}() missing 1 required positional arguments: "{argument}"')
    for one in arguments:
        if type(one) is not int:
            break
    else:
        return tuple(arguments)
    if len(arguments) == 1 and isinstance(arguments[0], (tuple, list)):
        arguments = arguments[0]
    return tuple(map(as_index, arguments))


def target(arguments: Sequence[Any], numel: int) -> tuple[int, ...]:
    """What `reshape(2, -1)` and `reshape((2, -1))` ask of `numel` elements; torch's errors."""
    total = 1
    for size in arguments:
        if type(size) is not int or size < 0:
            break
        total *= size
    else:
        if total == numel:
            return tuple(arguments)
    if len(arguments) == 1 and isinstance(arguments[0], (tuple, list)):
        arguments = arguments[0]
    total = 1
    for size in arguments:
        if type(size) is not int or size < 0:
            return _with_unknown(tuple(arguments), numel)
        total *= size
    return tuple(arguments) if total == numel else infer(arguments, numel)


def _with_unknown(sizes: tuple[Any, ...], numel: int) -> tuple[int, ...]:
    """The sizes with their -1 worked out, at once if the others are plain and divide `numel`."""
    known = -1
    for size in sizes:
        if type(size) is not int:
            return infer(tuple(map(as_index, sizes)), numel)
        known *= size
    if known > 0 and numel % known == 0 and sizes.count(-1) == 1 and min(sizes) == -1:
        place = sizes.index(-1)
        return *sizes[:place], numel // known, *sizes[place + 1 :]
    return infer(sizes, numel)


def checked(shape: Iterable[int], name: str = "") -> tuple[int, ...]:
    """The shape, if no size is negative; torch's error otherwise."""
    shape = tuple(shape)
    for size in shape:
        if size < 0:
            if name == "zeros":
                raise fail(
                    ShapeError, f"{name}: Dimension size must be non-negative.", f"size {shape}"
                )
            raise fail(
                ShapeError,
                f"Trying to create tensor with negative dimension {size}: {list(shape)}",
            )
    return shape


def is_one(given: Any) -> bool:
    """Whether an argument of one or several whole numbers is one (NumPy's, a 0-d tensor) number."""
    return isinstance(given, int) or (hasattr(given, "__index__") and not getattr(given, "ndim", 0))


def dimension(dim: int, ndim: int) -> int:
    """`dim` counted from the front, checked as torch does (a 0-d tensor has dims -1 and 0)."""
    if type(dim) is int and 0 <= dim < ndim:
        return dim
    limit = ndim or 1
    if dim is True or dim is False:
        raise _no_dim(dim)
    if not -limit <= dim < limit:
        raise IndexError(
            "Dimension out of range (expected to be in range of"
            f" [{-limit}, {limit - 1}], but got {dim})"
        )
    return dim % limit


def dimensions(dim: Any, ndim: int) -> tuple[int, ...]:
    """One or several dims counted from the front, each at most once; None means all."""
    if dim is None:
        return tuple(range(ndim))
    if isinstance(dim, (tuple, list)):
        found = tuple(dimension(_whole(one), ndim) for one in dim)
        if len(set(found)) != len(found):
            repeated = next(one for one in found if found.count(one) > 1)
            raise RuntimeError(f"dim {repeated} appears multiple times in the list of dims")
        return found
    return (dimension(_whole(dim), ndim),)


def _whole(dim: Any) -> int:
    if dim is True or dim is False:
        raise _no_dim(dim)
    return as_index(dim)


def _no_dim(dim: bool) -> BaseException:
    return TypeError(f"argument 'dim' must be int, not {type(dim).__name__}")


def broadcast(*shapes: Sequence[int]) -> tuple[int, ...]:
    """The common shape of all, or torch's error naming the first dimension that does not fit."""
    result: tuple[int, ...] = ()
    for shape in shapes:
        result = _broadcast_pair(result, tuple(shape))
    return result


def spreads(shape: Sequence[int], target: Sequence[int]) -> bool:
    """Whether a value of this shape can be repeated to fill the target."""
    pairs = zip(reversed(shape), reversed(target))
    return len(shape) <= len(target) and all(n in (1, m) for n, m in pairs)


def misfit(error: ValueError) -> Exception:
    """NumPy's error for shapes that do not broadcast in torch's words; any other as it is."""
    text = str(error)
    if "broadcast" in text:
        found = re.findall(r"\(([\d, ]*)\)", text)
        broadcast(*[tuple(map(int, re.findall(r"\d+", one))) for one in found])
    return error


def _broadcast_pair(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    if a == b:
        return a
    joined = []
    for place, (m, n) in enumerate(zip_longest(reversed(a), reversed(b), fillvalue=1)):
        if m != n and m != 1 and n != 1:
            raise fail(
                ShapeError,
                f"The size of tensor a ({m}) must match the size of tensor b ({n})"
                f" at non-singleton dimension {max(len(a), len(b)) - 1 - place}",
                f"the shapes are {a} and {b}: from the last size back, each two must be equal, or"
                " one of them 1",
                *_repair(a, b),
            )
        joined.append(n if m == 1 else m)
    return tuple(reversed(joined))


def _repair(a: tuple[int, ...], b: tuple[int, ...]) -> list[str]:
    """How a lower dimension at the other end makes them fit, if it does."""
    few, many, name = (b, a, "b") if len(b) < len(a) else (a, b, "a")
    place = len(few) - len(many)
    fits = place < 0 and all(1 in pair or pair[0] == pair[1] for pair in zip(few, many))
    steps = ".unsqueeze(-1)" * -place
    return [f"they fit as {name}{steps}: shape {few + (1,) * -place}"] if fits else []


def infer(shape: Sequence[int], numel: int) -> tuple[int, ...]:
    """A reshape's target with its -1 worked out; torch's error if the sizes do not multiply up."""
    shape = tuple(shape)
    if prod(shape) == numel and min(shape, default=0) >= 0:
        return shape
    known = 1
    unknown = None
    for place, size in enumerate(shape):
        if size == -1:
            if unknown is not None:
                raise fail(ShapeError, "only one dimension can be inferred")
            unknown = place
        elif size < 0:
            raise fail(
                ShapeError,
                f"invalid shape dimension {size} at index {place} of shape {list(shape)}",
            )
        else:
            known *= size
    if unknown is None:
        if known != numel:
            raise _misfit(shape, numel)
        return shape
    if known == 0:
        if numel:
            raise _misfit(shape, numel)
        raise fail(
            ShapeError,
            f"cannot reshape tensor of 0 elements into shape {list(shape)} because the"
            " unspecified dimension size -1 can be any value and is ambiguous",
        )
    if numel % known:
        raise _misfit(shape, numel)
    return (*shape[:unknown], numel // known, *shape[unknown + 1 :])


def _misfit(shape: Sequence[int], numel: int) -> BaseException:
    wanted, rest = prod(size for size in shape if size != -1), tuple(shape[1:])
    fits = -1 not in shape and len(shape) > 1 and numel and prod(rest) and numel % prod(rest) == 0
    return fail(
        ShapeError,
        f"shape '{list(shape)}' is invalid for input of size {numel}",
        f"the new shape holds {'a multiple of ' if -1 in shape else ''}{wanted} elements,"
        f" the tensor {numel}",
        *([f"{(-1, *rest)} gives {(numel // prod(rest), *rest)}"] if fits else []),
    )


def contiguous_strides(shape: Sequence[int]) -> tuple[int, ...]:
    """Row-major strides in elements, torch's way (an empty dimension counts as one)."""
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= max(size, 1)
    return tuple(reversed(strides))


def required_dim(name: str, dim: Any, axis: Any) -> Any:
    """The dimension of a function that must be given one, as `dim` or as NumPy's `axis`."""
    if axis is not None:
        return axis
    if dim is None:
        raise TypeError(f'{name}() missing 1 required positional arguments: "dim"')
    return dim


def also_axis(function: Any) -> Any:
    """`function` with NumPy's name for its `dim` too, where another argument must follow it."""

    @wraps(function)
    def call(*args: Any, **named: Any) -> Any:
        if not named:
            return function(*args)
        if "axis" in named:
            named["dim"] = named.pop("axis")
        return function(*args, **named)

    return call


def refuse_uneven(array: Any, start: int, names: str, width: int) -> None:
    """Refuse wider elements that would not begin where the memory (at `start`) has whole ones."""
    own, ratio = array.itemsize, width // array.itemsize
    steps = {"storage_offset()": (array.ctypes.data - start) // own}
    for dim, (step, size) in enumerate(zip(array.strides[:-1], array.shape)):
        steps[f"stride({dim})"] = step // own if size > 1 else 0
    for name, step in steps.items():
        if array.size and step % ratio:
            raise RuntimeError(
                f"self.{name} must be divisible by {ratio} to view {names} (different element"
                f" sizes), but got {step}"
            )


def other_width(array: Any, names: str, width: int) -> BaseException:
    """torch's error where memory cannot be seen as elements of another width."""
    own = array.itemsize
    if not array.ndim:
        trouble, got = "self.dim() cannot be 0", ""
    elif array.strides[-1] != own:
        trouble, got = "self.stride(-1) must be 1", f", but got {array.strides[-1] // own}"
    else:
        trouble = f"self.size(-1) must be divisible by {width // own}"
        got = f", but got {array.shape[-1]}"
    return fail(RuntimeError, f"{trouble} to view {names} (different element sizes){got}")
