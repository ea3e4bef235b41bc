"""Padding, and the moves of elements between channels and places."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from ...core.numbers import held
from ...functions import neural as n

__all__ = [
    "channel_shuffle", "native_channel_shuffle", "pad", "pixel_shuffle", "pixel_unshuffle",
]  # fmt: skip

Tensor = rl.Tensor


def _check_ends(input: Tensor, pad: list[int]) -> None:
    if len(pad) % 2:
        raise RuntimeError("Padding length must be divisible by 2")
    if len(pad) // 2 > input._array.ndim:
        raise RuntimeError(
            "Padding length should be less than or equal to two times the input dimension but got"
            f" padding length {len(pad)} and input of dimension {input.ndim}"
        )


def _filling(input: Tensor, value: Any) -> Any:
    if isinstance(value, complex):
        raise TypeError("pad(): argument 'value' (position 4) must be float, not complex")
    return value if input.dtype is rl.bool else float(value)


def constant(input: Tensor, pad: Any, value: complex) -> Tensor:
    """The last dimensions made longer with a number, or shorter, as `pad` tells."""
    ends = [int(one) for one in pad]
    _check_ends(input, ends)
    return _constant(input, ends, held(value, input._array.dtype))


def _constant(input: Tensor, pad: list[int], value: float) -> Tensor:
    sizes = input._array.shape
    ends = [(0, 0)] * len(sizes)
    for place in range(len(pad) // 2):
        ends[-1 - place] = (pad[2 * place], pad[2 * place + 1])
    for dim, (low, high) in enumerate(ends):
        size = sizes[dim]
        if (low < 0 or high < 0) and (
            size + low + high < 0 or size + min(low, 0) + min(high, 0) < 0
        ):
            error = RuntimeError("narrow(): length must be non-negative.")
            error.add_note(f"dimension {dim} has size {size}, its padding is {low} and {high}")
            raise error
    return n.pad_constant(input, tuple(ends), value)


def _check_source(input: Tensor, pad: list[int], mode: str) -> None:
    dims = len(pad) // 2
    if dims > input.ndim:
        _check_ends(input, pad)
    if input.ndim not in (dims + 1, dims + 2) or not 1 <= dims <= 3:
        raise NotImplementedError(
            f"Padding size {len(pad)} is not supported for {input.ndim}D input tensor."
        )
    sizes = input.shape[input.ndim - dims - 1 :]
    if mode != "circular" and 0 in sizes:
        raise RuntimeError(
            f"Expected {dims + 1}D or {dims + 2}D (batch mode) tensor with possibly 0 batch size"
            f" and other non-zero dimensions for input, but got: {list(input.shape)}"
        )
    for place in range(dims):
        low, high = pad[2 * place : 2 * place + 2]
        dim = input.ndim - 1 - place
        size = input.shape[dim]
        if mode == "reflect" and (low >= size or high >= size):
            argument = 4 + 2 * place
            raise RuntimeError(
                f"Argument #{argument}: Padding size should be less than the corresponding input"
                f" dimension, but got: padding ({low}, {high}) at dimension {dim} of input"
                f" {list(input.shape)}"
            )
        if mode == "circular" and (low > size or high > size):
            raise RuntimeError("Padding value causes wrapping around more than once.")
        if size + low + high < 1:
            raise RuntimeError(
                f"input (W: {size}) is too small. Calculated output W: {size + low + high}"
            )


def _node(mode: str, dims: int) -> str:
    kinds = {"reflect": "ReflectionPad", "replicate": "ReplicationPad"}
    return f"{kinds[mode]}{dims}DBackward0" if mode in kinds else "CopySlices"


def pad(input: Tensor, pad: Any, mode: str = "constant", value: float | None = None) -> Tensor:
    """The last dimensions made longer: `pad` lists (before, after), the last dimension first.

    `mode` is "constant" (with `value`), "reflect", "replicate" or "circular"; negative numbers cut.

    >>> import rushlight as torch
    >>> torch.nn.functional.pad(torch.tensor([[1.0, 2.0]]), (1, 1), mode="replicate")
    tensor([[1., 1., 2., 2.]])
    """
    if mode not in ("constant", "reflect", "replicate", "circular"):
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    if mode == "constant":
        return constant(input, pad, 0 if value is None else _filling(input, value))
    ends = [int(one) for one in pad]
    if value is not None and value != 0:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    if len(ends) % 2:
        raise RuntimeError("Padding length must be divisible by 2")
    _check_source(input, ends, mode)
    if mode != "circular":
        kernel = "reflection" if mode == "reflect" else "replication"
        n.refuse(input, "bool", f"{kernel}_pad{len(ends) // 2}d")
    for place in range(len(ends) // 2):
        low, high = ends[2 * place : 2 * place + 2]
        if low or high:
            dim = input.ndim - 1 - place
            sources = n.padding_places(input.shape[dim], low, high, mode)
            input = n.take_slices(input, dim, sources)
    if not any(ends):
        return input.clone()
    return n.named(input, _node(mode, len(ends) // 2))


def _check_image(name: str, input: Tensor, factor: str, value: int) -> None:
    if input.ndim < 3:
        raise RuntimeError(
            f"{name} expects input to have at least 3 dimensions, but got input with"
            f" {input.ndim} dimension(s)"
        )
    if value <= 0:
        raise RuntimeError(f"{name} expects a positive {factor}, but got {value}")


@n.goes_by("PixelShuffleBackward0")
def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """(*, C r^2, H, W) to (*, C, H r, W r).

    Raises: RuntimeError where r^2 does not divide the channels.
    Source: Shi et al. 2016, https://arxiv.org/abs/1609.05158

    >>> import rushlight as torch
    >>> torch.pixel_shuffle(torch.zeros(1, 8, 2, 2), 2).shape
    torch.Size([1, 2, 4, 4])
    """
    _check_image("pixel_shuffle", input, "upscale_factor", upscale_factor)
    r = upscale_factor
    *lead, channels, height, width = input.shape
    if channels % (r * r):
        raise RuntimeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of"
            f" upscale_factor, but input.size(-3)={channels} is not divisible by {r * r}"
        )
    k = len(lead)
    y = input.reshape(*lead, channels // (r * r), r, r, height, width)
    y = y.permute(*range(k), k, k + 3, k + 1, k + 4, k + 2)
    return y.reshape(*lead, channels // (r * r), height * r, width * r)


@n.goes_by("PixelUnshuffleBackward0")
def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """(*, C, H r, W r) to (*, C r^2, H, W): the inverse of `pixel_shuffle`.

    Raises: RuntimeError where r does not divide height and width. Source: as of `pixel_shuffle`.

    >>> import rushlight as torch
    >>> torch.nn.functional.pixel_unshuffle(torch.zeros(1, 1, 4, 6), 2).shape
    torch.Size([1, 4, 2, 3])
    """
    _check_image("pixel_unshuffle", input, "downscale_factor", downscale_factor)
    r = downscale_factor
    *lead, channels, height, width = input.shape
    for name, dim, size in (("height", -2, height), ("width", -1, width)):
        if size % r:
            raise RuntimeError(
                f"pixel_unshuffle expects {name} to be divisible by downscale_factor, but"
                f" input.size({dim})={size} is not divisible by {r}"
            )
    k = len(lead)
    y = input.reshape(*lead, channels, height // r, r, width // r, r)
    y = y.permute(*range(k), k, k + 2, k + 4, k + 1, k + 3)
    return y.reshape(*lead, channels * r * r, height // r, width // r)


@n.goes_by("ChannelShuffleBackward0")
def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Channels dealt out anew, one from each group in turn.

    Shapes: (N, C, *) to the same. Raises: RuntimeError where `groups` does not divide C or is below
        1.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ChannelShuffle.html

    >>> import rushlight as torch
    >>> torch.nn.functional.channel_shuffle(torch.arange(4.0).reshape(1, 4, 1, 1), 2).flatten()
    tensor([0., 2., 1., 3.])
    """
    if input.ndim <= 2:
        raise RuntimeError(
            "channel_shuffle expects input with > 2 dims, but got input with sizes"
            f" {list(input.shape)}"
        )
    if groups <= 0:
        raise RuntimeError(
            f"Number of groups to divide channels in must be positive. Value of groups:{groups}"
        )
    batch, channels, *rest = input.shape
    if channels % groups:
        raise RuntimeError(
            f"Number of channels must be divisible by groups. Got {channels} channels and {groups}"
            " groups."
        )
    y = input.reshape(batch, groups, channels // groups, *rest).transpose(1, 2)
    return y.reshape(batch, channels, *rest)


def native_channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """`channel_shuffle` under its other name.

    >>> import rushlight as torch
    >>> torch.native_channel_shuffle(torch.arange(4.0).view(1, 4, 1, 1), 2).flatten()
    tensor([0., 2., 1., 3.])
    """
    return channel_shuffle(input, groups)
