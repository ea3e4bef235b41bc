"""Short-time Fourier transforms: torch.stft and its inverse."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import fft
from ..core import dtypes
from ..core.dispatch import named, scalar_type_name, wrap_array
from ..core.errors import warn_once
from ..core.tensor import Tensor
from ..core.values import refuses
from ..ops import assembly as a
from ..ops import structure as s
from .complex_parts import view_as_real
from .placing import index_select, slice_scatter

__all__ = ["istft", "stft"]


def _described(name: str, x: Tensor, shown: dict[str, Any], prefix: str = "") -> str:
    def text(value: Any) -> str:
        if isinstance(value, Tensor):
            return f"torch.{scalar_type_name(value.dtype)}Tensor{{{list(value.shape)}}}"
        return str(int(value)) if isinstance(value, bool) else str(value)

    parts = ", ".join(f"{key}={text(value)}" for key, value in shown.items())
    return f"{name}({prefix}{scalar_type_name(x.dtype)}{{}}{list(x.shape)}, {parts})"


def _embedded(x: Tensor, left: int, size: int) -> Tensor:
    """x in the last dimension of `size` zeros, from place `left` on."""
    shape = (*x._array.shape[:-1], size)
    blank = wrap_array(np.zeros(shape, x._array.dtype))
    return slice_scatter(blank, x, len(shape) - 1, left, left + x._array.shape[-1])


def _framed_window(window: Any, n_fft: int, win_length: int, kind: dtypes.dtype) -> Tensor:
    """The window (ones if there is none) in the middle of `n_fft` places."""
    if window is None:
        window = wrap_array(np.ones(win_length, kind.numpy))
    left = (n_fft - win_length) // 2
    return _embedded(window, left, n_fft) if win_length < n_fft else window


def _reflected(x: Tensor, pad: int, mode: str) -> Tensor:
    """The signal longer by `pad` at both ends."""
    size = x._array.shape[-1]
    last = x._array.ndim - 1
    if mode == "constant":
        return _embedded(x, pad, size + 2 * pad)
    if mode == "reflect" and pad >= size:
        listed = [1] * (3 - x._array.ndim) + list(x.shape)
        raise RuntimeError(
            "Argument #4: Padding size should be less than the corresponding input dimension, but"
            f" got: padding ({pad}, {pad}) at dimension 2 of input {listed}"
        )
    named: Any = {"replicate": "edge", "circular": "wrap"}.get(mode, mode)
    places = np.pad(np.arange(size), pad, mode=named)
    return index_select(x, last, wrap_array(places))


_NO_WINDOW = (
    "A window was not provided. A rectangular window will be applied,which is known to cause"
    " spectral leakage. Other windows such as torch.hann_window or torch.hamming_window are"
    " recommended to reduce spectral leakage.To suppress this warning and use a rectangular"
    " window, explicitly set `window=torch.ones(n_fft, device=<device>)`."
)
_NO_WINDOW_BACK = (
    "A window was not provided. A rectangular window will be applied.Please provide the same window"
    " used by stft to make the inversion lossless.To suppress this warning and use a rectangular"
    " window, explicitly set `window=torch.ones(n_fft, device=<device>)`."
)
_NOT_COMPLEX = (
    "stft with return_complex=False is deprecated. In a future pytorch release, stft will return"
    " complex tensors for all inputs, and return_complex=False will raise an error.\nNote: you can"
    " still call torch.view_as_real on the complex output to recover the old return format."
)


def stft(
    input: Tensor, n_fft: int, hop_length: int | None = None, win_length: int | None = None,
    window: Any = None, center: bool = True, pad_mode: str = "reflect", normalized: bool = False,
    onesided: bool | None = None, return_complex: bool | None = None,
    align_to_window: bool | None = None,
) -> Tensor:  # fmt: skip
    """The Fourier transforms of windows of a signal: (batch, frequencies, frames).

    Raises RuntimeError for sizes that do not fit and for real input without `return_complex`.
    Source: https://pytorch.org/docs/stable/generated/torch.stft.html

    >>> import rushlight as torch
    >>> torch.stft(torch.ones(8), 4, window=torch.ones(4), return_complex=True).shape
    torch.Size([3, 9])
    """
    hop, width = n_fft // 4 if hop_length is None else hop_length, win_length or n_fft
    whole = input.dtype.is_complex or (window is not None and window.dtype.is_complex)
    if center and input._array.ndim <= 2:
        input = _reflected(input, n_fft // 2, pad_mode)
    shown = {"n_fft": n_fft, "hop_length": hop, "win_length": width, "window": window,
             "normalized": normalized, "onesided": onesided, "return_complex": return_complex,
             "align_to_window": align_to_window}  # fmt: skip
    if return_complex is None and not whole:
        raise RuntimeError(
            "stft requires the return_complex parameter be given for real inputs, and will further"
            " require that return_complex=True in a future PyTorch release."
        )
    _check_stft(input, shown, whole)
    if window is None:
        warn_once(_NO_WINDOW)
    if return_complex is False:
        warn_once(_NOT_COMPLEX)
    single = input._array.ndim == 1
    x = s.unsqueeze(input, 0) if single else input
    frames = a.windows(x, 1, n_fft, hop)
    if window is not None or width < n_fft:
        frames = frames * _framed_window(window, n_fft, width, input.dtype)
    half = not whole if onesided is None else onesided
    norm = "ortho" if normalized else None
    spectrum = fft.rfft(frames, norm=norm) if half else fft.fft(frames, norm=norm)
    spectrum = named(s.transpose(spectrum, 1, 2), "TransposeBackward1")
    result = named(s.squeeze(spectrum, (0,)), "SqueezeBackward4") if single else spectrum
    return result if return_complex or return_complex is None else view_as_real(result)


def _check_stft(input: Tensor, shown: dict[str, Any], whole: bool) -> None:
    said = _described("stft", input, shown, "torch.").replace("{}", "Tensor", 1)
    n_fft, hop, width = (shown[key] for key in ("n_fft", "hop_length", "win_length"))
    window = shown["window"]
    if input.dtype.category < dtypes.FLOAT:
        raise RuntimeError(f"{said} : expected a tensor of floating point or complex values")
    if input._array.ndim not in (1, 2):
        raise RuntimeError(f"{said} : expected a 1D or 2D tensor")
    length = input._array.shape[-1]
    if not 0 < n_fft <= length:
        raise RuntimeError(f"{said} : expected 0 < n_fft < {length}, but got n_fft={n_fft}")
    if hop <= 0:
        raise RuntimeError(f"{said} : expected hop_length > 0, but got hop_length={hop}")
    if not 0 < width <= n_fft:
        raise RuntimeError(f"{said} : expected 0 < win_length <= n_fft, but got win_length={width}")
    if window is not None and window._array.shape != (width,):
        raise RuntimeError(
            f"{said} : expected a 1D window tensor of size equal to win_length={width}, but got"
            f" window with size {list(window.shape)}"
        )
    if shown["onesided"] and whole:
        raise RuntimeError("Cannot have onesided output if window or input is complex")


def istft(
    input: Tensor, n_fft: int, hop_length: int | None = None, win_length: int | None = None,
    window: Any = None, center: bool = True, normalized: bool = False,
    onesided: bool | None = None, length: int | None = None, return_complex: bool = False,
) -> Tensor:  # fmt: skip
    """The signal of an `stft`: frames added where they overlap, over the sum of squared windows.

    Source: https://pytorch.org/docs/stable/generated/torch.istft.html

    >>> import rushlight as torch
    >>> x, window = torch.arange(8.0), torch.hann_window(4)
    >>> frames = torch.stft(x, 4, window=window, return_complex=True)
    >>> torch.istft(frames, 4, window=window, length=8).allclose(x, atol=1e-5)
    True
    """
    hop, width = n_fft // 4 if hop_length is None else hop_length, win_length or n_fft
    shown = {"n_fft": n_fft, "hop_length": hop, "win_length": width, "window": window,
             "center": center, "normalized": normalized, "onesided": onesided, "length": length,
             "return_complex": return_complex}  # fmt: skip
    said = _check_istft(input, shown)
    if window is None:
        warn_once(_NO_WINDOW_BACK)
    half = input._array.shape[-2] != n_fft if onesided is None else onesided
    single = input._array.ndim == 2
    x = s.transpose(s.unsqueeze(input, 0) if single else input, 1, 2)
    norm = "ortho" if normalized else None
    if return_complex:
        frames = fft.ifft(x, norm=norm)
    else:
        frames = fft.irfft(x if half else x[..., : n_fft // 2 + 1], n_fft, norm=norm)
    signal, envelope = _overlapped(
        frames, _framed_window(window, n_fft, width, input.dtype.to_real()), hop
    )
    total = signal._array.shape[1]
    start = n_fft // 2 if center else 0
    end = total - (n_fft // 2 if center else 0) if length is None else start + length
    signal, envelope = signal[:, start : min(end, total)], envelope[start : min(end, total)]
    if refuses(abs(envelope._array) <= 1e-11):
        raise RuntimeError(f"{said} window overlap add min: 1")
    signal = signal / envelope
    if end > total:
        signal = named(_embedded(signal, 0, end - start), "ConstantPadNdBackward0")
    return s.squeeze(signal, (0,)) if single else signal


def _overlapped(frames: Tensor, window: Tensor, hop: int) -> tuple[Tensor, Tensor]:
    """Windowed frames (batch, count, n_fft) added where they overlap, and the squared windows."""
    batch, count, n_fft = frames._array.shape
    total = n_fft + hop * (count - 1)
    signal = a.from_windows(frames * window, (batch, total), 1, n_fft, hop)
    squared = s.expand(s.reshape(window * window, (1, n_fft)), (count, n_fft))
    return signal, a.from_windows(squared, (total,), 0, n_fft, hop)


def _check_istft(input: Tensor, shown: dict[str, Any]) -> str:
    said = _described("istft", input, shown, "CPU").replace("{}", "Type", 1)
    if not input.dtype.is_complex:
        raise RuntimeError(
            "istft requires a complex-valued input tensor matching the output from stft with"
            " return_complex=True."
        )
    n_fft, hop, width = (shown[key] for key in ("n_fft", "hop_length", "win_length"))
    onesided, bins = shown["onesided"], input._array.shape[-2]
    if onesided is None:
        onesided = bins != n_fft
    if onesided and bins != n_fft // 2 + 1:
        raise RuntimeError(
            f"{said} : expected the frequency dimension (3rd to the last) of the input tensor to"
            f" match n_fft / 2 + 1 when onesided=True, but got {bins}"
        )
    if not onesided and bins != n_fft:
        raise RuntimeError(
            f"{said} : expected the frequency dimension (3rd to the last) of the input tensor to"
            f" match n_fft when onesided=False, but got {bins}"
        )
    if not 0 < hop <= width:
        raise RuntimeError(f"{said} : expected 0 < hop_length <= win_length")
    if not 0 < width <= n_fft:
        raise RuntimeError(f"{said} : expected 0 < win_length <= n_fft")
    if shown["window"] is not None and shown["window"]._array.shape != (width,):
        raise RuntimeError(
            f"{said} : Invalid window shape. window has to be 1D and length of `win_length`"
        )
    if shown["return_complex"] and onesided:
        raise RuntimeError("Cannot have onesided output if window or input is complex")
    return said
