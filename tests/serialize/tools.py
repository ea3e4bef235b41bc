"""Shared by these tests: tensors from arrays, files in memory, equality of what was loaded."""

import io
import zipfile
from typing import Any

import numpy as np

from rushlight.core.tensor import Tensor, wrap
from rushlight.serialize import archive, load, save


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


def records(data: bytes) -> dict[str, bytes]:
    """The records of an archive by name, as another reader sees them."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def packed(found: dict[str, bytes]) -> bytes:
    """An archive of these records, with the right checksums."""
    parts = [archive.Part(name, data) for name, data in found.items()]
    return b"".join(map(bytes, archive.write(parts)))


def with_pickle(pickled: bytes, **storages: bytes) -> bytes:
    """A checkpoint whose structure is this pickle, with storages `_0`, `_1`..."""
    found = {"a/data.pkl": pickled, "a/version": b"3\n"}
    return packed(found | {f"a/data/{name[1:]}": data for name, data in storages.items()})


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
