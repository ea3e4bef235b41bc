"""The base of all distributions: shapes, validation, sampling and expansion."""

from __future__ import annotations

import warnings
from typing import Any

import rushlight as rl

from ..core.state import STATE
from ..core.values import together
from . import constraints
from .utils import lazy_property

__all__ = ["Distribution"]


def _everywhere(valid: Any) -> bool:
    """Whether it is true everywhere, in all samples of a `vmap`; programs ask it of every call."""
    tracer, valid = STATE.tracer, together(valid)
    return bool(valid.all()) if tracer is None else tracer.holds(valid._array)


class Distribution:
    """A probability distribution over tensors.

    A sample has the shape `sample_shape + batch_shape + event_shape`: independent draws, then
    differently parametrised distributions, then one outcome. A subclass names its parameters in
    `arg_constraints` and its region in `support`.
    Source: https://pytorch.org/docs/stable/distributions.html

    >>> import rushlight as torch
    >>> torch.distributions.Normal(torch.zeros(3), 1.0).sample((2,)).shape
    torch.Size([2, 3])
    """

    has_rsample: Any = False
    has_enumerate_support: Any = False
    _validate_args: bool = __debug__
    _inner: tuple[str, ...] = ()  # attributes that are distributions of the same batch shape

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Whether distributions check their arguments unless told."""
        if value not in (True, False):
            raise ValueError
        Distribution._validate_args = value

    def __init__(self, batch_shape: Any = (), event_shape: Any = (),
                 validate_args: bool | None = None) -> None:  # fmt: skip
        self._batch_shape, self._event_shape = rl.Size(batch_shape), rl.Size(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args:
            self._validate_parameters()
        super().__init__()

    def _validate_parameters(self) -> None:
        try:
            table = self.arg_constraints
        except NotImplementedError:
            warnings.warn(
                f"{self.__class__} does not define `arg_constraints`. Please set `arg_constraints"
                " = {}` or initialize the distribution with `validate_args=False` to turn off"
                " validation.",
                stacklevel=3,
            )
            return
        for name, constraint in table.items():
            lazy = isinstance(getattr(type(self), name, None), lazy_property)
            if constraints.is_dependent(constraint) or (name not in self.__dict__ and lazy):
                continue
            value = getattr(self, name)
            if not _everywhere(constraint.check(value)):
                raise ValueError(
                    f"Expected parameter {name} ({type(value).__name__} of shape"
                    f" {tuple(value.shape)}) of distribution {self!r} to satisfy the constraint"
                    f" {constraint!r}, but found invalid values:\n{value}"
                )

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The same distribution for a larger batch; parameters are views, not copies."""
        shape = rl.Size(batch_shape)
        new = object.__new__(type(self)) if _instance is None else _instance
        new.__dict__.update(self.__dict__)
        for name, constraint in self.arg_constraints.items():
            if name in self.__dict__:
                value = self.__dict__[name]
                own = value.shape[value.dim() - constraint.event_dim :]
                new.__dict__[name] = value.expand(shape + own)
        for name in self._inner:
            inner = self.__dict__[name]
            extra = inner.batch_shape[len(self._batch_shape) :]
            new.__dict__[name] = inner.expand(shape + extra)
        new._batch_shape = shape
        return new

    def _get_checked_instance(self, cls: type, _instance: Any = None) -> Any:
        if _instance is None and type(self).__init__ != cls.__init__:
            raise NotImplementedError(
                f"Subclass {self.__class__.__name__} of {cls.__name__} that defines a custom"
                " __init__ method must also define a custom .expand() method."
            )
        return self.__new__(type(self)) if _instance is None else _instance

    @property
    def batch_shape(self) -> Any:
        """How many distributions there are, side by side."""
        return self._batch_shape

    @property
    def event_shape(self) -> Any:
        """The shape of one outcome."""
        return self._event_shape

    @property
    def arg_constraints(self) -> dict[str, Any]:
        """The region of each parameter."""
        raise NotImplementedError

    @property
    def support(self) -> Any:
        """The region of the samples."""
        raise NotImplementedError

    @property
    def mean(self) -> Any:
        """The expected value."""
        raise NotImplementedError

    @property
    def mode(self) -> Any:
        """The likeliest value."""
        raise NotImplementedError(f"{self.__class__} does not implement mode")

    @property
    def variance(self) -> Any:
        """The variance."""
        raise NotImplementedError

    @property
    def stddev(self) -> Any:
        """The square root of the variance."""
        return self.variance.sqrt()

    def sample(self, sample_shape: Any = ()) -> Any:
        """Draws without gradient."""
        with rl.no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Draws that are differentiable in the parameters."""
        raise NotImplementedError

    def sample_n(self, n: int) -> Any:
        """`sample((n,))`."""
        warnings.warn(
            "`sample_n(n)` will be deprecated. Use `sample((n,))` instead.",
            FutureWarning, stacklevel=2,
        )  # fmt: skip
        return self.sample(rl.Size((n,)))

    def log_prob(self, value: Any) -> Any:
        """The logarithm of the density, or of the probability, at `value`."""
        raise NotImplementedError

    def cdf(self, value: Any) -> Any:
        """The probability of at most `value`."""
        raise NotImplementedError

    def icdf(self, value: Any) -> Any:
        """The value below which a sample lies with probability `value`."""
        raise NotImplementedError

    def enumerate_support(self, expand: bool = True) -> Any:
        """All values of a discrete distribution, along a new first dimension."""
        raise NotImplementedError

    def entropy(self) -> Any:
        """The entropy in nats."""
        raise NotImplementedError

    def perplexity(self) -> Any:
        """exp of the entropy."""
        return rl.exp(self.entropy())

    def _extended_shape(self, sample_shape: Any = ()) -> Any:
        return rl.Size(sample_shape) + self._batch_shape + self._event_shape

    def _validate_sample(self, value: Any) -> None:
        if not isinstance(value, rl.Tensor):
            raise ValueError("The value argument to log_prob must be a Tensor")
        own = value.shape[value.dim() - len(self._event_shape) :]
        if own != self._event_shape:
            raise ValueError(
                "The right-most size of value must match event_shape:"
                f" {value.size()} vs {self._event_shape}."
            )
        expected = self._batch_shape + self._event_shape
        for i, j in zip(reversed(value.size()), reversed(expected)):
            if i != 1 and j != 1 and i != j:
                raise ValueError(
                    "Value is not broadcastable with batch_shape+event_shape:"
                    f" {value.size()} vs {expected}."
                )
        try:
            support = self.support
        except NotImplementedError:
            warnings.warn(
                f"{self.__class__} does not define `support` to enable sample validation. Please"
                " initialize the distribution with `validate_args=False` to turn off validation.",
                stacklevel=3,
            )
            return
        if not _everywhere(support.check(value)):
            raise ValueError(
                f"Expected value argument ({type(value).__name__} of shape {tuple(value.shape)})"
                f" to be within the support ({support!r}) of the distribution {self!r}, but found"
                f" invalid values:\n{value}"
            )

    def _checked(self, value: Any) -> Any:
        """`value`, validated if this distribution validates."""
        if self._validate_args:
            self._validate_sample(value)
        return value

    def __repr__(self) -> str:
        held = [
            (name, self.__dict__[name]) for name in self.arg_constraints if name in self.__dict__
        ]
        inside = [f"{name}: {v if v.numel() == 1 else v.size()}" for name, v in held]
        return self.__class__.__name__ + "(" + ", ".join(inside) + ")"
