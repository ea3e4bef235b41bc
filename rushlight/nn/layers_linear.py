"""Linear maps and reshaping layers: Identity, Linear, Bilinear, LazyLinear, Flatten, Unflatten."""

from __future__ import annotations

import math
from typing import Any

import rushlight as rl

from . import functional as F
from . import init
from .lazy import LazyModuleMixin
from .module import Module
from .parameter import Parameter, UninitializedParameter


def reset_like_linear(weight: Any, bias: Any) -> None:
    """torch's default for linear and convolution layers: both from U(-1/sqrt(fan_in), same)."""
    init.kaiming_uniform_(weight, a=math.sqrt(5))
    if bias is not None:
        fan_in, _ = init._calculate_fan_in_and_fan_out(weight)
        bound = 1 / math.sqrt(fan_in) if fan_in > 0 else 0
        init.uniform_(bias, -bound, bound)


class Identity(Module):
    """y = x, whatever the arguments it is made with.

    Shapes: any, and the same: the input itself is given back.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Identity.html

    >>> import rushlight as torch
    >>> torch.nn.Identity()(torch.tensor([1.0]))
    tensor([1.])
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Any) -> Any:
        return input


class Linear(Module):
    """y = x W^T + b.

    Shapes: x (*, in_features), W (out_features, in_features), b (out_features), y (*, out).
    W and b start from U(-1/sqrt(in_features), 1/sqrt(in_features)).
    Arguments: `bias` False leaves b out; `device` and `dtype` are the parameters'.
    Raises: RuntimeError for an input of another last size or type.
    Source: https://pytorch.org/docs/stable/generated/torch.nn.Linear.html

    >>> import rushlight as torch
    >>> torch.nn.Linear(20, 30)(torch.zeros(128, 20)).shape
    torch.Size([128, 30])
    """

    __constants__ = ["in_features", "out_features"]

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.weight = Parameter(rl.empty((out_features, in_features), device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(rl.empty(out_features, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        reset_like_linear(self.weight, self.bias)

    def forward(self, input: Any) -> Any:
        # Straight from the table where they are: a lookup through __getattr__ is slow.
        held = self._parameters
        weight, bias = held.get("weight"), held.get("bias")
        if weight is None or (bias is None and "bias" not in held):
            weight, bias = self.weight, self.bias
        return F.linear(input, weight, bias)

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


class NonDynamicallyQuantizableLinear(Linear):
    """Linear under the name that torch prints inside MultiheadAttention."""


class Bilinear(Module):
    """y_k = x1^T W_k x2 + b_k.

    Shapes: x1 (*, in1_features), x2 (*, in2_features), W (out, in1, in2), y (*, out_features).
    W and b start from U(-1/sqrt(in1_features), 1/sqrt(in1_features)); `bias` False leaves b out.
    Raises: RuntimeError for inputs of other last sizes, ValueError for in1_features below 1.
    Source: https://pytorch.org/docs/stable/generated/torch.nn.Bilinear.html

    >>> import rushlight as torch
    >>> torch.nn.Bilinear(2, 3, 4)(torch.zeros(5, 2), torch.zeros(5, 3)).shape
    torch.Size([5, 4])
    """

    __constants__ = ["in1_features", "in2_features", "out_features"]

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if in1_features <= 0:
            raise ValueError(f"in1_features must be > 0, but got (in1_features={in1_features})")
        self.in1_features = in1_features
        self.in2_features = in2_features
        self.out_features = out_features
        sizes = (out_features, in1_features, in2_features)
        self.weight = Parameter(rl.empty(sizes, device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(rl.empty(out_features, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        bound = 1 / math.sqrt(self.weight.shape[1])
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input1: Any, input2: Any) -> Any:
        return F.bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )


class LazyLinear(LazyModuleMixin, Linear):
    """A Linear that takes in_features from its first input.

    Arguments are those of Linear. Until then the parameters have no shape, and asking for it raises
    RuntimeError; afterwards the module is a Linear.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.LazyLinear.html

    >>> import rushlight as torch
    >>> torch.nn.LazyLinear(4)(torch.zeros(2, 3)).shape
    torch.Size([2, 4])
    """

    cls_to_become = Linear

    def __init__(
        self, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(0, 0, False)
        self.out_features = out_features
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        """Draw anew, once there is a shape."""
        if not self.has_uninitialized_params() and self.in_features != 0:
            super().reset_parameters()

    def initialize_parameters(self, input: Any) -> None:
        with rl.no_grad():
            if self.has_uninitialized_params():
                self.in_features = input.shape[-1]
                self.weight.materialize((self.out_features, self.in_features))
                if self.bias is not None:
                    self.bias.materialize((self.out_features,))
                self.reset_parameters()
            elif self.in_features == 0:
                self.in_features = self.weight.shape[-1]


class Flatten(Module):
    """Join the dimensions start_dim .. end_dim into one; by default all but the first.

    Args: start_dim and end_dim, the first and last of them.
    Shapes: (N, a, b, ...) to (N, a * b * ...).
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Flatten.html

    >>> import rushlight as torch
    >>> torch.nn.Flatten()(torch.zeros(2, 3, 4)).shape
    torch.Size([2, 12])
    """

    __constants__ = ["start_dim", "end_dim"]

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: Any) -> Any:
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Split dimension `dim` into the sizes of `unflattened_size`.

    Args: dim, the dimension; unflattened_size, a tuple of sizes, of which one may be -1.
    Shapes: (..., size, ...) to (..., *unflattened_size, ...).
    Raises: RuntimeError for sizes that do not multiply up to the dimension's.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Unflatten.html

    >>> import rushlight as torch
    >>> torch.nn.Unflatten(1, (3, 4))(torch.zeros(2, 12)).shape
    torch.Size([2, 3, 4])
    """

    __constants__ = ["dim", "unflattened_size"]

    def __init__(self, dim: Any, unflattened_size: Any) -> None:
        super().__init__()
        if not isinstance(unflattened_size, (tuple, list)):
            raise TypeError(
                "unflattened_size must be a tuple of ints, but found type "
                + type(unflattened_size).__name__
            )
        for place, size in enumerate(unflattened_size):
            if not isinstance(size, int):
                raise TypeError(
                    "unflattened_size must be tuple of ints, but found element of type "
                    f"{type(size).__name__} at pos {place}"
                )
        self.dim = dim
        self.unflattened_size = unflattened_size

    def forward(self, input: Any) -> Any:
        return input.unflatten(self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
