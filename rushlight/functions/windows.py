"""Windows for spectral analysis: weights that fall to (nearly) zero at both ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import dtypes
from ..core.tensor import Tensor
from .arguments import whole
from .from_data import finish, numpy_kind

__all__ = [
    "bartlett_window", "blackman_window", "hamming_window", "hann_window", "kaiser_window",
]  # fmt: skip


def _window(
    name: str, length: Any, periodic: bool, shape: Callable[[np.ndarray, int], np.ndarray],
    dtype: Any, device: Any, requires_grad: bool,
) -> Tensor:  # fmt: skip
    """`shape(places, last place)` at every place; a periodic window leaves its last place out."""
    dtypes.require_cpu(device)
    n = whole(name, "window_length", 1, length)
    if n < 0:
        raise RuntimeError(
            f"{name} requires non-negative window_length, got window_length={length}"
        )
    kind = numpy_kind(dtype, None, name)
    if kind.kind in "biuc":
        raise RuntimeError(f"{name} expects floating point dtypes, got: {dtype}")
    if n <= 1:
        return finish(np.ones(n, kind), requires_grad)
    last = n if periodic else n - 1
    return finish(shape(np.arange(n, dtype=np.float64), last).astype(kind), requires_grad)


def hann_window(window_length: int, periodic: bool = True, *, dtype: Any = None, layout: Any = None,
                device: Any = None, requires_grad: bool = False) -> Tensor:  # fmt: skip
    """sin^2(pi n / N), the Hann window.

    >>> import rushlight as torch
    >>> torch.hann_window(4)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    if layout is not None:
        dtypes.require_cpu(device, layout)
    shape = lambda n, last: 0.5 - 0.5 * np.cos(2 * np.pi * n / last)
    return _window("hann_window", window_length, periodic, shape, dtype, device, requires_grad)


def hamming_window(window_length: int, periodic: bool = True, alpha: float = 0.54,
                   beta: float = 0.46, *, dtype: Any = None, layout: Any = None,
                   device: Any = None, requires_grad: bool = False) -> Tensor:  # fmt: skip
    """alpha - beta cos(2 pi n / N), the Hamming window.

    >>> import rushlight as torch
    >>> torch.hamming_window(4)
    tensor([0.0800, 0.5400, 1.0000, 0.5400])
    """
    if layout is not None:
        dtypes.require_cpu(device, layout)
    shape = lambda n, last: alpha - beta * np.cos(2 * np.pi * n / last)
    return _window("hamming_window", window_length, periodic, shape, dtype, device, requires_grad)


def blackman_window(window_length: int, periodic: bool = True, *, dtype: Any = None,
                    layout: Any = None, device: Any = None,
                    requires_grad: bool = False) -> Tensor:  # fmt: skip
    """0.42 - 0.5 cos(2 pi n / N) + 0.08 cos(4 pi n / N), the Blackman window.

    >>> import rushlight as torch
    >>> torch.blackman_window(4)[1:]
    tensor([0.3400, 1.0000, 0.3400])
    """
    if layout is not None:
        dtypes.require_cpu(device, layout)
    turn = lambda n, last: 2 * np.pi * n / last
    shape = lambda n, last: 0.42 - 0.5 * np.cos(turn(n, last)) + 0.08 * np.cos(2 * turn(n, last))
    return _window("blackman_window", window_length, periodic, shape, dtype, device, requires_grad)


def bartlett_window(window_length: int, periodic: bool = True, *, dtype: Any = None,
                    layout: Any = None, device: Any = None,
                    requires_grad: bool = False) -> Tensor:  # fmt: skip
    """1 - |2 n / N - 1|, the triangle.

    >>> import rushlight as torch
    >>> torch.bartlett_window(5, periodic=False)
    tensor([0.0000, 0.5000, 1.0000, 0.5000, 0.0000])
    """
    if layout is not None:
        dtypes.require_cpu(device, layout)
    shape = lambda n, last: 1 - np.abs(2 * n / last - 1)
    return _window("bartlett_window", window_length, periodic, shape, dtype, device, requires_grad)


def kaiser_window(window_length: int, periodic: bool = True, beta: float = 12.0, *,
                  dtype: Any = None, layout: Any = None, device: Any = None,
                  requires_grad: bool = False) -> Tensor:  # fmt: skip
    """I0(beta sqrt(1 - (2 n / N - 1)^2)) / I0(beta), the Kaiser window.

    >>> import rushlight as torch
    >>> torch.kaiser_window(4)
    tensor([5.2773e-05, 2.1567e-01, 1.0000e+00, 2.1567e-01])
    """
    if layout is not None:
        dtypes.require_cpu(device, layout)
    width = lambda n, last: np.sqrt(np.maximum(1 - (2 * n / last - 1) ** 2, 0))
    shape = lambda n, last: np.i0(beta * width(n, last)) / np.i0(beta)
    return _window("kaiser_window", window_length, periodic, shape, dtype, device, requires_grad)
