"""Activation functions of each element."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from ...functions import neural as n

__all__ = [
    "celu", "elu", "gelu", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu",
    "logsigmoid", "mish", "prelu", "relu", "relu6", "rrelu", "selu", "sigmoid", "silu",
    "softplus", "softshrink", "softsign", "tanh", "tanhshrink", "threshold",
]  # fmt: skip

Tensor = rl.Tensor

_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(x, 0).

    Shapes: any; the result has the input's. inplace=True writes it over the input.
    Raises: RuntimeError for bools, NotImplementedError for complex numbers.
    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.relu.html

    >>> import rushlight as torch
    >>> torch.nn.functional.relu(torch.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    if input.dtype is rl.bool:
        raise RuntimeError("Boolean inputs not supported for relu")
    return n.relu_(input) if inplace else n.relu(input)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(x, 0), 6).

    Shapes: any; the result has the input's. inplace=True writes it over the input.
    Raises: RuntimeError for bools, NotImplementedError for complex numbers.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.relu6.html

    >>> import rushlight as torch
    >>> torch.nn.functional.relu6(torch.tensor([-1.0, 8.0]))
    tensor([0., 6.])
    """
    return hardtanh(input, 0.0, 6.0, inplace)


def hardtanh(
    input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor:
    """x held between `min_val` and `max_val`; the gradient passes strictly inside.

    Shapes: any; the result has the input's. inplace=True writes it over the input.
    Raises: ValueError for min_val > max_val, RuntimeError for bools and, where a bound is
    negative, uint8, NotImplementedError for complex numbers.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.hardtanh.html

    >>> import rushlight as torch
    >>> torch.nn.functional.hardtanh(torch.tensor([-3.0, 0.5]))
    tensor([-1.0000,  0.5000])
    """
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    return (n.hardtanh_ if inplace else n.hardtanh)(input, min_val, max_val)


def counted(y: Tensor, name: str, inplace: bool) -> Tensor:
    """A result, whose node torch counts 1 where it was written into its operand."""
    return n.named(y, f"{name}Backward1") if inplace and y._base is None else y


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x where positive, else negative_slope * x.

    Shapes: any; the result has the input's. inplace=True writes it over the input.
    Raises: NotImplementedError for bools, whole and complex numbers.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.leaky_relu.html

    >>> import rushlight as torch
    >>> torch.nn.functional.leaky_relu(torch.tensor([-1.0, 2.0]), 0.1)
    tensor([-0.1000,  2.0000])
    """
    op = n.leaky_relu_ if inplace else n.leaky_relu
    return counted(op(input, float(negative_slope)), "LeakyRelu", inplace)


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x where positive, else weight * x, with one weight for all or one per channel (dim 1).

    Shapes: with a weight of one element the input is of any shape, else (N, C, *) with a weight
    of (C,); the result has that of the input. Raises: RuntimeError for other sizes and for types
    that differ, NotImplementedError for bools, whole and complex numbers.
    Source: He et al. 2015, https://arxiv.org/abs/1502.01852

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

    Shapes: any; the result has the input's. inplace=True writes it over the input.
    Raises: RuntimeError for lower > upper, NotImplementedError for bools, whole and complex
    numbers.
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


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where positive, else alpha * (e^x - 1).

    Shapes: any; the result has the input's. inplace=True writes it over the input.
    Raises: NotImplementedError for bools, whole and complex numbers.
    Source: Clevert et al. 2015, https://arxiv.org/abs/1511.07289

    >>> import rushlight as torch
    >>> torch.nn.functional.elu(torch.tensor([-1.0, 2.0]))
    tensor([-0.6321,  2.0000])
    """
    y = (n.elu_ if inplace else n.elu)(input, float(alpha), 1.0, 1.0)
    return counted(y, "Elu", inplace)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """scale * elu(x, alpha) with the constants that keep mean 0 and variance 1.

    Shapes: any; the result has the input's. inplace=True writes it over the input.
    Raises: NotImplementedError for bools, whole and complex numbers.
    Source: Klambauer et al. 2017, https://arxiv.org/abs/1706.02515

    >>> import rushlight as torch
    >>> torch.selu(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 1.0507])
    """
    y = (n.elu_ if inplace else n.elu)(input, _SELU_ALPHA, _SELU_SCALE, 1.0)
    return counted(y, "Elu", inplace)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where positive, else alpha * (e^(x / alpha) - 1).

    Shapes: any; the result has the input's. inplace=True writes it over the input.
    Raises: RuntimeError for alpha = 0, NotImplementedError for bools, whole and complex numbers.
    Source: Barron 2017, https://arxiv.org/abs/1704.07483

    >>> import rushlight as torch
    >>> torch.celu(torch.tensor([0.0, 1.0]))
    tensor([0., 1.])
    """
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    y = (n.elu_ if inplace else n.elu)(input, float(alpha), 1.0, 1.0 / alpha)
    return counted(n.named(y, "CeluBackward0"), "Celu", inplace)


def gelu(input: Tensor, approximate: str = "none", *, out: Any = None) -> Tensor:
    """x times the normal distribution function of x, exactly or (`"tanh"`) approximately.

    Shapes: any; the result has the input's. `out` receives it.
    Raises: RuntimeError for another `approximate` than "none" or "tanh", NotImplementedError
    for bools, whole and complex numbers.
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

    Shapes: any; the result has the input's. inplace=True writes it over the input.
    Raises: NotImplementedError for bools and whole numbers.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.silu.html

    >>> import rushlight as torch
    >>> torch.nn.functional.silu(torch.tensor([1.0]))
    tensor([0.7311])
    """
    return (n.silu_ if inplace else n.silu)(input)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """x * tanh(softplus(x)).

    Shapes: any; the result has the input's. inplace=True writes it over the input.
    Raises: NotImplementedError for bools, whole and complex numbers.
    Source: Misra 2019, https://arxiv.org/abs/1908.08681

    >>> import rushlight as torch
    >>> torch.nn.functional.mish(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 0.8651])
    """
    return (n.mish_ if inplace else n.mish)(input)


def softplus(
    input: Tensor, beta: float = 1.0, threshold: float = 20.0, *, out: Any = None
) -> Tensor:
    """log(1 + e^(beta x)) / beta, and x itself where beta x > threshold.

    Shapes: any; the result has the input's. `out` receives it.
    Raises: NotImplementedError for bools, whole and complex numbers.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.softplus.html

    >>> import rushlight as torch
    >>> torch.nn.functional.softplus(torch.tensor([0.0]))
    tensor([0.6931])
    """
    return n.put(n.softplus(input, float(beta), float(threshold)), out)


def logsigmoid(input: Tensor, *, out: Any = None) -> Tensor:
    """log(sigmoid(x)).

    Shapes: any; the result has the input's. `out` receives it.
    Raises: NotImplementedError for bools, whole and complex numbers.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.logsigmoid.html

    >>> import rushlight as torch
    >>> torch.nn.functional.logsigmoid(torch.tensor([0.0]))
    tensor([-0.6931])
    """
    return n.put(n.log_sigmoid(input), out)


def softsign(input: Tensor) -> Tensor:
    """x / (1 + |x|).

    Shapes: any; the result has the input's. Whole numbers count as the default float type.
    Raises: NotImplementedError for bools.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.softsign.html

    >>> import rushlight as torch
    >>> torch.nn.functional.softsign(torch.tensor([-1.0, 3.0]))
    tensor([-0.5000,  0.7500])
    """
    return input / (input.abs() + 1)


def tanhshrink(input: Tensor) -> Tensor:
    """x - tanh(x).

    Shapes: any; the result has the input's. Whole numbers count as the default float type.
    Raises: RuntimeError for bools.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.tanhshrink.html

    >>> import rushlight as torch
    >>> torch.nn.functional.tanhshrink(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 0.2384])
    """
    return input - input.tanh()


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x outside of -lambd..lambd, 0 inside.

    Shapes: any; the result has the input's.
    Raises: NotImplementedError for bools, whole and complex numbers.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.hardshrink.html

    >>> import rushlight as torch
    >>> torch.nn.functional.hardshrink(torch.tensor([-1.0, 0.3, 2.0]))
    tensor([-1.,  0.,  2.])
    """
    return n.hardshrink(input, float(lambd))


