"""What the evaluations of the fused ops share: working precision, type checks."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core import dtypes
from ...core.dispatch import not_implemented
from ...core.heavy import fitted

_SINGLE = np.dtype(np.float32)


def half(x: np.ndarray) -> bool:
    """Whether x has 16 bits (float16 or bfloat16), and so is computed in float32."""
    return x.dtype.itemsize == 2 and x.dtype.kind in "fV"


def widened(x: np.ndarray) -> np.ndarray:
    """x, or x in float32 if it has 16 bits."""
    return fitted(x, _SINGLE) if x.dtype.itemsize == 2 and half(x) else x


def need_float(x: np.ndarray, kernel: str) -> None:
    """torch's error for a tensor of integers, or of complex numbers, where the kernel takes
    floating types only. silu has complex values, and the rules of nll_loss are linear."""
    complex_too = kernel in ("silu_cpu", "nll_loss_out_frame")
    if x.dtype.kind in "iub" or (x.dtype.kind == "c" and not complex_too):
        raise not_implemented(kernel, dtypes.of(x))


def raw(*values: Any) -> bool:
    """Whether a rule runs on bare arrays (and not on tensors that record it in turn)."""
    for value in values:
        if type(value) is np.ndarray or value is None or isinstance(value, np.generic):
            continue
        return False
    return True
