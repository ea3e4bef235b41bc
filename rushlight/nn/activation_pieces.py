"""Activation layers of straight pieces: each applies the function of its name in `functional`."""

from __future__ import annotations

import warnings
from typing import Any

import rushlight as rl

from . import functional as F
from . import init
from .activation_arguments import Inplace, Lambda
from .module import Module
from .parameter import Parameter


class ReLU(Inplace):
    """max(x, 0).

    Args: inplace, whether to write the result over the input.
    Shapes: any, and the same.
    Raises: RuntimeError for bools, NotImplementedError for complex numbers.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ReLU.html

    >>> import rushlight as torch
    >>> torch.nn.ReLU()(torch.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """

    def forward(self, input: Any) -> Any:
        return F.relu(input, inplace=self.inplace)


class Hardsigmoid(Inplace):
    """min(max(x + 3, 0), 6) / 6: a sigmoid of three lines.

    Args: inplace, whether to write the result over the input.
    Shapes: any, and the same.
    Raises: NotImplementedError for bools, whole numbers and complex numbers.
    Source: Howard et al., Searching for MobileNetV3, 2019 (arXiv:1905.02244).

    >>> import rushlight as torch
    >>> torch.nn.Hardsigmoid()(torch.tensor([-4.0, 0.0]))
    tensor([0.0000, 0.5000])
    """

    def forward(self, input: Any) -> Any:
        return F.hardsigmoid(input, self.inplace)

    def extra_repr(self) -> str:
        return ""


class Hardswish(Inplace):
    """x min(max(x + 3, 0), 6) / 6: x sigmoid(x) with a sigmoid of three lines.

    Args: inplace, whether to write the result over the input.
    Shapes: any, and the same.
    Raises: NotImplementedError for bools, whole numbers and complex numbers.
    Source: Howard et al., Searching for MobileNetV3, 2019 (arXiv:1905.02244).

    >>> import rushlight as torch
    >>> torch.nn.Hardswish()(torch.tensor([-4.0, 3.0]))
    tensor([-0., 3.])
    """

    def forward(self, input: Any) -> Any:
        return F.hardswish(input, self.inplace)

    def extra_repr(self) -> str:
        return ""


class Threshold(Module):
    """x where x > threshold, else value.

    Args: threshold and value, numbers; inplace, whether to write the result over the input.
    Shapes: any, and the same.
    Raises: NotImplementedError for complex numbers.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Threshold.html

    >>> import rushlight as torch
    >>> torch.nn.Threshold(0.1, 20)(torch.tensor([0.0, 0.5]))
    tensor([20.0000,  0.5000])
    """

    __constants__ = ["threshold", "value", "inplace"]

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__()
        self.threshold = threshold
        self.value = value
        self.inplace = inplace

    def forward(self, input: Any) -> Any:
        return F.threshold(input, self.threshold, self.value, self.inplace)

    def extra_repr(self) -> str:
        inplace = ", inplace=True" if self.inplace else ""
        return f"threshold={self.threshold}, value={self.value}{inplace}"


class RReLU(Module):
    """x where x >= 0, else a x; a ~ U(lower, upper) in training, their mean in evaluation.

    Args: lower and upper, the bounds of the slopes, drawn for each element; inplace, whether to
    write the result over the input.
    Shapes: any, and the same.
    Raises: NotImplementedError for bools, whole numbers and complex numbers.
    Source: Xu et al., 2015 (arXiv:1505.00853).

    >>> import rushlight as torch
    >>> torch.nn.RReLU(0.1, 0.3).eval()(torch.tensor([-1.0, 1.0]))
    tensor([-0.2000,  1.0000])
    """

    __constants__ = ["lower", "upper", "inplace"]

    def __init__(
        self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False
    ) -> None:
        super().__init__()
        self.lower = lower
        self.upper = upper
        self.inplace = inplace

    def forward(self, input: Any) -> Any:
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)

    def extra_repr(self) -> str:
        inplace = ", inplace=True" if self.inplace else ""
        return f"lower={self.lower}, upper={self.upper}{inplace}"


