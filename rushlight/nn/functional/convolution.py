"""Convolutions and transposed convolutions in one to three dimensions; unfold and fold."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import rushlight as rl

from ...core.shapes import is_one
from ...functions import neural as n
from ...functions.layouts import keep, lies_channels_last

__all__ = [
    "conv1d", "conv2d", "conv3d", "conv_tbc", "conv_transpose1d", "conv_transpose2d",
    "conv_transpose3d",
]  # fmt: skip

Tensor = rl.Tensor
Sizes = tuple[int, ...]


def tuple_of(value: Any, dims: int, name: str) -> Sizes:
    """One number per dimension, from a number or a sequence; torch's error for other lengths."""
    if is_one(value):
        return (int(value),) * dims
    found = tuple(int(one) for one in value)
    if len(found) == 1:
        return found * dims
    if len(found) != dims:
        raise RuntimeError(
            f"expected {name} to be a single integer value or a list of {dims} values to match the"
            f" convolution dimensions, but got {name}={list(found)}"
        )
    return found


def _usual(dims: int, input: Tensor, weight: Tensor, bias: Any, numbers: Any, groups: Any) -> Any:
    """Stride, padding and dilation as tuples, where no check has something to say; else None."""
    for one in numbers:
        if type(one) is not int and not (type(one) is tuple and all(type(i) is int for i in one)):
            return None
    a, b = input._array, weight._array
    own = None if bias is None else bias._array
    if type(groups) is not int or a.dtype is not b.dtype or a.dtype.kind == "c":
        return None
    if own is not None and own.dtype is not a.dtype:
        return None
    return _sound(dims, a.shape, b.shape, own if own is None else own.shape, *numbers, groups)


@lru_cache(512)
def _sound(
    dims: int, size: Sizes, kernels: Sizes, bias: Any, stride: Any, padding: Any, dilation: Any,
    groups: int,
) -> Any:  # fmt: skip
    steps = [(one,) * dims if type(one) is int else one for one in (stride, padding, dilation)]
    if not len(size) == len(kernels) == dims + 2 or any(len(one) != dims for one in steps):
        return None
    stride, padding, dilation = steps
    if min(*stride, *dilation, *kernels, groups, size[1]) < 1 or min(padding) < 0:
        return None
    if size[1] != kernels[1] * groups or kernels[0] % groups or bias not in (None, kernels[:1]):
        return None
    reach = zip(size[2:], kernels[2:], padding, dilation)
    fits = all(d * (k - 1) + 1 <= i + 2 * p for i, k, p, d in reach)
    return (stride, padding, dilation) if fits else None


def _check_rank(
    input: Tensor, weight: Tensor, dims: int, name: str, stride: Any, padding: Any
) -> None:
    if input.ndim not in (dims + 1, dims + 2):
        raise RuntimeError(
            f"Expected {dims + 1}D (unbatched) or {dims + 2}D (batched) input to {name}, but got"
            " input"
            f" of size: {list(input.shape)}"
        )
    if weight.ndim < 3:
        raise RuntimeError("weight should have at least three dimensions")
    if weight.ndim != dims + 2 and padding == "same":
        size = [1] * (dims + 2 - input.ndim) + list(input.shape)
        raise RuntimeError(
            f"Expected {weight.ndim}-dimensional input for {weight.ndim}-dimensional"
            f" weight{list(weight.shape)}, but got {len(size)}-dimensional input of size {size}"
            " instead"
        )
    if weight.ndim != dims + 2:
        raise RuntimeError(
            f"expected stride to be a single integer value or a list of {weight.ndim - 2} values to"
            " match the convolution dimensions, but got"
            f" stride={list(tuple_of(stride, dims, 'stride'))}"
        )


def _check_types(input: Tensor, weight: Tensor, bias: Any) -> None:
    if bias is not None and bias.dtype is not input.dtype:
        a, b = (
            n.c_name(x._array).replace("complexdouble", "c10::complex<double>")
            .replace("complexfloat", "c10::complex<float>") for x in (input, bias)
        )  # fmt: skip
        error = RuntimeError(f"Input type ({a}) and bias type ({b}) should be the same")
        wish = ".float()" if bias.dtype is rl.float32 else f".to({bias.dtype})"
        error.add_note(f"the input is {input.dtype}, the layer {bias.dtype}: convert by x{wish}")
        raise error
    image = "uint8 image: x.float() / 255" if input.dtype is rl.uint8 else (
        f"convert the input with x.to({weight.dtype})")  # fmt: skip
    n.same_type(input, weight, image)


