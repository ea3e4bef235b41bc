"""Arrays as short text: shape, kind and base64 of float32 or int32 numbers."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np


def encode(array: np.ndarray) -> list[Any]:
    """[shape, dtype, numbers]; floats are kept in single precision."""
    small = array.astype(np.float32 if array.dtype.kind == "f" else np.int32)
    return [list(array.shape), array.dtype.name, base64.b64encode(small.tobytes()).decode()]


def decode(code: list[Any]) -> np.ndarray:
    """The array of a code, in the type it had."""
    shape, kind, text = code
    small = np.float32 if kind.startswith("float") else np.int32
    return np.frombuffer(base64.b64decode(text), small).reshape(shape).astype(kind)
