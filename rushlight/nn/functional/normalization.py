"""Batch, layer, group, instance, root-mean-square and local response normalisation."""

from __future__ import annotations

from functools import lru_cache
from math import inf, prod
from typing import Any

import rushlight as rl

from ...core.errors import fail
from ...functions import neural as n

__all__ = [
    "batch_norm", "group_norm", "instance_norm", "layer_norm", "local_response_norm",
    "normalize", "rms_norm",
]  # fmt: skip

Tensor = rl.Tensor


def _check_channels(channels: int, **named: Any) -> None:
    """torch's error for parameters of another size."""
    for name, x in named.items():
        if x is not None and x._array.size != channels:
            raise fail(
                RuntimeError,
                f"{name} should contain {channels} elements not {x.numel()}",
                f"the input has {channels} channels, in its second dimension; the layer was made"
                f" for {x.numel()}",
            )


def _fits_channels(input: Tensor, shape: tuple[int, ...], *params: Any) -> bool:
    """Whether all parameters have this shape and the input's type, as nearly always."""
    kind = input._array.dtype
    for x in params:
        if x is not None and (x._array.dtype is not kind or x._array.shape != shape):
            return False
    return True


def _check_many(input: Tensor) -> None:
    size = input._array.shape
    if input._array.size == (max(size[1], 1) if len(size) > 1 else 1):
        size = input.shape
        error = ValueError(
            f"Expected more than 1 value per channel when training, got input size {size}"
        )
        error.add_note(
            "a batch of one? DataLoader(..., drop_last=True) leaves out a short last batch"
        )
        raise error


@lru_cache(64)
def _all_but_second(ndim: int) -> tuple[int, ...]:
    return (0, *range(2, ndim))


@lru_cache(256)
def _last(count: int, ndim: int) -> tuple[int, ...]:
    """The last so many dimensions."""
    return tuple(range(ndim - count, ndim))


def _same_type(input: Tensor, *params: Any) -> None:
    """torch's errors for parameters of another type than the input's, in torch's order."""
    kind = input._array.dtype
    for one in params:
        if one is not None and one._array.dtype is not kind:
            _check_mixed(input, [one for one in params if one is not None])
            return


def _check_mixed(input: Tensor, params: list[Any]) -> None:
    """Beside halves all parameters may be float32; the first says whether they are to be."""
    if params[0].dtype is not input.dtype:
        if any(one.dtype is not rl.float32 for one in params):
            raise RuntimeError("mixed dtype (CPU): expect parameter to have scalar type of Float")
        if input.dtype not in (rl.float16, rl.bfloat16):
            raise RuntimeError("mixed dtype (CPU): all inputs must share same datatype.")
        return
    for one in params:
        if one.dtype is not input.dtype:
            raise RuntimeError(
                f"expected scalar type {n.type_name(input)} but found {n.type_name(one)}"
            )


