"""Activation functions."""

from __future__ import annotations

import warnings
from typing import Any

import rushlight as rl

from ...functions import neural as n

__all__ = [
    "celu", "celu_", "elu", "elu_", "gelu", "glu", "gumbel_softmax", "hardshrink",
    "hardsigmoid", "hardswish", "hardtanh", "hardtanh_", "leaky_relu", "leaky_relu_",
    "log_softmax", "logsigmoid", "mish", "prelu", "relu", "relu6", "relu_", "rrelu", "rrelu_",
    "selu", "selu_", "sigmoid", "silu", "softmax", "softmin", "softplus", "softshrink",
    "softsign", "tanh", "tanhshrink", "threshold", "threshold_",
]  # fmt: skip

Tensor = rl.Tensor

_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(x, 0).

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.relu.html

    >>> import rushlight as torch
    >>> torch.nn.functional.relu(torch.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    if input.dtype is rl.bool:
        raise RuntimeError("Boolean inputs not supported for relu")
    return n.relu_(input) if inplace else n.relu(input)


def relu_(input: Tensor) -> Tensor:
    """In-place version of `relu`.

    >>> import rushlight as torch
    >>> x = torch.tensor([-1.0, 2.0])
    >>> torch.nn.functional.relu_(x) is x, x
    (True, tensor([0., 2.]))
    """
    return relu(input, True)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(x, 0), 6).

    >>> import rushlight as torch
    >>> torch.nn.functional.relu6(torch.tensor([-1.0, 8.0]))
    tensor([0., 6.])
    """
    return hardtanh(input, 0.0, 6.0, inplace)


def hardtanh(
    input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor:
    """x held between `min_val` and `max_val`; the gradient passes strictly inside.

    >>> import rushlight as torch
    >>> torch.nn.functional.hardtanh(torch.tensor([-3.0, 0.5]))
    tensor([-1.0000,  0.5000])
    """
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    return (n.hardtanh_ if inplace else n.hardtanh)(input, min_val, max_val)


def hardtanh_(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """In-place version of `hardtanh`.

    >>> import rushlight as torch
    >>> torch.nn.functional.hardtanh_(torch.tensor([-3.0, 0.5]), -2, 2)
    tensor([-2.0000,  0.5000])
    """
    return hardtanh(input, min_val, max_val, True)


def _counted(y: Tensor, name: str, inplace: bool) -> Tensor:
    """A result, whose node torch counts 1 where it was written into its operand."""
    return n.named(y, f"{name}Backward1") if inplace and y._base is None else y


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x where positive, else negative_slope * x.

    >>> import rushlight as torch
    >>> torch.nn.functional.leaky_relu(torch.tensor([-1.0, 2.0]), 0.1)
    tensor([-0.1000,  2.0000])
    """
    op = n.leaky_relu_ if inplace else n.leaky_relu
    return _counted(op(input, float(negative_slope)), "LeakyRelu", inplace)


