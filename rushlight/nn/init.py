"""Initial values for tensors: torch's distributions, in torch's order of random draws."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable
from typing import Any

import rushlight as rl

from ..core.errors import fail
from ..core.gates import publish_all as _publish_all
from ..core.names import explain_missing as _explain_missing

__all__ = [
    "calculate_gain", "constant", "constant_", "dirac", "dirac_", "eye", "eye_", "kaiming_normal",
    "kaiming_normal_", "kaiming_uniform", "kaiming_uniform_", "normal", "normal_", "ones_",
    "orthogonal", "orthogonal_", "sparse", "sparse_", "trunc_normal_", "uniform", "uniform_",
    "xavier_normal", "xavier_normal_", "xavier_uniform", "xavier_uniform_", "zeros_",
]  # fmt: skip

_GAIN_ONE = (
    "linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d",
    "conv_transpose3d", "sigmoid",
)  # fmt: skip
_EMPTY = "Initializing zero-element tensors is a no-op"


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor that keeps the spread of values through a nonlinearity.

    param: the negative slope of "leaky_relu" (0.01 if None). Raises ValueError for another name.

    >>> import rushlight as torch
    >>> torch.nn.init.calculate_gain("tanh")
    1.6666666666666667
    """
    if nonlinearity in _GAIN_ONE:
        return 1
    if nonlinearity == "leaky_relu":
        if param is None:
            param = 0.01
        elif isinstance(param, bool) or not isinstance(param, (int, float)):
            raise ValueError(f"negative_slope {param} not a valid number")
        return math.sqrt(2.0 / (1 + param**2))
    fixed = {"tanh": 5.0 / 3, "relu": math.sqrt(2.0), "selu": 3.0 / 4}
    if nonlinearity not in fixed:
        raise fail(
            ValueError,
            f"Unsupported nonlinearity {nonlinearity}",
            f"known: {', '.join([*_GAIN_ONE, *fixed, 'leaky_relu'])}",
        )
    return fixed[nonlinearity]


def uniform_(tensor: Any, a: float = 0.0, b: float = 1.0, generator: Any = None) -> Any:
    """Fill from U(a, b).

    In place and not recorded, as all of these; the tensor is returned. Shapes: any. generator:
    what draws, torch's own without it.
    Source: https://docs.pytorch.org/docs/stable/nn.init.html

    >>> import rushlight as torch
    >>> torch.nn.init.uniform_(torch.empty(3, 5)).max() < 1
    tensor(True)
    """
    with rl.no_grad():
        return tensor.uniform_(a, b, generator=generator)


def normal_(tensor: Any, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> Any:
    """Fill from N(mean, std^2).

    mean and std are numbers. Shapes: any. Returned: the tensor. generator: what draws, torch's
    own without it.
    Source: https://docs.pytorch.org/docs/stable/nn.init.html

    >>> import rushlight as torch
    >>> torch.nn.init.normal_(torch.empty(3, 5), std=0.1).shape
    torch.Size([3, 5])
    """
    with rl.no_grad():
        return tensor.normal_(mean, std, generator=generator)


def trunc_normal_(
    tensor: Any,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Any = None,
) -> Any:
    """Fill from N(mean, std^2) restricted to [a, b], by rejection.

    Where [a, b] holds more than 0.3 of the distribution the proposals are normal, else uniform.

    >>> import rushlight as torch
    >>> torch.nn.init.trunc_normal_(torch.empty(100)).abs().max() <= 2
    tensor(True)
    """
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. "
            "The distribution of values may be incorrect.",
            stacklevel=2,
        )
    if tensor.is_meta:  # whose values nobody can ask
        return tensor
    scale = std * math.sqrt(2.0)
    inside = (1.0 + math.erf((b - mean) / scale)) / 2 - (1.0 + math.erf((a - mean) / scale)) / 2
    with rl.no_grad():
        if inside > 0.3:
            return _reject_from_normal(tensor, mean, std, a, b, generator)
        return _reject_from_uniform(tensor, mean, std, a, b, generator)