class Hardtanh(Module):
    """x held between min_val and max_val: min(max(x, min_val), max_val).

    Args: min_val and max_val (min_value and max_value are their old names); inplace, whether to
    write the result over the input.
    Shapes: any, and the same.
    Raises: AssertionError unless max_val > min_val, RuntimeError for bools, NotImplementedError for
    complex numbers.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Hardtanh.html

    >>> import rushlight as torch
    >>> torch.nn.Hardtanh()(torch.tensor([-2.0, 0.5, 2.0]))
    tensor([-1.0000,  0.5000,  1.0000])
    """

    __constants__ = ["min_val", "max_val", "inplace"]

    def __init__(
        self,
        min_val: float = -1.0,
        max_val: float = 1.0,
        inplace: bool = False,
        min_value: float | None = None,
        max_value: float | None = None,
    ) -> None:
        super().__init__()
        for end, old in (("min", min_value), ("max", max_value)):
            if old is not None:
                warnings.warn(
                    f"keyword argument `{end}_value` is deprecated and renamed to `{end}_val`",
                    FutureWarning,
                    stacklevel=2,
                )
        self.min_val = min_val if min_value is None else min_value
        self.max_val = max_val if max_value is None else max_value
        self.inplace = inplace
        if not self.max_val > self.min_val:
            raise AssertionError(
                f"max_val ({self.max_val}) must be greater than min_val ({self.min_val})"
            )

    def forward(self, input: Any) -> Any:
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)

    def extra_repr(self) -> str:
        inplace = ", inplace=True" if self.inplace else ""
        return f"min_val={self.min_val}, max_val={self.max_val}{inplace}"


class ReLU6(Hardtanh):
    """min(max(x, 0), 6).

    Args: inplace, whether to write the result over the input.
    Shapes: any, and the same.
    Raises: RuntimeError for bools, NotImplementedError for complex numbers.
    Source: Howard et al., MobileNets, 2017 (arXiv:1704.04861).

    >>> import rushlight as torch
    >>> torch.nn.ReLU6()(torch.tensor([-1.0, 8.0]))
    tensor([0., 6.])
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0.0, 6.0, inplace)

    def forward(self, input: Any) -> Any:
        return F.relu6(input, self.inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class LeakyReLU(Module):
    """x where x > 0, else negative_slope x.

    Args: negative_slope; inplace, whether to write the result over the input.
    Shapes: any, and the same.
    Raises: NotImplementedError for bools, whole numbers and complex numbers.
    Source: Maas et al., Rectifier Nonlinearities Improve Neural Network Acoustic Models, 2013.

    >>> import rushlight as torch
    >>> torch.nn.LeakyReLU(0.1)(torch.tensor([-1.0, 2.0]))
    tensor([-0.1000,  2.0000])
    """

    __constants__ = ["inplace", "negative_slope"]

    def __init__(self, negative_slope: float = 1e-2, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope = negative_slope
        self.inplace = inplace

    def forward(self, input: Any) -> Any:
        return F.leaky_relu(input, self.negative_slope, self.inplace)

    def extra_repr(self) -> str:
        inplace = ", inplace=True" if self.inplace else ""
        return f"negative_slope={self.negative_slope}{inplace}"


class PReLU(Module):
    """x where x > 0, else a x with a learned `a`, one for all channels or one for each.

    Args: num_parameters, 1 or the number of channels; init, what every slope starts with; device,
    dtype.
    Shapes: (N, C, ...), C the channels; the result has the input's. `weight`: (num_parameters,).
    Raises: RuntimeError for another num_parameters than 1 or C, or an input of another type than
    the weight's.
    Source: He et al., 2015 (arXiv:1502.01852).

    >>> import rushlight as torch
    >>> torch.nn.PReLU()(torch.tensor([-4.0, 2.0])).tolist()
    [-1.0, 2.0]
    """

    __constants__ = ["num_parameters"]

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.num_parameters = num_parameters
        self.init = init
        self.weight = Parameter(rl.empty(num_parameters, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set every slope to `init` again."""
        init.constant_(self.weight, self.init)

    def forward(self, input: Any) -> Any:
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class Hardshrink(Lambda):
    """x where |x| > lambd, else 0.

    Args: lambd, where to begin (default 0.5).
    Shapes: any, and the same.
    Raises: NotImplementedError for bools, whole numbers and complex numbers.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Hardshrink.html

    >>> import rushlight as torch
    >>> torch.nn.Hardshrink()(torch.tensor([-1.0, 0.3, 2.0]))
    tensor([-1.,  0.,  2.])
    """

    def forward(self, input: Any) -> Any:
        return F.hardshrink(input, self.lambd)


class Softshrink(Lambda):
    """x - lambd where x > lambd, x + lambd where x < -lambd, else 0.

    Args: lambd, at least 0 (default 0.5).
    Shapes: any, and the same.
    Raises: NotImplementedError for bools, whole numbers and complex numbers, RuntimeError for a
    negative lambd.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Softshrink.html

    >>> import rushlight as torch
    >>> torch.nn.Softshrink()(torch.tensor([-1.0, 0.3, 2.0]))
    tensor([-0.5000,  0.0000,  1.5000])
    """

    def forward(self, input: Any) -> Any:
        return F.softshrink(input, self.lambd)