def _check_numbers(stride: Sizes, padding: Sizes, dilation: Sizes, groups: int) -> None:
    if min(padding) < 0:
        raise RuntimeError("negative padding is not supported")
    if min(stride) <= 0:
        raise RuntimeError("non-positive stride is not supported")
    _check_dilation(dilation)
    if groups <= 0:
        raise RuntimeError("non-positive groups is not supported")


def _check_dilation(dilation: Sizes) -> None:
    if min(dilation) < 0:
        raise RuntimeError("dilation should be greater than zero")
    if min(dilation) == 0:
        raise RuntimeError("non-positive dilation is not supported")


def _check_kernel(kernel: Sizes) -> None:
    if min(kernel, default=1) > 0:
        return
    tall = [1, *kernel] if len(kernel) == 1 else list(kernel)
    said = f"kernel_height: {tall[0]} kernel_width: {tall[1]}" if len(tall) == 2 else (
        f": {' x '.join(map(str, tall))} (TxHxW)")  # fmt: skip
    raise RuntimeError(
        f"kernel size should be greater than zero, but got{' ' * (len(tall) == 2)}{said}"
    )


def _check_bias(weight: Tensor, bias: Any, channels: int, start: str) -> None:
    if bias is not None and tuple(bias.shape) != (channels,):
        raise RuntimeError(
            f"{start}weight of size {list(weight.shape)}, expected bias to be 1-dimensional with"
            f" {channels} elements, but got bias of size {list(bias.shape)} instead"
        )


def _check_groups(size: list[int], groups: int) -> None:
    if size[0] < groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be at least {groups} at dimension 0, but"
            f" got weight of size {size} instead"
        )


def _check_channels(input: Tensor, weight: Tensor, bias: Any, groups: int) -> None:
    size, found = list(weight.shape), input.shape[1]
    _check_groups(size, groups)
    if size[0] % groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0,"
            " but"
            f" got weight of size [{size}] instead"
        )
    if found != size[1] * groups:
        error = RuntimeError(
            f"Given groups={groups}, weight of size {size}, expected input{list(input.shape)} to"
            " have"
            f" {size[1] * groups} channels, but got {found} channels instead"
        )
        for note in _where_channels_are(list(input.shape), size[1] * groups):
            error.add_note(note)
        raise error
    _check_bias(weight, bias, size[0], "Given ")


def _where_channels_are(shape: list[int], wanted: int) -> list[str]:
    """What to do about a batch whose second size is not the number of channels."""
    last = len(shape) - 1
    notes = []
    if shape[1] == 1 and wanted == 3:
        notes.append("grey image? Use in_channels=1, or x.expand(-1, 3, -1, -1)")
    if shape[last] == wanted:
        order = ", ".join(map(str, (0, last, *range(1, last))))
        notes.append(f"channels stand second: if they are last here, x.permute({order})")
    if shape[0] == wanted == 1:  # pictures in a row were taken for the channels of one picture
        notes.append("a batch without channels? x.unsqueeze(1) gives it one")
    return notes


def _times(sizes: Any) -> str:
    return "(" + " x ".join(map(str, sizes)) + ")"


def _check_reach(size: Sizes, kernel: Sizes, padding: Sizes, dilation: Sizes) -> None:
    room = tuple(i + 2 * p for i, p in zip(size, padding))
    reach = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation))
    if any(r > i for r, i in zip(reach, room)):
        error = RuntimeError(
            f"Calculated padded input size per channel: {_times(room)}. Kernel size:"
            f" {_times(reach)}."
            " Kernel size can't be greater than actual input size"
        )
        error.add_note(f"the input is {_times(size)} before padding")
        error.add_note("take a smaller kernel, or more padding")
        raise error