def _reject_from_normal(
    tensor: Any, mean: float, std: float, a: float, b: float, generator: Any
) -> Any:
    """Draw all again while any is outside, and keep only what was needed."""
    low, high = tensor.new_tensor(a).item(), tensor.new_tensor(b).item()
    tensor.normal_(mean, std, generator=generator)
    while True:
        outside = (tensor < low) | (tensor > high)
        if not outside.any():
            return tensor
        again = rl.empty_like(tensor).normal_(mean, std, generator=generator)
        tensor.copy_(rl.where(outside, again, tensor))


def _reject_from_uniform(
    tensor: Any, mean: float, std: float, a: float, b: float, generator: Any
) -> Any:
    """Accept a uniform proposal with probability density over peak density."""
    mode = max(a, min(mean, b))
    log_peak = -0.5 * ((mode - mean) / std) ** 2
    pending = None
    while pending is None or pending.any():
        proposal = rl.empty_like(tensor).uniform_(a, b, generator=generator)
        log_ratio = proposal.clone().sub_(mean).div_(std).pow_(2).mul_(-0.5).sub_(log_peak)
        refused = rl.empty_like(tensor).uniform_(generator=generator).log_().gt(log_ratio)
        if pending is None:
            tensor.copy_(proposal)
            pending = refused
        else:
            tensor.copy_(rl.where(pending, proposal, tensor))
            pending = pending & refused
    return tensor


def constant_(tensor: Any, val: float) -> Any:
    """Fill with `val`.

    Shapes: any. Returned: the tensor, which was written in place.
    Source: https://docs.pytorch.org/docs/stable/nn.init.html

    >>> import rushlight as torch
    >>> torch.nn.init.constant_(torch.empty(2), 3.0)
    tensor([3., 3.])
    """
    with rl.no_grad():
        return tensor.fill_(val)


def ones_(tensor: Any) -> Any:
    """Fill with 1.

    Shapes: any. Returned: the tensor, which was written in place.
    Source: https://docs.pytorch.org/docs/stable/nn.init.html

    >>> import rushlight as torch
    >>> torch.nn.init.ones_(torch.empty(2))
    tensor([1., 1.])
    """
    return constant_(tensor, 1.0)


def zeros_(tensor: Any) -> Any:
    """Fill with 0.

    Shapes: any. Returned: the tensor, which was written in place.
    Source: https://docs.pytorch.org/docs/stable/nn.init.html

    >>> import rushlight as torch
    >>> torch.nn.init.zeros_(torch.empty(2))
    tensor([0., 0.])
    """
    with rl.no_grad():
        return tensor.zero_()


def eye_(tensor: Any) -> Any:
    """Fill a matrix with the identity: ones on the diagonal.

    Shapes: (n, m). Raises: ValueError for other numbers of dimensions.
    Source: https://docs.pytorch.org/docs/stable/nn.init.html

    >>> import rushlight as torch
    >>> torch.nn.init.eye_(torch.empty(1, 2))
    tensor([[1., 0.]])
    """
    if tensor.ndimension() != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    with rl.no_grad():
        return tensor.copy_(rl.eye(*tensor.shape, dtype=tensor.dtype))