def leaky_relu_(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """In-place version of `leaky_relu`.

    >>> import rushlight as torch
    >>> torch.nn.functional.leaky_relu_(torch.tensor([-1.0, 2.0]), 0.1)
    tensor([-0.1000,  2.0000])
    """
    return leaky_relu(input, negative_slope, True)


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x where positive, else weight * x, with one weight for all or one per channel (dim 1).

    >>> import rushlight as torch
    >>> torch.prelu(torch.tensor([-4.0, 2.0]), torch.tensor([0.25]))
    tensor([-1.,  2.])
    """
    if input.dtype is not weight.dtype:
        kinds = f"{n.type_name(input)} and {n.type_name(weight)}"
        raise RuntimeError(f"prelu: Type promoting not supported. Got {kinds}")
    if weight.ndim > 1:
        raise RuntimeError(
            f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {weight.ndim}"
        )
    count = weight.numel()
    if count == 1:
        return n.prelu(input, weight.reshape((1,) * input.ndim))
    if input.ndim == 0:
        raise RuntimeError("Not allow zero-dim input tensor.")
    channels = input.shape[1] if input.ndim > 1 else 1
    if channels != count:
        raise RuntimeError(
            "Mismatch of parameter numbers and input channel size. Found parameter numbers ="
            f" {count} and channel size = {channels}."
        )
    return n.prelu(input, weight.reshape((1, count) + (1,) * (input.ndim - 2)))


def rrelu(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False,
    inplace: bool = False,
) -> Tensor:  # fmt: skip
    """leaky_relu whose slope is drawn uniformly from lower..upper in training, their mean else.

    Source: Xu et al. 2015, https://arxiv.org/abs/1505.00853

    >>> import rushlight as torch
    >>> torch.nn.functional.rrelu(torch.tensor([-1.0, 1.0]), 0.1, 0.3)
    tensor([-0.2000,  1.0000])
    """
    if lower > upper:
        raise RuntimeError("Lower bound should be less than or equal to the upper bound")
    if not training:
        y = leaky_relu(input, (lower + upper) / 2, inplace)
    else:
        n.refuse(input, "bool int uint8 float16 complex", "rrelu_with_noise_out_cpu")
        slopes = n.negative_slopes(input, lower, upper)
        y = input.mul_(slopes) if inplace else input * slopes
    return n.named(y, f"RreluWithNoiseBackward{int(inplace)}")


def rrelu_(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False
) -> Tensor:
    """In-place version of `rrelu`.

    >>> import rushlight as torch
    >>> x = torch.tensor([-8.0, 2.0])
    >>> torch.nn.functional.rrelu_(x, lower=0.25, upper=0.25)
    tensor([-2.,  2.])
    """
    return rrelu(input, lower, upper, training, True)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where positive, else alpha * (e^x - 1).

    >>> import rushlight as torch
    >>> torch.nn.functional.elu(torch.tensor([-1.0, 2.0]))
    tensor([-0.6321,  2.0000])
    """
    y = (n.elu_ if inplace else n.elu)(input, float(alpha), 1.0, 1.0)
    return _counted(y, "Elu", inplace)


def elu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """In-place version of `elu`.

    >>> import rushlight as torch
    >>> torch.nn.functional.elu_(torch.tensor([-1.0, 2.0]))
    tensor([-0.6321,  2.0000])
    """
    return elu(input, alpha, True)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """scale * elu(x, alpha) with the constants that keep mean 0 and variance 1.

    Source: Klambauer et al. 2017, https://arxiv.org/abs/1706.02515

    >>> import rushlight as torch
    >>> torch.selu(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 1.0507])
    """
    y = (n.elu_ if inplace else n.elu)(input, _SELU_ALPHA, _SELU_SCALE, 1.0)
    return _counted(y, "Elu", inplace)


def selu_(input: Tensor) -> Tensor:
    """In-place version of `selu`.

    >>> import rushlight as torch
    >>> torch.nn.functional.selu_(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 1.0507])
    """
    return selu(input, True)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where positive, else alpha * (e^(x / alpha) - 1).

    >>> import rushlight as torch
    >>> torch.celu(torch.tensor([0.0, 1.0]))
    tensor([0., 1.])
    """
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    y = (n.elu_ if inplace else n.elu)(input, float(alpha), 1.0, 1.0 / alpha)
    return _counted(n.named(y, "CeluBackward0"), "Celu", inplace)


def celu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """In-place version of `celu`.

    >>> import rushlight as torch
    >>> torch.nn.functional.celu_(torch.tensor([-1.0, 2.0]))
    tensor([-0.6321,  2.0000])
    """
    return celu(input, alpha, True)


def gelu(input: Tensor, approximate: str = "none", *, out: Any = None) -> Tensor:
    """x times the normal distribution function of x, exactly or (`"tanh"`) approximately.

    Source: Hendrycks and Gimpel 2016, https://arxiv.org/abs/1606.08415

    >>> import rushlight as torch
    >>> torch.nn.functional.gelu(torch.tensor([1.0]))
    tensor([0.8413])
    """
    if approximate not in ("none", "tanh"):
        raise RuntimeError("approximate argument must be either none or tanh.")
    return n.put((n.gelu if approximate == "none" else n.gelu_tanh)(input), out)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """x * sigmoid(x).

    >>> import rushlight as torch
    >>> torch.nn.functional.silu(torch.tensor([1.0]))
    tensor([0.7311])
    """
    return (n.silu_ if inplace else n.silu)(input)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """x * tanh(softplus(x)).

    >>> import rushlight as torch
    >>> torch.nn.functional.mish(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 0.8651])
    """
    return (n.mish_ if inplace else n.mish)(input)


def softplus(
    input: Tensor, beta: float = 1.0, threshold: float = 20.0, *, out: Any = None
) -> Tensor:
    """log(1 + e^(beta x)) / beta, and x itself where beta x > threshold.

    >>> import rushlight as torch
    >>> torch.nn.functional.softplus(torch.tensor([0.0]))
    tensor([0.6931])
    """
    return n.put(n.softplus(input, float(beta), float(threshold)), out)


def logsigmoid(input: Tensor, *, out: Any = None) -> Tensor:
    """log(sigmoid(x)).

    >>> import rushlight as torch
    >>> torch.nn.functional.logsigmoid(torch.tensor([0.0]))
    tensor([-0.6931])
    """
    return n.put(n.log_sigmoid(input), out)


def softsign(input: Tensor) -> Tensor:
    """x / (1 + |x|).

    >>> import rushlight as torch
    >>> torch.nn.functional.softsign(torch.tensor([-1.0, 3.0]))
    tensor([-0.5000,  0.7500])
    """
    return input / (input.abs() + 1)


def tanhshrink(input: Tensor) -> Tensor:
    """x - tanh(x).

    >>> import rushlight as torch
    >>> torch.nn.functional.tanhshrink(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 0.2384])
    """
    return input - input.tanh()


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x outside of -lambd..lambd, 0 inside; NotImplementedError for integers.

    >>> import rushlight as torch
    >>> torch.nn.functional.hardshrink(torch.tensor([-1.0, 0.3, 2.0]))
    tensor([-1.,  0.,  2.])
    """
    return n.hardshrink(input, float(lambd))