def batch_norm(
    input: Tensor, running_mean: Any, running_var: Any, weight: Any = None, bias: Any = None,
    training: bool = False, momentum: float | None = 0.1, eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """Each channel to mean 0 and variance 1 over the batch, then scaled and shifted.

    Shapes: input (N, C) or (N, C, *), the rest (C). In training the batch's own statistics are used
    and the running ones updated in place (with the unbiased variance). Raises ValueError for a
    single value per channel in training.
    Source: Ioffe and Szegedy 2015, https://arxiv.org/abs/1502.03167

    >>> import rushlight as torch
    >>> torch.nn.functional.batch_norm(torch.tensor([[1.0], [3.0]]), None, None, training=True)
    tensor([[-1.0000],
            [ 1.0000]])
    """
    if training and (running_mean is None) is not (running_var is None):
        raise ValueError("running_mean and running_var must either both be None or neither be None")
    if eps < 0 or (training and eps == 0):
        wanted = "positive during training" if training else "non-negative"
        raise ValueError(f"batch_norm eps must be {wanted}, but got {eps}")
    if training and input._array.ndim:
        _check_many(input)
    return native_batch_norm(
        input, running_mean, running_var, weight, bias, training, momentum, eps
    )


def native_batch_norm(
    input: Tensor, running_mean: Any, running_var: Any, weight: Any, bias: Any, training: bool,
    momentum: float | None, eps: float,
) -> Tensor:  # fmt: skip
    """`batch_norm` without its checks of eps and of the number of values, as `torch.batch_norm`."""
    sizes = input._array.shape
    ndim = len(sizes)
    channels = sizes[1] if ndim > 1 else 0
    if not _fits_channels(input, (channels,), running_mean, running_var, weight, bias):
        _check_channels(
            channels, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias
        )
        n.refuse(input, "bool int uint8 complex", "batch_norm")
        _same_type(input, weight, bias, running_mean, running_var)
    shape = (1, channels) + (1,) * (ndim - 2)
    if ndim < 2 and (running_mean is not None or training):
        if input.numel():
            last = max(input.ndim, 1)
            raise IndexError(
                f"Dimension out of range (expected to be in range of [{-last}, {last - 1}], but"
                " got 1)"
            )
        return input.clone()
    if not training:
        return _with_running(input, running_mean, running_var, weight, bias, shape, eps)
    weight, bias = n.inner_view(weight, shape), n.inner_view(bias, shape)
    y, mean, variance = _of_channels(input, weight, bias, _all_but_second(ndim), eps)
    factor = 0.0 if momentum is None else momentum
    some = input._array.size > 0  # of nothing there are no statistics
    if running_mean is not None and some:
        n.update_running(running_mean, mean, factor)
    if running_var is not None and some:
        n.update_running(running_var, variance, factor, _unbiased(input._array.size // channels))
    return y


def _of_channels(
    input: Tensor, weight: Any, bias: Any, dims: tuple[int, ...], eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Standardised, with mean and variance; without eps what is constant becomes zeros."""
    if eps:
        return n.standardise(input, weight, bias, dims, eps)
    mean = input.mean(dims, keepdim=True)
    shifted = input - mean
    variance = (shifted * shifted).mean(dims, keepdim=True)
    y = shifted * inverse_root(variance)
    y = y if weight is None else y * weight
    y = y if bias is None else y + bias
    return n.whole(y, "NativeBatchNormBackward0"), mean.detach(), variance.detach()


def inverse_root(variance: Tensor) -> Tensor:
    """1 / sqrt(variance), and 0 where it is 0, as batches are normalised without eps."""
    constant = variance == 0
    return rl.where(constant, 0.0, rl.where(constant, 1.0, variance).rsqrt())


def _unbiased(count: int) -> float:
    """What makes a mean square of so many deviations an unbiased variance; of one none is."""
    return count / (count - 1) if count > 1 else inf


def _with_running(
    input: Tensor, mean: Any, variance: Any, weight: Any, bias: Any, shape: Any, eps: float
) -> Tensor:
    for name, x in (("running_mean", mean), ("running_var", variance)):
        if x is None:
            raise RuntimeError(f"{name} must be defined in evaluation mode")
    scale, shift = n.running_scale(mean, variance, weight, bias, eps)
    if scale.dtype is not input.dtype:
        scale, shift = scale.to(input.dtype), shift.to(input.dtype)
    return n.affine(input, n.inner_view(scale, shape), n.inner_view(shift, shape))


def _fits(input: Tensor, shape: tuple[int, ...], *params: Any) -> bool:
    """Whether nothing is to be said about a layer's shapes and types, as nearly always."""
    a = input._array
    if not shape or a.shape[-len(shape) :] != shape:
        return False
    for x in params:
        if x is not None and (x._array.shape != shape or x._array.dtype is not a.dtype):
            return False
    return True


def _check_normalized(input: Tensor, shape: tuple[int, ...], root: bool, **params: Any) -> None:
    if not shape:
        raise RuntimeError(
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one"
            " element, but got normalized_shape = []"
        )
    for name, x in params.items():
        if x is not None and tuple(x.shape) != shape:
            raise RuntimeError(
                f"Expected {name} to be of same shape as normalized_shape, but got {name} of shape"
                f" {list(x.shape)} and normalized_shape = {list(shape)}"
            )
    if tuple(input.shape[-len(shape) :]) != shape or input.ndim < len(shape):
        star = "*" if root else "*, "
        raise RuntimeError(
            f"Given normalized_shape={list(shape)}, expected input with shape"
            f" [{star}{', '.join(map(str, shape))}], but got input of size{list(input.shape)}"
        )


def _shape_of(name: str, normalized_shape: Any) -> tuple[int, ...]:
    if type(normalized_shape) is tuple:
        return normalized_shape
    if isinstance(normalized_shape, int):
        raise TypeError(
            f"{name}(): argument 'normalized_shape' (position 2) must be tuple of ints, not int"
        )
    return tuple(normalized_shape)


def layer_norm(
    input: Tensor, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Tensor:
    """The last dimensions of each element to mean 0 and variance 1, then scaled and shifted.

    Shapes: input (*, normalized_shape), weight and bias normalized_shape.
    Source: Ba, Kiros and Hinton 2016, https://arxiv.org/abs/1607.06450

    >>> import rushlight as torch
    >>> torch.nn.functional.layer_norm(torch.tensor([[1.0, 3.0]]), (2,))
    tensor([[-1.0000,  1.0000]])
    """
    shape = _shape_of("layer_norm", normalized_shape)
    if not _fits(input, shape, weight, bias):
        _check_normalized(input, shape, False, weight=weight, bias=bias)
        _same_type(input, weight, bias)
    dims = _last(len(shape), len(input._array.shape))
    return n.standardise.first(input, weight, bias, dims, eps)


def rms_norm(
    input: Tensor, normalized_shape: Any, weight: Any = None, eps: float | None = None
) -> Tensor:
    """x / sqrt(mean(x^2) + eps) over the last dimensions, times weight.

    Shapes: (*, normalized_shape) and the same. eps: the type's own if None.
    Raises: RuntimeError for other sizes.
    Source: Zhang and Sennrich 2019, https://arxiv.org/abs/1910.07467

    >>> import rushlight as torch
    >>> torch.rms_norm(torch.tensor([3.0, 4.0]), (2,))
    tensor([0.8485, 1.1314])
    """
    shape = _shape_of("rms_norm", normalized_shape)
    if not _fits(input, shape, weight):
        _check_normalized(input, shape, True, weight=weight)
    kind = input.dtype
    if kind.is_floating_point and kind.itemsize < 4:  # in float32, also its smallest step
        y = rms_norm(input.float(), shape, None if weight is None else weight.float(), eps)
        return y.to(kind)
    if eps is None:
        n.refuse(input, "bool int uint8", "rms_norm")
        eps = rl.finfo(kind).eps
    y = n.root_mean_square(input, _last(len(shape), len(input._array.shape)), eps)
    return n.named(y, "MulBackward0") if weight is None else y * weight


def group_norm(
    input: Tensor, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Tensor:
    """Groups of channels of each example to mean 0 and variance 1, then scaled per channel.

    Shapes: (N, C, *) and the same; weight and bias (C). eps: added to the variance.
    Raises: RuntimeError where the groups do not divide the channels, ValueError for a single value
    per group.
    Source: Wu and He 2018, https://arxiv.org/abs/1803.08494

    >>> import rushlight as torch
    >>> torch.nn.functional.group_norm(torch.ones(1, 4), 2)
    tensor([[0., 0., 0., 0.]])
    """
    listed = list(input._array.shape)
    if len(listed) < 2:
        raise RuntimeError(
            f"Expected at least 2 dimensions for input tensor but received {input.ndim}"
        )
    batch, channels, *places = listed
    room = prod(places)
    if batch * channels // num_groups * room == 1:
        raise ValueError(
            f"Expected more than 1 value per channel when training, got input size {listed}"
        )
    if channels % num_groups:
        raise RuntimeError(
            "Expected number of channels in input to be divisible by num_groups, but got input of"
            f" shape {listed} and num_groups={num_groups}"
        )
    for name, x in (("weight", weight), ("bias", bias)):
        if x is not None and x._array.shape != (channels,):
            raise RuntimeError(
                f"Expected {name} to be a vector of size equal to the number of channels in input,"
                f" but got {name} of shape {list(x.shape)} and input of shape {listed}"
            )
    n.refuse(input, "bool int uint8 complex", "GroupNormKernelImpl")
    _same_type(input, weight, bias)
    each = channels // num_groups
    grouped = n.inner_view(input, (batch, num_groups, each, room))
    shape = (1, num_groups, each, 1)
    weight, bias = n.inner_view(weight, shape), n.inner_view(bias, shape)
    y = n.standardise.first(grouped, weight, bias, (2, 3), eps)
    return n.whole(n.inner_view(y, input._array.shape), "NativeGroupNormBackward0")


def instance_norm(
    input: Tensor, running_mean: Any = None, running_var: Any = None, weight: Any = None,
    bias: Any = None, use_input_stats: bool = True, momentum: float = 0.1, eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """Each channel of each example to mean 0 and variance 1.

    Shapes: (N, C, *) and the same; weight, bias and running statistics (C). Without
    `use_input_stats` the running ones are used. Raises: ValueError for a single place.
    Source: Ulyanov, Vedaldi and Lempitsky 2016, https://arxiv.org/abs/1607.08022

    >>> import rushlight as torch
    >>> torch.nn.functional.instance_norm(torch.tensor([[[1.0, 3.0]], [[10.0, 30.0]]]))
    tensor([[[-1.0000,  1.0000]],
    <BLANKLINE>
            [[-1.0000,  1.0000]]])
    """
    if use_input_stats and prod(input.shape[2:]) == 1:
        _of_instances(input, weight, bias, running_var)
        raise ValueError(
            f"Expected more than 1 spatial element when training, got input size {input.shape}"
        )
    return native_instance_norm(
        input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps
    )


def _of_instances(input: Tensor, weight: Any, bias: Any, running_var: Any) -> None:
    """torch's errors for types that instances are not normalised in."""
    n.refuse(input, "bool int uint8 complex", "batch_norm")
    _same_type(input, weight, bias, running_var)


def native_instance_norm(
    input: Tensor, running_mean: Any, running_var: Any, weight: Any, bias: Any,
    use_input_stats: bool, momentum: float, eps: float,
) -> Tensor:  # fmt: skip
    """`instance_norm` of any number of values, as `torch.instance_norm`."""
    _of_instances(input, weight, bias, running_var)
    count, channels = input.shape[:2]  # torch's are channels of one batch
    given = (running_mean, running_var, weight, bias)
    for name, x in zip(("running_mean", "running_var", "weight", "bias"), given):
        if x is not None and x._array.size != channels:
            raise RuntimeError(
                f"{name} should contain {count * channels} elements not {count * x._array.size}"
            )
    shape = (1, input.shape[1]) + (1,) * (input.ndim - 2)
    if not use_input_stats:
        y = _with_running(input, running_mean, running_var, weight, bias, shape, eps)
        return n.named(y, "ViewBackward0")
    weight, bias = n.inner_view(weight, shape), n.inner_view(bias, shape)
    y, mean, variance = _of_channels(input, weight, bias, tuple(range(2, input.ndim)), eps)
    count = prod(input.shape[2:])
    if running_mean is not None and count:
        n.update_running(running_mean, mean.detach().mean(0), momentum)
    if running_var is not None and count:
        n.update_running(running_var, variance.detach().mean(0) * _unbiased(count), momentum)
    return n.named(y, "ViewBackward0")


def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """x / (k + alpha * mean of x^2 over `size` neighbouring channels) ** beta.

    Shapes: (N, C, *) and the same. Raises: ValueError for fewer than three dimensions.
    Source: Krizhevsky et al. 2012.

    >>> import rushlight as torch
    >>> torch.nn.functional.local_response_norm(torch.zeros(1, 3, 2), 2).shape
    torch.Size([1, 3, 2])
    """
    if input.ndim < 3:
        raise ValueError(
            "Expected 3D or higher dimensionality                          input (got"
            f" {input.ndim} dimensions)"
        )
    if input.numel() == 0:
        return input
    n.refuse(input, "bool uint8 complex", "avg_pool2d")
    rows = input.square().reshape(input.shape[0], 1, input.shape[1], -1)
    rows = rl.nn.functional.pad(rows, (0, 0, size // 2, (size - 1) // 2))
    means = rl.nn.functional.avg_pool2d(rows, (size, 1), stride=1).reshape(input.shape)
    return input / (means * alpha + k) ** beta


def normalize(
    input: Tensor, p: float = 2.0, dim: Any = 1, eps: float = 1e-12, out: Any = None
) -> Tensor:
    """x divided by its p-norm along `dim` (held above `eps`).

    A row of zeros stays as it is. Shapes: any, and the same.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.normalize.html

    >>> import rushlight as torch
    >>> torch.nn.functional.normalize(torch.tensor([[3.0, 4.0]]))
    tensor([[0.6000, 0.8000]])
    """
    size = input.norm(p, dim, keepdim=True).clamp_min(eps).expand_as(input)
    return input / size if out is None else rl.div(input, size, out=out)
