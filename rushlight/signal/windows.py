"""torch.signal.windows: symmetric windows of `M` points, or one period of a longer one.

With L = M - 1 (symmetric) or L = M (`sym=False`), n runs over 0 .. M-1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Any

import numpy as np

from ..core import dtypes, special
from ..core.state import DEFAULTS
from ..core.tensor import Tensor, set_requires_grad, wrap

__all__ = [
    "bartlett", "blackman", "cosine", "exponential", "gaussian", "general_cosine",
    "general_hamming", "hamming", "hann", "kaiser", "nuttall",
]  # fmt: skip

Formula = Callable[..., np.ndarray]
SHARED = """
    Here n = 0 .. M - 1, and L = M - 1, or M where sym is False.
    Args: M, the number of points; sym: both ends alike, else one period of a longer signal; dtype,
    float32 or float64.
    Raises: ValueError for a negative M or another dtype.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.signal.windows.{name}.html
"""


def _window(formula: Formula) -> Callable[..., Tensor]:
    """The public function around `formula(n, L, sym, **shape)`."""
    name = formula.__name__
    if name in ("general_hamming", "hamming", "hann", "nuttall"):
        name = "general_cosine"  # torch's errors name the general form

    def create(
        M: int, *, sym: bool = True, dtype: Any = None, layout: Any = dtypes.strided,
        device: Any = None, requires_grad: bool = False, **shape: Any,
    ) -> Tensor:  # fmt: skip
        kind = DEFAULTS.dtype if dtype is None else dtype
        if M < 0:
            raise ValueError(f"{name} requires non-negative window length, got M={M}")
        if layout is not dtypes.strided:
            raise ValueError(f"{name} is implemented for strided tensors only, got: {layout}")
        if kind not in (dtypes.float32, dtypes.float64):
            raise ValueError(f"{name} expects float32 or float64 dtypes, got: {kind}")
        dtypes.require_cpu(device)
        length = M - 1 if sym and M > 1 else M
        values = formula(np.arange(M, dtype=np.float64), length, sym, **shape)
        result = wrap(values.astype(kind.numpy))
        if requires_grad:
            set_requires_grad(result, True)
        return result

    common = signature(create)
    public: Any = wraps(formula)(create)
    public.__signature__ = _public(common, signature(formula))
    before, example, after = str(formula.__doc__).partition("\n    >>>")
    public.__doc__ = before + SHARED.format(name=formula.__name__) + example + after
    return public


def _public(common: Signature, formula: Signature) -> Signature:
    """What all windows take, with what this one's formula takes behind (n, length, sym)."""
    first, *named, _ = common.parameters.values()
    own = [p.replace(kind=Parameter.KEYWORD_ONLY) for p in [*formula.parameters.values()][3:]]
    return common.replace(parameters=[first, *own, *named])