def softshrink(input: Tensor, lambd: float = 0.5, *, out: Any = None) -> Tensor:
    """x moved towards 0 by `lambd`; 0 where it would cross.

    Shapes: any; the result has the input's. `out` receives it.
    Raises: RuntimeError for a negative `lambd`, NotImplementedError for bools, whole and complex
    numbers.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.softshrink.html

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

    Shapes: any; the result has the input's. inplace=True writes it over the input.
    Raises: NotImplementedError for complex numbers.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.threshold.html

    >>> import rushlight as torch
    >>> torch.nn.functional.threshold(torch.tensor([0.1, 2.0]), 1.0, 0.0)
    tensor([0., 2.])
    """
    y = (n.threshold_ if inplace else n.threshold)(input, threshold, value)
    return counted(y, "Threshold", inplace)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """(x + 3) / 6 held between 0 and 1.

    Shapes: any; the result has the input's. inplace=True writes it over the input.
    Raises: NotImplementedError for bools, whole and complex numbers.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.hardsigmoid.html

    >>> import rushlight as torch
    >>> torch.nn.functional.hardsigmoid(torch.tensor([-4.0, 0.0]))
    tensor([0.0000, 0.5000])
    """
    return (n.hardsigmoid_ if inplace else n.hardsigmoid)(input)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """x * hardsigmoid(x).

    Shapes: any; the result has the input's. inplace=True writes it over the input.
    Raises: NotImplementedError for bools, whole and complex numbers.
    Source: Howard et al. 2019, https://arxiv.org/abs/1905.02244

    >>> import rushlight as torch
    >>> torch.nn.functional.hardswish(torch.tensor([-4.0, 3.0]))
    tensor([-0., 3.])
    """
    return (n.hardswish_ if inplace else n.hardswish)(input)


def sigmoid(input: Tensor) -> Tensor:
    """1 / (1 + e^-x).

    Shapes: any; the result has the input's. Bools and whole numbers count as the
    default float type.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.sigmoid.html

    >>> import rushlight as torch
    >>> torch.nn.functional.sigmoid(torch.tensor([0.0]))
    tensor([0.5000])
    """
    return input.sigmoid()


def tanh(input: Tensor) -> Tensor:
    """The hyperbolic tangent.

    Shapes: any; the result has the input's. Bools and whole numbers count as the
    default float type.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.tanh.html

    >>> import rushlight as torch
    >>> torch.nn.functional.tanh(torch.tensor([0.0]))
    tensor([0.])
    """
    return input.tanh()
