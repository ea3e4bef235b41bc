"""Random reads and writes by index, for either framework."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

KINDS = ("f4", "f4", "f8", "i8", "u1", "?", "c8")


def _whole(rng: random.Random, size: int) -> int:
    """A place in a dimension, now and then one outside of it."""
    if rng.random() < 0.04:
        return rng.choice((size, -size - 1))
    return rng.randrange(-size, size) if size else 0


def _slice(rng: random.Random, size: int) -> slice:
    ends = [rng.choice((None, rng.randint(-size - 2, size + 2))) for _ in range(2)]
    return slice(*ends, rng.choice((None, None, 1, 2, 3)) if rng.random() < 0.97 else -1)


def _places(rng: random.Random, size: int, shape: tuple[int, ...]) -> np.ndarray:
    count = int(np.prod(shape, dtype=int))
    places = [rng.randrange(-size, size) if size else 0 for _ in range(count)]
    return np.array(places, np.int64).reshape(shape)


def _mask(rng: random.Random, shape: Any) -> np.ndarray:
    state = np.random.RandomState(rng.randrange(2**31))
    return state.random_sample(tuple(shape)) < rng.choice((0.0, 0.3, 0.7))


def _part(rng: random.Random, shape: list[int], common: tuple[int, ...]) -> tuple[Any, int]:
    """One entry of a key, and how many dimensions it takes."""
    size, kind = shape[0], rng.randrange(12)
    if kind < 3:
        return _whole(rng, size), 1
    if kind < 6:
        return _slice(rng, size), 1
    if kind < 9:
        return (rng.choice("tnl"), _places(rng, size, common)), 1
    if kind == 9:
        wide = min(len(shape), rng.choice((1, 1, 2)))
        given = shape[:wide]
        if rng.random() < 0.04:
            given = [given[0] + 1, *given[1:]]
        return (rng.choice("tn"), _mask(rng, given)), wide
    if kind == 10:
        return ("t", _places(rng, size or 1, ())), 1
    return ("l", _mask(rng, [size])), 1


def key(rng: random.Random, shape: list[int]) -> tuple[Any, ...]:
    """A random index of a tensor: its parts, arrays as ("t" tensor, "n" ndarray, "l" list)."""
    parts: list[Any] = []
    common = tuple(rng.randint(1, 3) for _ in range(rng.choice((1, 1, 2, 0))))
    left, dots = list(shape), False
    while left and rng.random() < 0.75:
        if rng.random() < 0.12:
            parts.append(None)
        elif not dots and rng.random() < 0.1:
            parts.append(...)
            dots = True
            left = left[rng.randint(0, len(left)) :]
        else:
            part, taken = _part(rng, left, common)
            parts.append(part)
            left = left[taken:] if taken == 1 else []  # torch misreads what follows a wide mask
    if rng.random() < 0.03:
        parts.append(rng.choice((0, True, None)))
    return tuple(parts)


def _real(lib: Any, part: Any) -> Any:
    if not (isinstance(part, tuple) and isinstance(part[1], np.ndarray)):
        return part
    form, array = part
    if form == "t":
        return lib.from_numpy(array.copy())
    return array.copy() if form == "n" else array.tolist()


def program(seed: int) -> Any:
    """A function of a framework that gives what a read and a write leave behind."""
    rng = random.Random(seed)
    shape = [rng.choice((1, 2, 3, 4, 5)) for _ in range(rng.choice((1, 2, 2, 3, 3, 4)))]
    if rng.random() < 0.05:
        shape[rng.randrange(len(shape))] = 0
    kind = np.dtype(rng.choice(KINDS))
    values = (np.arange(np.prod(shape, dtype=int)) % 120).reshape(shape).astype(kind)
    parts, alone = key(rng, shape), rng.random() < 0.5
    turned, smooth = rng.random() < 0.3, kind.kind == "f" and rng.random() < 0.5
    number, wide, grow = rng.choice((0, 1, 2.5, True)), rng.random() < 0.6, rng.randrange(4)

    def start(lib: Any) -> Any:
        x = lib.from_numpy(values.copy())
        return x.transpose(0, -1) if turned else x

    def index(lib: Any) -> Any:
        given = tuple(_real(lib, part) for part in parts)
        return given[0] if len(given) == 1 and alone else given

    def read(lib: Any) -> Any:
        x = start(lib)
        if smooth:
            x.requires_grad_()
        y = x[index(lib)]
        found = [y.shape, y.tolist(), y.dtype, y._is_view()]
        if smooth:
            (g,) = lib.autograd.grad(y.sum(), x)
            found += [type(y.grad_fn).__name__.replace("Alias", "Slice"), g.tolist()]
        return found

    def write(lib: Any) -> Any:
        x = start(lib)
        value: Any = number
        if wide:
            like = start(lib)[index(lib)]
            value = lib.full(like.shape, 3, dtype=like.dtype)
            if grow == 1 and value.ndim:
                value = value[:1]
            elif grow == 2:
                value = value[None]
            elif grow == 3 and value.ndim:
                value = value.flatten()
        x[index(lib)] = value
        return [x.tolist(), x.dtype]

    return read, write


def outcome(lib: Any, step: Any) -> str:
    """What a step gives, as text; an exception by its kind and first line."""
    try:
        return str(step(lib)).replace("rushlight.", "torch.")
    except Exception as error:
        kinds = [kind.__name__ for kind in type(error).__mro__]
        name = kinds[kinds.index("ShapeError") + 1] if "ShapeError" in kinds else kinds[0]
        return f"{name}: {(str(error).splitlines() or [''])[0]}"