def softshrink(input: Tensor, lambd: float = 0.5, *, out: Any = None) -> Tensor:
    """x moved towards 0 by `lambd`; 0 where it would cross.

    >>> import rushlight as torch
    >>> torch.nn.functional.softshrink(torch.tensor([-2.0, 0.25]))
    tensor([-1.5000,  0.0000])
    """
    if lambd < 0:
        largest = rl.finfo(input.dtype).max
        raise RuntimeError(
            f"lambda must be in range [0, {largest:g}] for input dtype {n.type_name(input)}, but"
            f" found {lambd:g}"
        )
    return n.put(n.softshrink(input, float(lambd)), out)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """x where above `threshold`, else `value`.

    >>> import rushlight as torch
    >>> torch.nn.functional.threshold(torch.tensor([0.1, 2.0]), 1.0, 0.0)
    tensor([0., 2.])
    """
    y = (n.threshold_ if inplace else n.threshold)(input, threshold, value)
    return _counted(y, "Threshold", inplace)


def threshold_(input: Tensor, threshold: float, value: float) -> Tensor:
    """In-place version of `threshold`.

    >>> import rushlight as torch
    >>> torch.nn.functional.threshold_(torch.tensor([0.1, 2.0]), 1.0, 9.0)
    tensor([9., 2.])
    """
    return _counted(n.threshold_(input, threshold, value), "Threshold", True)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """(x + 3) / 6 held between 0 and 1.

    >>> import rushlight as torch
    >>> torch.nn.functional.hardsigmoid(torch.tensor([-4.0, 0.0]))
    tensor([0.0000, 0.5000])
    """
    return (n.hardsigmoid_ if inplace else n.hardsigmoid)(input)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """x * hardsigmoid(x).

    >>> import rushlight as torch
    >>> torch.nn.functional.hardswish(torch.tensor([-4.0, 3.0]))
    tensor([-0., 3.])
    """
    return (n.hardswish_ if inplace else n.hardswish)(input)