def _unbatched(function: Any) -> Any:
    """Let (C, ...) pass as a batch of one."""

    def wrapped(dims: int, input: Tensor, *rest: Any) -> Tensor:
        if input.ndim == dims + 1:
            return function(dims, input.unsqueeze(0), *rest).squeeze(0)
        return function(dims, input, *rest)

    return wrapped


def _same_padding(
    input: Tensor, kernel: Sizes, stride: Sizes, dilation: Sizes
) -> tuple[Tensor, Sizes]:
    """The padding that keeps sizes; where it is uneven, the input padded by one more at the end."""
    if any(s != 1 for s in stride):
        raise RuntimeError("padding='same' is not supported for strided convolutions")
    total = tuple(d * (k - 1) for k, d in zip(kernel, dilation))
    if any(t % 2 for t in total):
        ends = [part for t in reversed(total) for part in (0, t % 2)]
        input = rl.nn.functional.pad(input, ends)
    return input, tuple(t // 2 for t in total)


@_unbatched
def _convolve(
    dims: int, input: Tensor, weight: Tensor, bias: Any, stride: Any, padding: Any,
    dilation: Any, groups: int,
) -> Tensor:  # fmt: skip
    stride, dilation = tuple_of(stride, dims, "stride"), tuple_of(dilation, dims, "dilation")
    kernel = tuple(weight.shape[2:])
    if padding == "same":
        _check_dilation(dilation)
        input, padding = _same_padding(input, kernel, stride, dilation)
    elif padding == "valid":
        padding = (0,) * dims
    elif isinstance(padding, str):
        raise RuntimeError(f"Invalid padding string: '{padding}'")
    else:
        padding = tuple_of(padding, dims, "padding")
    _check_numbers(stride, padding, dilation, groups)
    _check_channels(input, weight, bias, groups)
    _check_reach(tuple(input.shape[2:]), kernel, padding, dilation)
    _check_kernel(kernel)
    _check_types(input, weight, bias)
    if not input.shape[1]:
        return _of_nothing(input, weight, bias, stride, padding, dilation)
    if bias is None:
        y = n.convolution(input, weight, stride, padding, dilation, groups)
    else:
        y = n.convolution_bias(input, weight, bias, stride, padding, dilation, groups)
    # torch makes a complex one of three real ones
    return n.named(y, "AddBackward0") if y.dtype.is_complex else y


def _of_nothing(
    input: Tensor, weight: Tensor, bias: Any, stride: Sizes, padding: Sizes, dilation: Sizes
) -> Tensor:
    """Images without channels give such images, whatever the weight and bias, as torch's do."""
    size = tuple(
        (i + 2 * p - d * (k - 1) - 1) // s + 1
        for i, p, d, k, s in zip(input.shape[2:], padding, dilation, weight.shape[2:], stride)
    )
    return _empty(input, weight, bias, (input.shape[0], 0, *size))


def _empty(input: Tensor, weight: Tensor, bias: Any, shape: Sizes) -> Tensor:
    """A result without elements, that hands gradients of zeros on."""
    zero = input.sum() + weight.sum()
    if bias is not None:
        zero = zero + bias.sum()
    return n.named(zero.expand(shape).clone(), "ConvolutionBackward0")


def _checked(
    function: Any, dims: int, name: str, input: Tensor, weight: Tensor, bias: Any, *rest: Any
) -> Tensor:
    usual = None
    if function is _convolve and input._array.flags.c_contiguous:
        usual = _usual(dims, input, weight, bias, rest[:3], rest[3])
    if usual is not None:
        if bias is None:
            return n.convolution(input, weight, *usual, rest[3])
        return n.convolution_bias(input, weight, bias, *usual, rest[3])
    _check_rank(input, weight, dims, name, rest[0], rest[1])
    if not input._array.flags.c_contiguous and lies_channels_last(input._array) and keep():
        return getattr(rl.nn.functional, name)(input, weight, bias, *rest)  # which keeps it now
    return function(dims, input, weight, bias, *rest)


def conv1d(
    input: Tensor, weight: Tensor, bias: Any = None, stride: Any = 1, padding: Any = 0,
    dilation: Any = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """Cross-correlation along one dimension.

    Shapes: input (N, C, L) or (C, L), weight (O, C / groups, K), bias (O).
    `padding` is a number, "same" or "valid". Raises: RuntimeError for channels that do not fit.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.conv1d.html

    >>> import rushlight as torch
    >>> torch.conv1d(torch.ones(1, 1, 4), torch.ones(1, 1, 2))
    tensor([[[2., 2., 2.]]])
    """
    return _checked(_convolve, 1, "conv1d", input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Tensor, weight: Tensor, bias: Any = None, stride: Any = 1, padding: Any = 0,
    dilation: Any = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """Cross-correlation of images with a bank of kernels.

    y[n, o, i, j] = b[o] + sum over c, u, v of x[n, c, i s + u d - p, j s + v d - p] w[o, c, u, v]

    Shapes: input (N, C, H, W) or (C, H, W), weight (O, C / groups, KH, KW), bias (O). `padding` is
    a number per dimension, "same" or "valid". Raises RuntimeError naming channels or sizes that do
    not fit.
    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.conv2d.html

    >>> import rushlight as torch
    >>> x, w = torch.ones(1, 1, 3, 3), torch.ones(1, 1, 2, 2)
    >>> torch.nn.functional.conv2d(x, w, stride=2)
    tensor([[[[4.]]]])
    """
    return _checked(_convolve, 2, "conv2d", input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: Tensor, weight: Tensor, bias: Any = None, stride: Any = 1, padding: Any = 0,
    dilation: Any = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """Cross-correlation of volumes (N, C, D, H, W) with kernels (O, C / groups, KD, KH, KW).

    Args: bias (O,); stride, padding and dilation, one number or three; padding also "valid" or
        "same".
    Raises: RuntimeError for sizes that do not fit.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.conv3d.html

    >>> import rushlight as torch
    >>> torch.conv3d(torch.ones(1, 1, 4, 4, 4), torch.ones(2, 1, 3, 3, 3)).shape
    torch.Size([1, 2, 2, 2, 2])
    """
    return _checked(_convolve, 3, "conv3d", input, weight, bias, stride, padding, dilation, groups)


def _check_transposed(
    input: Tensor, weight: Tensor, bias: Any, stride: Sizes, dilation: Sizes, extra: Sizes,
    groups: int,
) -> None:  # fmt: skip
    size, found = list(weight.shape), input.shape[1]
    _check_groups(size, groups)
    if found != size[0]:
        raise RuntimeError(
            f"Given transposed=1, weight of size {size}, expected input{list(input.shape)} to have"
            f" {size[0]} channels, but got {found} channels instead"
        )
    _check_bias(weight, bias, size[1] * groups, "Given transposed=1, ")
    if any(e >= s and e >= d for e, s, d in zip(extra, stride, dilation)):
        names = ("depth", "height", "width")[-len(extra) :] if len(extra) > 1 else ("width",)
        listed = " ".join(
            f"{label}_{name}: {value}"
            for label, values in (
                ("output_padding", extra),
                ("stride", stride),
                ("dilation", dilation),
            )
            for name, value in zip(names, values)
        )
        raise RuntimeError(
            f"output padding must be smaller than either stride or dilation, but got {listed}"
        )


@_unbatched
def _transposed(
    dims: int, input: Tensor, weight: Tensor, bias: Any, stride: Any, padding: Any,
    output_padding: Any, groups: int, dilation: Any,
) -> Tensor:  # fmt: skip
    stride, dilation = tuple_of(stride, dims, "stride"), tuple_of(dilation, dims, "dilation")
    padding = tuple_of(padding, dims, "padding")
    extra = tuple_of(output_padding, dims, "output_padding")
    _check_numbers(stride, padding, dilation, groups)
    _check_transposed(input, weight, bias, stride, dilation, extra, groups)
    _check_kernel(tuple(weight.shape[2:]))
    _check_types(input, weight, bias)
    if 0 in input.shape[2:] and input.shape[0]:
        raise RuntimeError(
            "Only zero batch or zero channel inputs are supported, but got input shape:"
            f" {list(input.shape)}"
        )
    size = tuple(
        (i - 1) * s - 2 * p + d * (k - 1) + e + 1
        for i, s, p, d, k, e in zip(
            input.shape[2:], stride, padding, dilation, weight.shape[2:], extra
        )
    )
    if min(size) <= 0 and input.shape[0]:
        raise RuntimeError(
            f"Given input size per channel: {_times(input.shape[2:])}. Calculated output size per"
            f" channel: {_times(size)}. Output size is too small"
        )
    if 0 in input.shape[2:]:
        return _empty(input, weight, bias, (0, weight.shape[1] * groups, *size))
    if not weight.shape[1]:
        flat = list(weight.shape) if dims > 1 else [*weight.shape[:2], 1, *weight.shape[2:]]
        raise RuntimeError(f"non-empty 2D or 4D weight tensor expected, but got: {flat}")
    y = n.convolution_data(input, weight, size, stride, padding, dilation, groups)
    y = y if bias is None else y + bias.reshape(-1, *(1,) * dims)
    return n.named(y, "AddBackward0" if y.dtype.is_complex else "ConvolutionBackward0")


def conv_transpose1d(
    input: Tensor, weight: Tensor, bias: Any = None, stride: Any = 1, padding: Any = 0,
    output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
) -> Tensor:  # fmt: skip
    """The adjoint of `conv1d`: input (N, C, L), weight (C, O / groups, K).

    Args: bias (O,); output_padding, how much longer the result is on one side.
    Shapes: L to (L - 1) stride - 2 padding + dilation (K - 1) + output_padding + 1.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.conv_transpose1d.html

    >>> import rushlight as torch
    >>> x, w = torch.tensor([[[1.0, 2.0]]]), torch.tensor([[[1.0, 10.0]]])
    >>> torch.nn.functional.conv_transpose1d(x, w, stride=2)
    tensor([[[ 1., 10.,  2., 20.]]])
    """
    return _checked(_transposed, 1, "conv_transpose1d", input, weight, bias, stride, padding,
                    output_padding, groups, dilation)  # fmt: skip


def conv_transpose2d(
    input: Tensor, weight: Tensor, bias: Any = None, stride: Any = 1, padding: Any = 0,
    output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
) -> Tensor:  # fmt: skip
    """The adjoint of `conv2d`: input (N, C, H, W), weight (C, O / groups, KH, KW).

    Also without N. Height: (H - 1) stride - 2 padding + dilation (KH - 1) + output_padding + 1, and
    so the width. Raises: RuntimeError for another number of channels.

    >>> import rushlight as torch
    >>> x, w = torch.ones(1, 1, 1, 1), torch.ones(1, 1, 2, 2)
    >>> torch.nn.functional.conv_transpose2d(x, w).shape
    torch.Size([1, 1, 2, 2])
    """
    return _checked(_transposed, 2, "conv_transpose2d", input, weight, bias, stride, padding,
                    output_padding, groups, dilation)  # fmt: skip


def conv_transpose3d(
    input: Tensor, weight: Tensor, bias: Any = None, stride: Any = 1, padding: Any = 0,
    output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
) -> Tensor:  # fmt: skip
    """The adjoint of `conv3d`: input (N, C, D, H, W), weight (C, O / groups, KD, KH, KW).

    Arguments are those of `conv_transpose1d`. Raises: RuntimeError for channels that do not fit.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.conv_transpose3d.html

    >>> import rushlight as torch
    >>> x, w = torch.ones(1, 2, 4, 4, 4), torch.ones(2, 3, 2, 2, 2)
    >>> torch.nn.functional.conv_transpose3d(x, w, stride=2).shape
    torch.Size([1, 3, 8, 8, 8])
    """
    return _checked(_transposed, 3, "conv_transpose3d", input, weight, bias, stride, padding,
                    output_padding, groups, dilation)  # fmt: skip


def conv_tbc(input: Tensor, weight: Tensor, bias: Tensor, pad: int = 0) -> Tensor:
    """`conv1d` on (time, batch, channels) with a weight (K, C, O).

    Args: bias (O,); pad, zeros before and after. Shapes: (T, B, C) to (T + 2 pad - K + 1, B, O).

    >>> import rushlight as torch
    >>> torch.conv_tbc(torch.ones(5, 2, 3), torch.ones(2, 3, 4), torch.zeros(4)).shape
    torch.Size([4, 2, 4])
    """
    y = conv1d(input.permute(1, 2, 0), weight.permute(2, 1, 0), bias, padding=pad)
    return y.permute(2, 0, 1)
