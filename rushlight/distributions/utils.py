"""What the distributions share: broadcasting of parameters, and probabilities against logits."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from numbers import Number
from typing import Any

import rushlight as rl

__all__ = [
    "broadcast_all", "clamp_probs", "lazy_property", "logits_to_probs", "probs_to_logits",
    "tril_matrix_to_vec", "vec_to_tril_matrix",
]  # fmt: skip

EULER = 0.57721566490153286


def broadcast_all(*values: Any) -> tuple[Any, ...]:
    """Numbers and tensors as tensors of one shape; numbers take the first tensor's type.

    Raises: ValueError for anything else.

    >>> import rushlight as torch
    >>> from rushlight.distributions.utils import broadcast_all
    >>> broadcast_all(torch.zeros(2), 1.0)
    (tensor([0., 0.]), tensor([1., 1.]))
    """
    if not all(isinstance(v, (rl.Tensor, Number)) for v in values):
        raise ValueError(
            "Input arguments must all be instances of Number, torch.Tensor or objects implementing"
            " __torch_function__."
        )
    tensors = [v for v in values if isinstance(v, rl.Tensor)]
    dtype = tensors[0].dtype if tensors else rl.get_default_dtype()
    filled = [v if isinstance(v, rl.Tensor) else rl.tensor(v, dtype=dtype) for v in values]
    return tuple(rl.broadcast_tensors(*filled))


def standard_normal(shape: Any, dtype: Any, device: Any = None) -> Any:
    """Normal numbers from the default generator."""
    return rl.empty(shape, dtype=dtype).normal_()


def sum_rightmost(value: Any, dims: int) -> Any:
    """The sum over the last `dims` dimensions."""
    if dims == 0:
        return value
    return value.reshape(value.shape[: value.dim() - dims] + (-1,)).sum(-1)


_standard_normal, _sum_rightmost = standard_normal, sum_rightmost  # as programs import them


def logits_to_probs(logits: Any, is_binary: bool = False) -> Any:
    """Probabilities of log-odds (binary) or of unnormalised log-probabilities (last dimension).

    >>> import rushlight as torch
    >>> from rushlight.distributions.utils import logits_to_probs
    >>> logits_to_probs(torch.zeros(4)), logits_to_probs(torch.zeros(1), is_binary=True)
    (tensor([0.2500, 0.2500, 0.2500, 0.2500]), tensor([0.5000]))
    """
    return rl.sigmoid(logits) if is_binary else rl.softmax(logits, -1)


def clamp_probs(probs: Any) -> Any:
    """Probabilities kept one rounding away from 0 and 1.

    >>> import rushlight as torch
    >>> from rushlight.distributions.utils import clamp_probs
    >>> clamp_probs(torch.tensor([0.0, 0.5, 1.0])) > 0
    tensor([True, True, True])
    """
    eps = rl.finfo(probs.dtype).eps
    return probs.clamp(min=eps, max=1 - eps)


def probs_to_logits(probs: Any, is_binary: bool = False) -> Any:
    """The log-odds (binary) or log-probabilities of probabilities.

    >>> import rushlight as torch
    >>> from rushlight.distributions.utils import probs_to_logits
    >>> probs_to_logits(torch.tensor([0.5, 0.75]), is_binary=True)
    tensor([0.0000, 1.0986])
    """
    held = clamp_probs(probs)
    return rl.log(held) - rl.log1p(-held) if is_binary else rl.log(held)


class _Lazy:
    """A property that is computed once, and then is a plain attribute.

    >>> from rushlight.distributions.utils import lazy_property
    >>> class Square:
    ...     @lazy_property
    ...     def area(self):
    ...         print("computed")
    ...         return 4.0
    >>> square = Square()
    >>> square.area, square.area
    computed
    (4.0, 4.0)
    """

    def __init__(self, wrapped: Callable[[Any], Any]) -> None:
        self.wrapped = wrapped
        update_wrapper(self, wrapped)  # type: ignore[arg-type]  # no function itself

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        with rl.enable_grad():
            value = self.wrapped(instance)
        setattr(instance, self.wrapped.__name__, value)
        return value


# Checkers see what the property gives, not the descriptor.
lazy_property: Any = _Lazy


def one_of_two(probs: Any, logits: Any) -> None:
    """torch's error unless exactly one of them was given."""
    if (probs is None) == (logits is None):
        raise ValueError("Either `probs` or `logits` must be specified, but not both.")


class ProbabilityOrLogits:
    """A distribution given by `probs` or `logits`, each of which follows from the other."""

    _is_binary = False  # whether `probs` is one of two outcomes' or a row that sums to 1

    @lazy_property
    def logits(self) -> Any:
        """Log-odds of success, or logarithms of the row of probabilities."""
        return probs_to_logits(self.probs, self._is_binary)

    @lazy_property
    def probs(self) -> Any:
        """The probability of success, or a row of probabilities."""
        return logits_to_probs(self.logits, self._is_binary)

    @property
    def _param(self) -> Any:
        return self.probs if "probs" in self.__dict__ else self.logits

    @property
    def param_shape(self) -> Any:
        """The shape of the parameter."""
        return self._param.size()


class SuccessProbability(ProbabilityOrLogits):
    """A distribution of trials that succeed or fail."""

    _is_binary = True
    total_count: Any

    def _take(self, probs: Any, logits: Any, total_count: Any = None) -> Any:
        """Keep the one that was given, and the number of trials where there is one: the shape."""
        one_of_two(probs, logits)
        name, given = ("probs", probs) if probs is not None else ("logits", logits)
        if total_count is None:
            (value,) = broadcast_all(given)
        else:
            self.total_count, value = broadcast_all(total_count, given)
            self.total_count = self.total_count.type_as(value)
        setattr(self, name, value)
        return value.size()


def vec_to_tril_matrix(vec: Any, diag: int = 0) -> Any:
    """A lower triangle filled, row by row, from the last dimension.

    >>> import rushlight as torch
    >>> from rushlight.distributions.utils import vec_to_tril_matrix
    >>> vec_to_tril_matrix(torch.tensor([1, 3, 4]))
    tensor([[1, 0],
            [3, 4]])
    """
    n = round((-(1 + 2 * diag) + ((1 + 2 * diag) ** 2 + 8 * vec.shape[-1] + 4 * abs(diag)
              * (diag + 1)) ** 0.5) / 2)  # fmt: skip
    if vec.shape[-1] != _triangle_size(n, diag):
        raise ValueError(
            f"The size of last dimension is {vec.shape[-1]} which cannot be expressed as"
            " the lower triangular part of a square D x D matrix."
        )
    mat = vec.new_zeros(vec.shape[:-1] + (n, n))
    row, column = rl.tril_indices(n, n, offset=diag).unbind()
    mat[..., row, column] = vec
    return mat


def _triangle_size(n: int, diag: int) -> int:
    return sum(min(max(i + 1 + diag, 0), n) for i in range(n))


def tril_matrix_to_vec(mat: Any, diag: int = 0) -> Any:
    """The lower triangle (*, n, n), row by row, as (*, k); diag: where it ends, as in `torch.tril`.

    >>> import rushlight as torch
    >>> from rushlight.distributions.utils import tril_matrix_to_vec
    >>> tril_matrix_to_vec(torch.tensor([[1, 2], [3, 4]]))
    tensor([1, 3, 4])
    """
    n = mat.shape[-1]
    if diag < -n or diag >= n:
        raise ValueError(f"diag ({diag}) provided is outside [{-n}, {n - 1}].")
    row, column = rl.tril_indices(n, n, offset=diag).unbind()
    return mat[..., row, column]