def dirac_(tensor: Any, groups: int = 1) -> Any:
    """Fill a convolution's weight so that each group passes its first channels through.

    Shapes: (out, in, *sizes) of one to three sizes; ones stand in the middle, zeros elsewhere.
    groups: those of the convolution. Raises: ValueError for other numbers of dimensions, and
    where the groups do not divide the first size.
    Source: https://docs.pytorch.org/docs/stable/nn.init.html

    >>> import rushlight as torch
    >>> w = torch.nn.init.dirac_(torch.empty(2, 2, 3))
    >>> x = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    >>> torch.nn.functional.conv1d(x, w, padding=1)
    tensor([[[1., 2.],
             [3., 4.]]])
    """
    if tensor.ndimension() not in (3, 4, 5):
        raise ValueError("Only tensors with 3, 4, or 5 dimensions are supported")
    if tensor.shape[0] % groups != 0:
        raise ValueError("dim 0 must be divisible by groups")
    per_group = tensor.shape[0] // groups
    centre = tuple(size // 2 for size in tensor.shape[2:])
    with rl.no_grad():
        tensor.zero_()
        for group in range(groups):
            for channel in range(min(per_group, tensor.shape[1])):
                tensor[(group * per_group + channel, channel, *centre)] = 1
    return tensor


def _calculate_fan_in_and_fan_out(tensor: Any) -> tuple[int, int]:
    """How many inputs feed one output, and how many outputs one input feeds."""
    if tensor.dim() < 2:
        raise fail(
            ValueError,
            "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions",
            f"the tensor has shape {tuple(tensor.shape)}; biases take zeros_ or constant_",
        )
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


def _calculate_correct_fan(tensor: Any, mode: str) -> int:
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    return fan_in if mode == "fan_in" else fan_out


def _checked_mode(mode: str) -> str:
    valid = ["fan_in", "fan_out"]
    if mode.lower() not in valid:
        raise ValueError(f"Mode {mode.lower()} not supported, please use one of {valid}")
    return mode.lower()


def xavier_uniform_(tensor: Any, gain: float = 1.0, generator: Any = None) -> Any:
    """Fill from U(-b, b), b = gain * sqrt(6 / (fan_in + fan_out)).

    Arguments: `gain`, a factor (`calculate_gain`); `generator`, what draws, torch's own without it.
    Raises: ValueError for fewer than two dimensions.
    Source: Glorot and Bengio, 2010.

    >>> import rushlight as torch
    >>> bool(torch.nn.init.xavier_uniform_(torch.empty(3, 3)).abs().max() <= 1)
    True
    """
    std = gain * math.sqrt(2.0 / float(sum(_calculate_fan_in_and_fan_out(tensor))))
    bound = math.sqrt(3.0) * std
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Any, gain: float = 1.0, generator: Any = None) -> Any:
    """Fill from N(0, std^2), std = gain * sqrt(2 / (fan_in + fan_out)).

    fan_in and fan_out are sizes 1 and 0, times the sizes of the kernel. Raises: ValueError for
    fewer than two dimensions. generator: what draws, torch's own without it. Paper: Glorot and
    Bengio 2010.
    Source: https://docs.pytorch.org/docs/stable/nn.init.html

    >>> import rushlight as torch
    >>> torch.nn.init.xavier_normal_(torch.empty(3, 5)).shape
    torch.Size([3, 5])
    """
    std = gain * math.sqrt(2.0 / float(sum(_calculate_fan_in_and_fan_out(tensor))))
    return normal_(tensor, 0.0, std, generator)