def sigmoid(input: Tensor) -> Tensor:
    """1 / (1 + e^-x).

    >>> import rushlight as torch
    >>> torch.nn.functional.sigmoid(torch.tensor([0.0]))
    tensor([0.5000])
    """
    return input.sigmoid()


def tanh(input: Tensor) -> Tensor:
    """The hyperbolic tangent.

    >>> import rushlight as torch
    >>> torch.nn.functional.tanh(torch.tensor([0.0]))
    tensor([0.])
    """
    return input.tanh()


@n.goes_by("GluBackward0")
def glu(input: Tensor, dim: int = -1) -> Tensor:
    """The first half of `dim` times the sigmoid of the second.

    >>> import rushlight as torch
    >>> torch.nn.functional.glu(torch.tensor([4.0, 0.0]))
    tensor([2.])
    """
    if input.ndim == 0:
        raise RuntimeError("glu does not support scalars because halving size must be even")
    place = dim % input.ndim if -input.ndim <= dim < input.ndim else dim
    size = input.size(dim)
    if size % 2:
        raise RuntimeError(f"Halving dimension must be even, but dimension {place} is size {size}")
    n.refuse(input, "bool int uint8 complex", "glu_cpu")
    first, second = input.chunk(2, place)
    return first * second.sigmoid()


def _implicit_dim(name: str, ndim: int, stacklevel: int) -> int:
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include"
        " dim=X as an argument.",
        stacklevel=stacklevel,
    )
    return 0 if ndim in (0, 1, 3) else 1


def softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """e^x over its sum along `dim`: positive numbers that sum to 1.

    dtype: what the input is turned into first. Raises: NotImplementedError for whole numbers
    without it, IndexError for a dimension that is not there.

    >>> import rushlight as torch
    >>> torch.nn.functional.softmax(torch.zeros(1, 2), dim=1)
    tensor([[0.5000, 0.5000]])
    """
    if dim is None:
        dim = _implicit_dim("softmax", input.ndim, _stacklevel)
    return n.softmax(input, dim, dtype)


def softmin(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """softmax(-x).

    >>> import rushlight as torch
    >>> torch.nn.functional.softmin(torch.zeros(2), dim=0)
    tensor([0.5000, 0.5000])
    """
    if dim is None:
        dim = _implicit_dim("softmin", input.ndim, _stacklevel)
    return n.softmax(-input, dim, dtype)


def log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """log(softmax(x)), computed without its loss of precision.

    dtype: what the input is turned into first. Raises: NotImplementedError for whole numbers
    without it, IndexError for a dimension that is not there.

    >>> import rushlight as torch
    >>> torch.nn.functional.log_softmax(torch.zeros(1, 2), dim=1)
    tensor([[-0.6931, -0.6931]])
    """
    if dim is None:
        dim = _implicit_dim("log_softmax", input.ndim, _stacklevel)
    return n.log_softmax(input, dim, dtype)


def gumbel_softmax(
    logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Tensor:
    """A draw from the Gumbel-softmax distribution; one-hot forward (soft backward) if `hard`.

    Source: Jang et al. 2017, https://arxiv.org/abs/1611.01144

    >>> import rushlight as torch
    >>> torch.nn.functional.gumbel_softmax(torch.zeros(1, 3), hard=True).sum()
    tensor(1.)
    """
    if eps != 1e-10:
        warnings.warn("`eps` parameter is deprecated and has no effect.", stacklevel=2)
    like = rl.empty_like(logits, memory_format=rl.contiguous_format)
    noise = -like.exponential_().log()
    soft = ((logits + noise) / tau).softmax(dim)
    if not hard:
        return soft
    index = soft.argmax(dim, keepdim=True)
    one_hot = rl.zeros_like(logits).scatter_(dim, index, 1.0)
    return one_hot - soft.detach() + soft
