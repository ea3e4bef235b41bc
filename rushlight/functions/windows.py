"""Windows for spectral analysis: weights that fall to (nearly) zero at both ends."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from ..core import dtypes
from ..core.tensor import Tensor
from .arguments import whole
from .from_data import finish, numpy_kind

__all__ = [
    "bartlett_window", "blackman_window", "hamming_window", "hann_window", "kaiser_window",
]  # fmt: skip


Formula = Callable[..., np.ndarray]  # of places, the last place and further numbers
_LENGTHS = 1 << 12  # up to which a window that was made is kept


@lru_cache(64)
def _kept(formula: Formula, n: int, last: int, numbers: tuple[float, ...], kind: Any) -> np.ndarray:
    return formula(np.arange(n, dtype=np.float64), last, *numbers).astype(kind)


def _values(formula: Formula, n: int, last: int, numbers: Any, kind: Any) -> np.ndarray:
    """A new array of the formula's values at n places."""
    if n > _LENGTHS or not all(type(number) is float and number for number in numbers):
        return _kept.__wrapped__(formula, n, last, numbers, kind)
    return _kept(formula, n, last, numbers, kind).copy()


def _window(
    name: str, length: Any, periodic: bool, formula: Formula, numbers: tuple[float, ...],
    dtype: Any, device: Any, requires_grad: bool,
) -> Tensor:  # fmt: skip
    """The formula's value at every place; a periodic window leaves its last place out."""
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
    return finish(_values(formula, n, last, numbers, kind), requires_grad)


def _hann(n: np.ndarray, last: int) -> np.ndarray:
    return 0.5 - 0.5 * np.cos(2 * np.pi * n / last)


def _hamming(n: np.ndarray, last: int, alpha: float, beta: float) -> np.ndarray:
    return alpha - beta * np.cos(2 * np.pi * n / last)


def _blackman(n: np.ndarray, last: int) -> np.ndarray:
    turn = 2 * np.pi * n / last
    return 0.42 - 0.5 * np.cos(turn) + 0.08 * np.cos(2 * turn)


def _bartlett(n: np.ndarray, last: int) -> np.ndarray:
    return 1 - np.abs(2 * n / last - 1)


def _kaiser(n: np.ndarray, last: int, beta: float) -> np.ndarray:
    width = np.sqrt(np.maximum(1 - (2 * n / last - 1) ** 2, 0))
    return np.i0(beta * width) / np.i0(beta)


def hann_window(window_length: int, periodic: bool = True, *, dtype: Any = None, layout: Any = None,
                device: Any = None, requires_grad: bool = False) -> Tensor:  # fmt: skip
    """The Hann window: sin^2(pi n / N) at n = 0, 1, ...

    Args: window_length, the number of places; periodic: N is window_length, for one period of a
    longer signal, else window_length - 1, so that both ends are alike; dtype, of floats.
    Raises: RuntimeError for a negative length or a type that is not of floats.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.hann_window.html

    >>> import rushlight as torch
    >>> torch.hann_window(4)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    if layout is not None:
        dtypes.require_cpu(device, layout)
    return _window("hann_window", window_length, periodic, _hann, (), dtype, device, requires_grad)


def hamming_window(window_length: int, periodic: bool = True, alpha: float = 0.54,
                   beta: float = 0.46, *, dtype: Any = None, layout: Any = None,
                   device: Any = None, requires_grad: bool = False) -> Tensor:  # fmt: skip
    """The Hamming window: alpha - beta cos(2 pi n / N) at n = 0, 1, ...

    Args: window_length, the number of places; periodic: N is window_length, else window_length - 1;
    alpha and beta; dtype, of floats.
    Raises: RuntimeError for a negative length or a type that is not of floats.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.hamming_window.html

    >>> import rushlight as torch
    >>> torch.hamming_window(4)
    tensor([0.0800, 0.5400, 1.0000, 0.5400])
    """
    if layout is not None:
        dtypes.require_cpu(device, layout)
    return _window(
        "hamming_window",
        window_length,
        periodic,
        _hamming,
        (alpha, beta),
        dtype,
        device,
        requires_grad,
    )


def blackman_window(window_length: int, periodic: bool = True, *, dtype: Any = None,
                    layout: Any = None, device: Any = None,
                    requires_grad: bool = False) -> Tensor:  # fmt: skip
    """The Blackman window: 0.42 - 0.5 cos(2 pi n / N) + 0.08 cos(4 pi n / N) at n = 0, 1, ...

    Args: window_length, the number of places; periodic: N is window_length, else window_length - 1;
    dtype, of floats.
    Raises: RuntimeError for a negative length or a type that is not of floats.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.blackman_window.html

    >>> import rushlight as torch
    >>> torch.blackman_window(4)[1:]
    tensor([0.3400, 1.0000, 0.3400])
    """
    if layout is not None:
        dtypes.require_cpu(device, layout)
    return _window(
        "blackman_window", window_length, periodic, _blackman, (), dtype, device, requires_grad
    )


def bartlett_window(window_length: int, periodic: bool = True, *, dtype: Any = None,
                    layout: Any = None, device: Any = None,
                    requires_grad: bool = False) -> Tensor:  # fmt: skip
    """The Bartlett window, a triangle: 1 - |2 n / N - 1| at n = 0, 1, ...

    Args: window_length, the number of places; periodic: N is window_length, else window_length - 1;
    dtype, of floats.
    Raises: RuntimeError for a negative length or a type that is not of floats.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.bartlett_window.html

    >>> import rushlight as torch
    >>> torch.bartlett_window(5, periodic=False)
    tensor([0.0000, 0.5000, 1.0000, 0.5000, 0.0000])
    """
    if layout is not None:
        dtypes.require_cpu(device, layout)
    return _window(
        "bartlett_window", window_length, periodic, _bartlett, (), dtype, device, requires_grad
    )


def kaiser_window(window_length: int, periodic: bool = True, beta: float = 12.0, *,
                  dtype: Any = None, layout: Any = None, device: Any = None,
                  requires_grad: bool = False) -> Tensor:  # fmt: skip
    """The Kaiser window: I0(beta sqrt(1 - (2 n / N - 1)^2)) / I0(beta) at n = 0, 1, ...

    Args: window_length, the number of places; periodic: N is window_length, else window_length - 1;
    beta, how fast it falls; dtype, of floats. I0 is the modified Bessel function of order 0.
    Raises: RuntimeError for a negative length or a type that is not of floats.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.kaiser_window.html

    >>> import rushlight as torch
    >>> torch.kaiser_window(4)
    tensor([5.2773e-05, 2.1567e-01, 1.0000e+00, 2.1567e-01])
    """
    if layout is not None:
        dtypes.require_cpu(device, layout)
    return _window(
        "kaiser_window", window_length, periodic, _kaiser, (beta,), dtype, device, requires_grad
    )
