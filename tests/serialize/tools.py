"""Shared by these tests: tensors from arrays, files in memory, equality of what was loaded."""

import io
from typing import Any

import numpy as np

from rushlight.core.tensor import Tensor, wrap
from rushlight.serialize import load, save


def tensor(values: Any, dtype: Any = None) -> Tensor:
    """A tensor over the array (its memory is shared)."""
    return wrap(np.asarray(values, dtype))


def saved(value: Any) -> bytes:
    """The bytes of a file that holds the value."""
    stream = io.BytesIO()
    save(value, stream)
    return stream.getvalue()


def loaded(data: bytes, **options: Any) -> Any:
    """What the bytes hold."""
    return load(io.BytesIO(data), **options)


def same(a: Any, b: Any) -> bool:
    """Equal in type, structure and bits."""
    if isinstance(a, Tensor):
        a, b = a._array, getattr(b, "_array", None)
    if isinstance(a, np.ndarray):
        return (
            isinstance(b, np.ndarray)
            and a.dtype == b.dtype
            and a.shape == b.shape
            and a.tobytes() == b.tobytes()
        )
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float):
        return a == b or (a != a and b != b)
    return bool(a == b)


def sample() -> dict[str, Any]:
    """A small checkpoint: weights, a view, optimizer-like state, text."""
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((5, 7)).astype(np.float32)
    return {
        "model": {"fc.weight": tensor(weight), "fc.bias": tensor(weight[0])},
        "state": {0: {"step": tensor(3.0, np.float32), "avg": tensor(np.arange(6.0))}},
        "mask": tensor([True, False]),
        "epoch": 3,
        "name": "run é",
        "lr": [0.1, None, (1, 2)],
    }
