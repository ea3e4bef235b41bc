"""Smooth activation layers: each applies the function of `nn.functional` of its name."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from . import functional as F
from .activation_arguments import Alpha, Inplace
from .module import Module


class SELU(Inplace):
    """scale (max(x, 0) + min(alpha (e^x - 1), 0)), scale = 1.0507..., alpha = 1.6732...

    Args: inplace, whether to write the result over the input.
    Shapes: any, and the same.
    Raises: NotImplementedError for bools, whole numbers and complex numbers.
    Source: Klambauer et al., Self-Normalizing Neural Networks, 2017 (arXiv:1706.02515).

    >>> import rushlight as torch
    >>> torch.nn.SELU()(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 1.0507])
    """

    def forward(self, input: Any) -> Any:
        return F.selu(input, self.inplace)


class SiLU(Inplace):
    """x sigmoid(x), also known as swish.

    Args: inplace, whether to write the result over the input.
    Shapes: any, and the same.
    Raises: NotImplementedError for bools and whole numbers.
    Source: Hendrycks and Gimpel, 2016 (arXiv:1606.08415).

    >>> import rushlight as torch
    >>> torch.nn.SiLU()(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 0.7311])
    """

    def forward(self, input: Any) -> Any:
        return F.silu(input, inplace=self.inplace)


class Mish(Inplace):
    """x tanh(log(1 + e^x)).

    Args: inplace, whether to write the result over the input.
    Shapes: any, and the same.
    Raises: NotImplementedError for bools, whole numbers and complex numbers.
    Source: Misra, 2019 (arXiv:1908.08681).

    >>> import rushlight as torch
    >>> torch.nn.Mish()(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 0.8651])
    """

    def forward(self, input: Any) -> Any:
        return F.mish(input, inplace=self.inplace)


class ELU(Alpha):
    """x where x > 0, else alpha (e^x - 1).

    Args: alpha, minus the limit at -inf; inplace, whether to write the result over the input.
    Shapes: any, and the same.
    Raises: NotImplementedError for bools, whole numbers and complex numbers.
    Source: Clevert et al., 2015 (arXiv:1511.07289).

    >>> import rushlight as torch
    >>> torch.nn.ELU()(torch.tensor([0.0, 1.0]))
    tensor([0., 1.])
    """

    def forward(self, input: Any) -> Any:
        return F.elu(input, self.alpha, self.inplace)


class CELU(Alpha):
    """max(x, 0) + min(alpha (e^(x / alpha) - 1), 0).

    Args: alpha, minus the limit at -inf; inplace, whether to write the result over the input.
    Shapes: any, and the same.
    Raises: NotImplementedError for bools, whole numbers and complex numbers.
    Source: Barron, 2017 (arXiv:1704.07483).

    >>> import rushlight as torch
    >>> torch.nn.CELU()(torch.tensor([-1.0, 2.0]))
    tensor([-0.6321,  2.0000])
    """

    def forward(self, input: Any) -> Any:
        return F.celu(input, self.alpha, self.inplace)


class Sigmoid(Module):
    """1 / (1 + e^-x).

    Shapes: any, and the same.
    Types: bools and whole numbers count as the default float type.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Sigmoid.html

    >>> import rushlight as torch
    >>> torch.nn.Sigmoid()(torch.tensor([0.0, 1.0]))
    tensor([0.5000, 0.7311])
    """

    def forward(self, input: Any) -> Any:
        return rl.sigmoid(input)


class Tanh(Module):
    """(e^x - e^-x) / (e^x + e^-x).

    Shapes: any, and the same.
    Types: bools and whole numbers count as the default float type.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Tanh.html

    >>> import rushlight as torch
    >>> torch.nn.Tanh()(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 0.7616])
    """

    def forward(self, input: Any) -> Any:
        return rl.tanh(input)


class LogSigmoid(Module):
    """log(1 / (1 + e^-x)), without overflow.

    Shapes: any, and the same.
    Raises: NotImplementedError for bools, whole numbers and complex numbers.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.LogSigmoid.html

    >>> import rushlight as torch
    >>> torch.nn.LogSigmoid()(torch.tensor([0.0]))
    tensor([-0.6931])
    """

    def forward(self, input: Any) -> Any:
        return F.logsigmoid(input)


class Softsign(Module):
    """x / (1 + |x|).

    Shapes: any, and the same.
    Raises: NotImplementedError for bools.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Softsign.html

    >>> import rushlight as torch
    >>> torch.nn.Softsign()(torch.tensor([-1.0, 3.0]))
    tensor([-0.5000,  0.7500])
    """

    def forward(self, input: Any) -> Any:
        return F.softsign(input)


class Tanhshrink(Module):
    """x - tanh(x).

    Shapes: any, and the same.
    Raises: RuntimeError for bools.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Tanhshrink.html

    >>> import rushlight as torch
    >>> torch.nn.Tanhshrink()(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 0.2384])
    """

    def forward(self, input: Any) -> Any:
        return F.tanhshrink(input)


class GELU(Module):
    """x Phi(x), Phi the normal distribution function; or an approximation by tanh.

    Args: approximate, "none" or "tanh": x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2.
    Shapes: any, and the same.
    Raises: NotImplementedError for bools, whole numbers and complex numbers, RuntimeError for
    another approximation.
    Source: Hendrycks and Gimpel, 2016 (arXiv:1606.08415).

    >>> import rushlight as torch
    >>> torch.nn.GELU()(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 0.8413])
    """

    __constants__ = ["approximate"]

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Any) -> Any:
        return F.gelu(input, approximate=self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class GLU(Module):
    """a sigmoid(b), a and b the halves of x along `dim`.

    Args: dim, the dimension to be halved (default: the last).
    Shapes: (..., 2n, ...) to (..., n, ...).
    Raises: NotImplementedError for bools, whole numbers and complex numbers, RuntimeError for an
    odd size.
    Source: Dauphin et al., 2016 (arXiv:1612.08083).

    >>> import rushlight as torch
    >>> torch.nn.GLU()(torch.tensor([2.0, 0.0]))
    tensor([1.])
    """

    __constants__ = ["dim"]

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Any) -> Any:
        return F.glu(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softplus(Module):
    """log(1 + e^(beta x)) / beta, and x itself where beta x > threshold.

    Args: beta, the steepness of the bend; threshold, from where on the line is taken.
    Shapes: any, and the same.
    Raises: NotImplementedError for bools, whole numbers and complex numbers.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Softplus.html

    >>> import rushlight as torch
    >>> torch.nn.Softplus()(torch.tensor([0.0]))
    tensor([0.6931])
    """

    __constants__ = ["beta", "threshold"]

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = beta
        self.threshold = threshold

    def forward(self, input: Any) -> Any:
        return F.softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"
