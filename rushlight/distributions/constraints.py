"""Regions of values: what a distribution's parameters and samples must satisfy."""

from __future__ import annotations

from typing import Any

import rushlight as rl

__all__ = [
    "Constraint", "MixtureSameFamilyConstraint", "boolean", "cat", "corr_cholesky", "dependent",
    "dependent_property", "greater_than", "greater_than_eq", "half_open_interval", "independent",
    "integer_interval", "interval", "is_dependent", "less_than", "lower_cholesky",
    "lower_triangular", "multinomial", "nonnegative", "nonnegative_integer", "one_hot", "positive",
    "positive_definite", "positive_integer", "positive_semidefinite", "real", "real_vector",
    "simplex", "square", "stack", "symmetric", "unit_interval",
]  # fmt: skip


class Constraint:
    """A region; `check` says for each event whether it lies inside.

    is_discrete: whether it holds isolated values; event_dim: how many dimensions an event has.

    >>> import rushlight as torch
    >>> torch.distributions.constraints.positive.check(torch.tensor([-1.0, 2.0]))
    tensor([False,  True])
    """

    is_discrete: Any = False
    event_dim: Any = 0

    def check(self, value: Any) -> Any:
        """A mask of the batch shape."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return self.__class__.__name__[1:] + "()"


class _Dependent(Constraint):
    """A region that depends on the other parameters.

    >>> from rushlight.distributions import constraints as c
    >>> c.is_dependent(c.dependent), c.is_dependent(c.real)
    (True, False)
    """

    def __init__(self, *, is_discrete: Any = NotImplemented, event_dim: Any = NotImplemented):
        self._is_discrete, self._event_dim = is_discrete, event_dim
        super().__init__()

    @property
    def is_discrete(self) -> bool:
        if self._is_discrete is NotImplemented:
            raise NotImplementedError(".is_discrete cannot be determined statically")
        return self._is_discrete

    @property
    def event_dim(self) -> int:
        if self._event_dim is NotImplemented:
            raise NotImplementedError(".event_dim cannot be determined statically")
        return self._event_dim

    def __call__(self, *, is_discrete: Any = NotImplemented, event_dim: Any = NotImplemented):
        chosen = [
            old if new is NotImplemented else new
            for new, old in ((is_discrete, self._is_discrete), (event_dim, self._event_dim))
        ]
        return _Dependent(is_discrete=chosen[0], event_dim=chosen[1])

    def check(self, value: Any) -> Any:
        raise ValueError("Cannot determine validity of dependent constraint")


class _DependentProperty(property, _Dependent):
    """A property that gives a region, and on the class stands for one.

    >>> import rushlight as torch
    >>> torch.distributions.Uniform.support.is_discrete
    False
    >>> uniform = torch.distributions.Uniform(0.0, 2.0)
    >>> uniform.support.check(torch.tensor([1.0, 3.0]))
    tensor([ True, False])
    """

    def __init__(self, fn: Any = None, *, is_discrete: Any = NotImplemented,
                 event_dim: Any = NotImplemented) -> None:  # fmt: skip
        property.__init__(self, fn)
        self._is_discrete, self._event_dim = is_discrete, event_dim

    def __call__(self, fn: Any) -> _DependentProperty:
        return _DependentProperty(fn, is_discrete=self._is_discrete, event_dim=self._event_dim)


def is_dependent(constraint: Any) -> bool:
    """Whether a region depends on other parameters.

    >>> import rushlight as torch
    >>> c = torch.distributions.constraints
    >>> c.is_dependent(c.dependent), c.is_dependent(c.positive)
    (True, False)
    """
    return isinstance(constraint, _Dependent)


class _Independent(Constraint):
    """`base` with some batch dimensions counted as part of the event.

    >>> import rushlight as torch
    >>> c = torch.distributions.constraints
    >>> c.independent(c.positive, 1).check(torch.tensor([[1.0, 2.0], [1.0, -2.0]]))
    tensor([ True, False])
    """

    def __init__(self, base_constraint: Any, reinterpreted_batch_ndims: int) -> None:
        self.base_constraint = base_constraint
        self.reinterpreted_batch_ndims = reinterpreted_batch_ndims

    @property
    def is_discrete(self) -> bool:
        return self.base_constraint.is_discrete

    @property
    def event_dim(self) -> int:
        return self.base_constraint.event_dim + self.reinterpreted_batch_ndims

    def check(self, value: Any) -> Any:
        result = self.base_constraint.check(value)
        if result.dim() < self.reinterpreted_batch_ndims:
            expected = self.base_constraint.event_dim + self.reinterpreted_batch_ndims
            raise ValueError(f"Expected value.dim() >= {expected} but got {value.dim()}")
        kept = result.dim() - self.reinterpreted_batch_ndims
        return result.reshape(result.shape[:kept] + (-1,)).all(-1)

    def __repr__(self) -> str:
        return f"IndependentConstraint({self.base_constraint!r}, {self.reinterpreted_batch_ndims})"


class MixtureSameFamilyConstraint(Constraint):
    """The support of a mixture: that of its components, checked against each of them.

    >>> import rushlight as torch
    >>> from rushlight.distributions import constraints
    >>> constraint = constraints.MixtureSameFamilyConstraint(constraints.positive)
    >>> constraint.check(torch.tensor([1.0, -1.0]))
    tensor([ True, False])
    """

    def __init__(self, base_constraint: Any) -> None:
        self.base_constraint = base_constraint

    @property
    def is_discrete(self) -> bool:
        return self.base_constraint.is_discrete

    @property
    def event_dim(self) -> int:
        return self.base_constraint.event_dim

    def check(self, value: Any) -> Any:
        each = self.base_constraint.check(value.unsqueeze(-1 - self.event_dim))
        return each.reshape(each.shape[: value.dim() - self.event_dim] + (-1,)).all(-1)

    def __repr__(self) -> str:
        return f"MixtureSameFamilyConstraint({self.base_constraint!r})"


class _Boolean(Constraint):
    is_discrete = True

    def check(self, value: Any) -> Any:
        return (value == 0) | (value == 1)


class _OneHot(Constraint):
    is_discrete = True
    event_dim = 1

    def check(self, value: Any) -> Any:
        return ((value == 0) | (value == 1)).all(-1) & value.sum(-1).eq(1)


class _Bounded(Constraint):
    """A region given by bounds, which its text names."""

    _bounds: tuple[str, ...] = ()

    def __init__(self, *bounds: Any, **named: Any) -> None:
        for name, bound in {**dict(zip(self._bounds, bounds)), **named}.items():
            setattr(self, name, bound)

    def __repr__(self) -> str:
        inside = ", ".join(f"{name}={getattr(self, name)}" for name in self._bounds)
        return f"{self.__class__.__name__[1:]}({inside})"


class _Lower(_Bounded):
    _bounds = ("lower_bound",)
    lower_bound: Any


class _Upper(_Bounded):
    _bounds = ("upper_bound",)
    upper_bound: Any


class _Between(_Bounded):
    _bounds = ("lower_bound", "upper_bound")
    lower_bound: Any
    upper_bound: Any


class _IntegerInterval(_Between):
    """Whole numbers from `lower_bound` to `upper_bound`, both included.

    >>> import rushlight as torch
    >>> torch.distributions.constraints.integer_interval(0, 2).check(torch.tensor([0.5, 2.0]))
    tensor([False,  True])
    """

    is_discrete = True

    def check(self, value: Any) -> Any:
        return (value % 1 == 0) & (self.lower_bound <= value) & (value <= self.upper_bound)


class _IntegerLessThan(_Upper):
    is_discrete = True

    def check(self, value: Any) -> Any:
        return (value % 1 == 0) & (value <= self.upper_bound)


class _IntegerGreaterThan(_Lower):
    is_discrete = True

    def check(self, value: Any) -> Any:
        return (value % 1 == 0) & (value >= self.lower_bound)


class _Real(Constraint):
    def check(self, value: Any) -> Any:
        return value == value  # only nan fails


class _GreaterThan(_Lower):
    """Numbers beyond `lower_bound`.

    >>> import rushlight as torch
    >>> torch.distributions.constraints.greater_than(1).check(torch.tensor([1.0, 2.0]))
    tensor([False,  True])
    """

    def check(self, value: Any) -> Any:
        return self.lower_bound < value


class _GreaterThanEq(_Lower):
    """Numbers from `lower_bound` on.

    >>> import rushlight as torch
    >>> torch.distributions.constraints.greater_than_eq(1).check(torch.tensor([1.0, 2.0]))
    tensor([True, True])
    """

    def check(self, value: Any) -> Any:
        return self.lower_bound <= value


class _LessThan(_Upper):
    """Numbers below `upper_bound`.

    >>> import rushlight as torch
    >>> torch.distributions.constraints.less_than(2).check(torch.tensor([1.0, 2.0]))
    tensor([ True, False])
    """

    def check(self, value: Any) -> Any:
        return value < self.upper_bound


class _Interval(_Between):
    """Numbers from `lower_bound` to `upper_bound`, both included.

    >>> import rushlight as torch
    >>> torch.distributions.constraints.interval(0, 1).check(torch.tensor([1.0, 2.0]))
    tensor([ True, False])
    """

    def check(self, value: Any) -> Any:
        return (self.lower_bound <= value) & (value <= self.upper_bound)


class _HalfOpenInterval(_Between):
    """Numbers from `lower_bound` on and below `upper_bound`.

    >>> import rushlight as torch
    >>> torch.distributions.constraints.half_open_interval(0, 1).check(torch.tensor([0.0, 1.0]))
    tensor([ True, False])
    """

    def check(self, value: Any) -> Any:
        return (self.lower_bound <= value) & (value < self.upper_bound)


class _Simplex(Constraint):
    event_dim = 1

    def check(self, value: Any) -> Any:
        return rl.all(value >= 0, dim=-1) & ((value.sum(-1) - 1).abs() < 1e-6)


class _Multinomial(Constraint):
    """Counts (*, K), none negative, that sum to `upper_bound` at most.

    >>> import rushlight as torch
    >>> torch.distributions.constraints.multinomial(3).check(torch.tensor([[1, 2], [2, 2]]))
    tensor([ True, False])
    """

    is_discrete = True
    event_dim = 1

    def __init__(self, upper_bound: Any) -> None:
        self.upper_bound = upper_bound

    def check(self, value: Any) -> Any:
        return (value >= 0).all(dim=-1) & (value.sum(dim=-1) <= self.upper_bound)


class _LowerTriangular(Constraint):
    event_dim = 2

    def check(self, value: Any) -> Any:
        return (value.tril() == value).reshape(value.shape[:-2] + (-1,)).all(-1)


class _LowerCholesky(Constraint):
    event_dim = 2

    def check(self, value: Any) -> Any:
        lower = (value.tril() == value).reshape(value.shape[:-2] + (-1,)).all(-1)
        return lower & (value.diagonal(dim1=-2, dim2=-1) > 0).all(-1)


class _CorrCholesky(Constraint):
    event_dim = 2

    def check(self, value: Any) -> Any:
        tolerance = rl.finfo(value.dtype).eps * value.size(-1) * 10
        lengths = rl.linalg.norm(value.detach(), dim=-1)
        return _LowerCholesky().check(value) & (lengths - 1).abs().le(tolerance).all(dim=-1)


class _Square(Constraint):
    event_dim = 2

    def check(self, value: Any) -> Any:
        return rl.full(value.shape[:-2], value.shape[-2] == value.shape[-1], dtype=rl.bool)


class _Symmetric(_Square):
    def check(self, value: Any) -> Any:
        square = super().check(value)
        if not square.all():
            return square
        return rl.isclose(value, value.mT, atol=1e-6).all(-2).all(-1)


class _PositiveSemidefinite(_Symmetric):
    def check(self, value: Any) -> Any:
        symmetric = super().check(value)
        return symmetric if not symmetric.all() else rl.linalg.eigvalsh(value).ge(0).all(-1)


class _PositiveDefinite(_Symmetric):
    def check(self, value: Any) -> Any:
        symmetric = super().check(value)
        return symmetric if not symmetric.all() else rl.linalg.cholesky_ex(value).info.eq(0)


class _Cat(Constraint):
    """Regions side by side along a dimension.

    >>> import rushlight as torch
    >>> c = torch.distributions.constraints
    >>> both = c.cat([c.positive, c.unit_interval], dim=0, lengths=[1, 2])
    >>> both.check(torch.tensor([5.0, 0.5, 5.0]))
    tensor([ True,  True, False])
    """

    def __init__(self, cseq: Any, dim: int = 0, lengths: Any = None) -> None:
        self.cseq, self.dim = list(cseq), dim
        self.lengths = [1] * len(self.cseq) if lengths is None else list(lengths)

    @property
    def is_discrete(self) -> bool:
        return any(c.is_discrete for c in self.cseq)

    @property
    def event_dim(self) -> int:
        return max(c.event_dim for c in self.cseq)

    def check(self, value: Any) -> Any:
        parts = value.split(self.lengths, self.dim)
        return rl.cat([c.check(v) for c, v in zip(self.cseq, parts)], self.dim)


class _Stack(Constraint):
    """Regions stacked along a dimension.

    >>> import rushlight as torch
    >>> c = torch.distributions.constraints
    >>> c.stack([c.positive, c.unit_interval], dim=0).check(torch.tensor([5.0, 5.0]))
    tensor([ True, False])
    """

    def __init__(self, cseq: Any, dim: int = 0) -> None:
        self.cseq, self.dim = list(cseq), dim

    @property
    def is_discrete(self) -> bool:
        return any(c.is_discrete for c in self.cseq)

    @property
    def event_dim(self) -> int:
        most = max(c.event_dim for c in self.cseq)
        return most + 1 if self.dim + most < 0 else most

    def check(self, value: Any) -> Any:
        parts = value.unbind(self.dim)
        return rl.stack([c.check(v) for c, v in zip(self.cseq, parts)], self.dim)


dependent, dependent_property = _Dependent(), _DependentProperty
independent, boolean, one_hot = _Independent, _Boolean(), _OneHot()
nonnegative_integer, positive_integer = _IntegerGreaterThan(0), _IntegerGreaterThan(1)
integer_interval, real = _IntegerInterval, _Real()
real_vector = independent(real, 1)
positive, nonnegative = _GreaterThan(0.0), _GreaterThanEq(0.0)
greater_than, greater_than_eq, less_than = _GreaterThan, _GreaterThanEq, _LessThan
multinomial, unit_interval = _Multinomial, _Interval(0.0, 1.0)
interval, half_open_interval, simplex = _Interval, _HalfOpenInterval, _Simplex()
lower_triangular, lower_cholesky = _LowerTriangular(), _LowerCholesky()
corr_cholesky, square, symmetric = _CorrCholesky(), _Square(), _Symmetric()
positive_semidefinite, positive_definite = _PositiveSemidefinite(), _PositiveDefinite()
cat, stack = _Cat, _Stack