def _one(n: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.ones(1) if n.size == 1 else values


def _cosines(n: np.ndarray, length: int, a: Iterable[float]) -> np.ndarray:
    angle = 2 * np.pi * n / max(length, 1)
    total = np.zeros(n.shape)
    for i, factor in enumerate(a):
        total += (-1) ** i * factor * np.cos(i * angle)
    return _one(n, total)


@_window
def bartlett(n: np.ndarray, length: int, sym: bool) -> np.ndarray:
    """1 - |2n/L - 1|: a triangle.

    >>> import rushlight as torch
    >>> torch.signal.windows.bartlett(5)
    tensor([0.0000, 0.5000, 1.0000, 0.5000, 0.0000])
    """
    return _one(n, 1 - np.abs(2 * n / max(length, 1) - 1))


@_window
def blackman(n: np.ndarray, length: int, sym: bool) -> np.ndarray:
    """0.42 - 0.5 cos(2 pi n/L) + 0.08 cos(4 pi n/L).

    >>> import rushlight as torch
    >>> torch.signal.windows.blackman(4, sym=False)[1:]
    tensor([0.3400, 1.0000, 0.3400])
    """
    return _cosines(n, length, (0.42, 0.5, 0.08))


@_window
def cosine(n: np.ndarray, length: int, sym: bool) -> np.ndarray:
    """sin(pi (n + 1/2) / M), with M + 1 for M in a periodic window.

    >>> import rushlight as torch
    >>> torch.signal.windows.cosine(3)
    tensor([0.5000, 1.0000, 0.5000])
    """
    return _one(n, np.sin(np.pi * (n + 0.5) / (n.size if sym else n.size + 1)))


@_window
def exponential(
    n: np.ndarray, length: int, sym: bool, center: float | None = None, tau: float = 1.0
) -> np.ndarray:
    """e^(-|n - center| / tau), with the center L/2 unless given.

    >>> import rushlight as torch
    >>> torch.signal.windows.exponential(3)
    tensor([0.3679, 1.0000, 0.3679])
    """
    if tau <= 0:
        raise ValueError(f"Tau must be positive, got: {tau} instead.")
    if sym and center is not None:
        raise ValueError("Center must be None for symmetric windows")
    center = length / 2 if center is None else center
    return _one(n, np.exp(-np.abs(n - center) / tau))


@_window
def gaussian(n: np.ndarray, length: int, sym: bool, std: float = 1.0) -> np.ndarray:
    """e^(-((n - L/2) / std)^2 / 2).

    >>> import rushlight as torch
    >>> torch.signal.windows.gaussian(3, std=1.0)
    tensor([0.6065, 1.0000, 0.6065])
    """
    if std <= 0:
        raise ValueError(f"Standard deviation must be positive, got: {std} instead.")
    return _one(n, np.exp(-(((n - length / 2) / std) ** 2) / 2))


@_window
def general_cosine(n: np.ndarray, length: int, sym: bool, *, a: Iterable[float]) -> np.ndarray:
    """The sum of (-1)^i a_i cos(2 pi i n/L).

    >>> import rushlight as torch
    >>> torch.signal.windows.general_cosine(5, a=[0.5, 0.5])
    tensor([0.0000, 0.5000, 1.0000, 0.5000, 0.0000])
    """
    if not isinstance(a, Iterable):
        raise TypeError("Coefficients must be a list/tuple")
    a = tuple(a)
    if not a:
        raise ValueError("Coefficients cannot be empty")
    return _cosines(n, length, a)


@_window
def general_hamming(n: np.ndarray, length: int, sym: bool, alpha: float = 0.54) -> np.ndarray:
    """alpha - (1 - alpha) cos(2 pi n/L).

    >>> import rushlight as torch
    >>> torch.signal.windows.general_hamming(3, alpha=0.75)
    tensor([0.5000, 1.0000, 0.5000])
    """
    return _cosines(n, length, (alpha, 1 - alpha))


@_window
def hamming(n: np.ndarray, length: int, sym: bool) -> np.ndarray:
    """0.54 - 0.46 cos(2 pi n/L).

    >>> import rushlight as torch
    >>> torch.signal.windows.hamming(3)
    tensor([0.0800, 1.0000, 0.0800])
    """
    return _cosines(n, length, (0.54, 0.46))


@_window
def hann(n: np.ndarray, length: int, sym: bool) -> np.ndarray:
    """(1 - cos(2 pi n/L)) / 2.

    >>> import rushlight as torch
    >>> torch.signal.windows.hann(4, sym=False)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    return _cosines(n, length, (0.5, 0.5))


@_window
def kaiser(n: np.ndarray, length: int, sym: bool, beta: float = 12.0) -> np.ndarray:
    """I0(beta sqrt(1 - (2n/L - 1)^2)) / I0(beta).

    >>> import rushlight as torch
    >>> torch.signal.windows.kaiser(5, beta=4.0)
    tensor([0.0885, 0.6334, 1.0000, 0.6334, 0.0885])
    """
    if beta < 0:
        raise ValueError(f"beta must be non-negative, got: {beta} instead.")
    inside = 1 - (2 * n / max(length, 1) - 1) ** 2
    top = special.i0(np.asarray(beta, np.float64))
    return _one(n, special.i0(beta * np.sqrt(np.maximum(inside, 0))) / top)


@_window
def nuttall(n: np.ndarray, length: int, sym: bool) -> np.ndarray:
    """Four cosine terms with small side lobes.

    Source: Nuttall 1981, https://doi.org/10.1109/TASSP.1981.1163506

    >>> import rushlight as torch
    >>> torch.signal.windows.nuttall(5)
    tensor([3.6280e-04, 2.2698e-01, 1.0000e+00, 2.2698e-01, 3.6280e-04])
    """
    return _cosines(n, length, (0.3635819, 0.4891775, 0.1365995, 0.0106411))
