"""The Fourier transform extension."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rushlight as rl

__all__ = [
    "fft", "fftfreq", "fftn", "fftshift", "hfft", "ifft", "ifftn", "ifftshift", "ihfft", "irfft",
    "irfftn", "rfft", "rfftfreq", "rfftn",
]  # fmt: skip


def _one(name: str) -> Callable[..., Any]:
    function = getattr(rl.fft, name)

    def wrapped(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Any:
        return function(x, n=n, dim=axis, norm=norm)

    wrapped.__name__ = wrapped.__qualname__ = name
    wrapped.__doc__ = f"The standard's `{name}`."
    return wrapped


def _several(name: str) -> Callable[..., Any]:
    function = getattr(rl.fft, name)

    def wrapped(x: Any, /, *, s: Any = None, axes: Any = None, norm: str = "backward") -> Any:
        return function(x, s=s, dim=axes, norm=norm)

    wrapped.__name__ = wrapped.__qualname__ = name
    wrapped.__doc__ = f"The standard's `{name}`."
    return wrapped


fft, ifft, rfft, irfft = (_one(name) for name in ("fft", "ifft", "rfft", "irfft"))
hfft, ihfft = _one("hfft"), _one("ihfft")
fftn, ifftn, rfftn, irfftn = (_several(name) for name in ("fftn", "ifftn", "rfftn", "irfftn"))


def fftfreq(n: int, /, *, d: float = 1.0, dtype: Any = None, device: Any = None) -> Any:
    """The frequencies of `fft`'s results."""
    return rl.fft.fftfreq(n, d, dtype=dtype, device=device)


def rfftfreq(n: int, /, *, d: float = 1.0, dtype: Any = None, device: Any = None) -> Any:
    """The frequencies of `rfft`'s results."""
    return rl.fft.rfftfreq(n, d, dtype=dtype, device=device)


def fftshift(x: Any, /, *, axes: Any = None) -> Any:
    """Frequency zero moved to the middle."""
    return rl.fft.fftshift(x, dim=axes)


def ifftshift(x: Any, /, *, axes: Any = None) -> Any:
    """Frequency zero moved back to the front."""
    return rl.fft.ifftshift(x, dim=axes)