def _kaiming_std(tensor: Any, a: float, mode: str, nonlinearity: str) -> float:
    mode = _checked_mode(mode)
    fan = _calculate_correct_fan(tensor, mode)
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def kaiming_uniform_(
    tensor: Any,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Any:
    """Fill from U(-b, b), b = gain * sqrt(3 / fan). Source: He et al., 2015.

    a: the negative slope of "leaky_relu"; mode: which fan, "fan_in" or "fan_out";
    nonlinearity: what follows, which sets the gain (`calculate_gain`). Raises: ValueError for
    another mode or nonlinearity, and for fewer than two dimensions. generator: what draws,
    torch's own without it.

    >>> import rushlight as torch
    >>> torch.nn.init.kaiming_uniform_(torch.empty(3, 5), nonlinearity="relu").shape
    torch.Size([3, 5])
    """
    if 0 in tensor.shape:
        warnings.warn(_EMPTY, stacklevel=2)
        return tensor
    bound = math.sqrt(3.0) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Any,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Any:
    """Fill from N(0, std^2), std = gain / sqrt(fan). Source: He et al., 2015.

    Arguments and errors are those of `kaiming_uniform_`.

    >>> import rushlight as torch
    >>> torch.nn.init.kaiming_normal_(torch.empty(3, 5)).shape
    torch.Size([3, 5])
    """
    if 0 in tensor.shape:
        warnings.warn(_EMPTY, stacklevel=2)
        return tensor
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def orthogonal_(tensor: Any, gain: float = 1, generator: Any = None) -> Any:
    """Fill with gain times a (semi-)orthogonal matrix, trailing dimensions flattened.

    The QR factor of a normal matrix, signs fixed so that it is uniform. Source: Saxe et al., 2013.

    >>> import rushlight as torch
    >>> torch.nn.init.orthogonal_(torch.empty(1, 1)).abs()
    tensor([[1.]])
    """
    if tensor.ndimension() < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    if tensor.numel() == 0:
        return tensor
    rows = tensor.shape[0]
    cols = tensor.numel() // rows
    with rl.no_grad():
        flat = tensor.new_empty((rows, cols)).normal_(0, 1, generator=generator)
        q, r = rl.linalg.qr(flat.t() if rows < cols else flat)
        q = q * rl.diag(r, 0).sign()
        tensor.copy_((q.t() if rows < cols else q).reshape(tensor.shape))
        return tensor.mul_(gain)


def sparse_(tensor: Any, sparsity: float, std: float = 0.01, generator: Any = None) -> Any:
    """Fill a matrix from N(0, std^2) with ceil(sparsity * rows) zeros in each column.

    Arguments: `sparsity`, the share of zeros; `std` of the others; `generator`, what draws, torch's
    own without it. Raises: ValueError for other than two dimensions.
    Source: Martens, 2010.

    >>> import rushlight as torch
    >>> w = torch.nn.init.sparse_(torch.empty(10, 3), sparsity=0.25)
    >>> (w == 0).sum(0)
    tensor([3, 3, 3])
    """
    if tensor.ndimension() != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    rows, cols = tensor.shape
    zeros = math.ceil(sparsity * rows)
    with rl.no_grad():
        tensor.normal_(0, std, generator=generator)
        for column in range(cols):
            tensor[rl.randperm(rows)[:zeros], column] = 0
    return tensor


_OLD_NAME = """The old name of {old}_: warns so.

    >>> import rushlight as torch, warnings
    >>> with warnings.catch_warnings(record=True) as given:
    ...     warnings.simplefilter("always")
    ...     w = torch.nn.init.{old}({arguments})
    >>> given[0].category.__name__
    'FutureWarning'
    """


def _renamed(function: Callable, arguments: str = "torch.empty(2, 2)") -> Callable:
    """The old name of `function`, without the underscore; the arguments are its example's."""
    old = function.__name__[:-1]

    @functools.wraps(function)
    def deprecated(*args: Any, **kwargs: Any) -> Any:
        warnings.warn(
            f"`nn.init.{old}` is now deprecated in favor of `nn.init.{old}_`.",
            FutureWarning,
            stacklevel=2,
        )
        return function(*args, **kwargs)

    deprecated.__name__ = deprecated.__qualname__ = old
    deprecated.__doc__ = _OLD_NAME.format(old=old, arguments=arguments)
    return deprecated


uniform = _renamed(uniform_)
normal = _renamed(normal_)
constant = _renamed(constant_, "torch.empty(2, 2), 3.0")
eye = _renamed(eye_)
dirac = _renamed(dirac_, "torch.empty(2, 2, 1)")
xavier_uniform = _renamed(xavier_uniform_)
xavier_normal = _renamed(xavier_normal_)
kaiming_uniform = _renamed(kaiming_uniform_)
kaiming_normal = _renamed(kaiming_normal_)
orthogonal = _renamed(orthogonal_)
sparse = _renamed(sparse_, "torch.empty(2, 2), sparsity=0.5")

_publish_all(globals(), ("uniform_", "normal_", "constant_", "kaiming_uniform_"))
_explain_missing(__name__)
