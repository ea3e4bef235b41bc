"""Patches of images as columns, and back."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from ...functions import neural as n
from .convolution import tuple_of

__all__ = [
    "fold", "unfold",
]  # fmt: skip

Tensor = rl.Tensor
Sizes = tuple[int, ...]


def _patch_numbers(kernel: Any, dilation: Any, padding: Any, stride: Any) -> tuple[Sizes, ...]:
    found = tuple(
        tuple_of(value, 2, name)
        for name, value in (("kernel_size", kernel), ("dilation", dilation), ("padding", padding),
                            ("stride", stride))
    )  # fmt: skip
    for name, value in zip(("kernel size", "dilation", "", "stride"), found):
        if name and min(value) <= 0:
            short = name.split()[0]
            raise RuntimeError(
                f"{name} should be greater than zero, but got {short}_height: {value[0]}"
                f" {short}_width: {value[1]}"
            )
    if min(found[2]) < 0:
        raise RuntimeError(
            f"padding should be non-negative, but got padding_height: {found[2][0]} padding_width:"
            f" {found[2][1]}"
        )
    return found


def unfold(
    input: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Tensor:
    """Every patch of (N, C, H, W) as a column: (N, C * kernel, patches).

    Args: one number or two each. Shapes: (C, H, W) too. Raises: RuntimeError for other dimensions,
    or a kernel that is too large.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.unfold.html

    >>> import rushlight as torch
    >>> torch.nn.functional.unfold(torch.ones(1, 1, 3, 3), 2).shape
    torch.Size([1, 4, 4])
    """
    if input.ndim == 1:
        raise IndexError("Dimension out of range (expected to be in range of [-1, 0], but got 1)")
    if input.ndim not in (3, 4) or 0 in input.shape[-3:]:
        raise RuntimeError(
            "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero"
            f" dimensions for input, but got: {list(input.shape)}"
        )
    kernel, spacing, pad, step = _patch_numbers(kernel_size, dilation, padding, stride)
    size = tuple(input.shape[-2:])
    blocks = n.output_size(size, kernel, step, pad, spacing)
    if min(blocks) < 1:
        raise RuntimeError(
            f"Given input with spatial size {size}, kernel_size={kernel}, dilation={spacing},"
            f" padding={pad}, calculated shape of the array of sliding blocks as {blocks}, but its"
            " components must be at least one."
        )
    if input.ndim == 3:
        return n.unfold(input.unsqueeze(0), kernel, step, pad, spacing).squeeze(0)
    return n.unfold(input, kernel, step, pad, spacing)


def fold(
    input: Tensor, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0,
    stride: Any = 1,
) -> Tensor:  # fmt: skip
    """Columns of patches summed into an image: the adjoint of `unfold`.

    Args: output_size, kernel_size, dilation, padding, stride, one number or two each.
    Shapes: (N, C kh kw, L) or (C kh kw, L) to (N, C, *output_size), L the number of windows.
    Raises: RuntimeError for columns that do not fit.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.fold.html

    >>> import rushlight as torch
    >>> torch.nn.functional.fold(torch.ones(1, 4, 4), (3, 3), (2, 2))[0, 0, 1]
    tensor([2., 4., 2.])
    """
    if input.ndim not in (2, 3) or 0 in input.shape[-2:]:
        raise RuntimeError(
            "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and"
            " non-zero"
            f" dimensions for input, but got: {list(input.shape)}"
        )
    kernel, spacing, pad, step = _patch_numbers(kernel_size, dilation, padding, stride)
    size = tuple_of(output_size, 2, "output_size")
    _check_columns(input, size, kernel, spacing, pad, step)
    if input.ndim == 2:
        return n.fold(input.unsqueeze(0), size, kernel, step, pad, spacing).squeeze(0)
    return n.fold(input, size, kernel, step, pad, spacing)


def _check_columns(
    input: Tensor, size: Sizes, kernel: Sizes, spacing: Sizes, pad: Sizes, step: Sizes
) -> None:
    first = input.ndim - 2
    rows, columns = input.shape[-2:]
    if rows % (kernel[0] * kernel[1]):
        raise RuntimeError(
            f"Expected size of input's dimension {first} to be divisible by the product of"
            f" kernel_size, but got input.size({first})={rows} and kernel_size={kernel}."
        )
    blocks = n.output_size(size, kernel, step, pad, spacing)
    if blocks[0] * blocks[1] != columns:
        raise RuntimeError(
            f"Given output_size={size}, kernel_size={kernel}, dilation={spacing}, padding={pad},"
            f" stride={step}, expected size of input's dimension {first + 1} to match the"
            " calculated"
            f" number of sliding blocks {blocks[0]} * {blocks[1]} = {blocks[0] * blocks[1]}, but"
            " got"
            f" input.size({first + 1})={columns}."
        )
