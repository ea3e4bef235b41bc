"""Forward mode: a value and its tangent, pushed through every op as it runs.

The tangent of each family of ops follows from its one declaration:

    elementwise   sum of t_i * partial_i
    multilinear   sum over operands of the op with one operand replaced by its tangent
    general       a rule of its own (`pushes`), or the transpose of its pull, which is linear
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ..core.dispatch import ARRAYS, FLOATS, WRAPPERS, promote
from ..core.overrides import OPS
from ..core.primitive import Elementwise, Multilinear, Primitive
from ..core.printing import add_suffixes
from ..core.tensor import Tensor, link_view, wrap
from ..core.values import Value, made
from ..ops.elementwise import add, mul, neg
from ..ops.structure import cast, expand
from .levels import Level, call, route
from .pushes import PUSHES
from .transpose import push_by_pull


class Dual(Value):
    """A Tensor and its tangent at one level; both record and transform on their own.

    The short way (`dual_short`) keeps two bare arrays of one shape and type in `a` and `t`, which
    become Tensors when somebody asks for them; from then on, and for all others, `t` is None.
    """

    __slots__ = ("_primal", "_tangent", "a", "t")
    followed = True

    def __init__(self, level: Level, primal: Tensor, tangent: Tensor) -> None:
        self.level, self._primal, self._tangent = level, primal, tangent
        self.a: Any = None
        self.t: Any = None

    @property
    def primal(self) -> Tensor:
        """The value."""
        if self.t is not None:
            self._settle()
        return self._primal

    @property
    def tangent(self) -> Tensor:
        """The tangent."""
        if self.t is not None:
            self._settle()
        return self._tangent

    def _settle(self) -> None:
        self._primal, self._tangent = wrap(self.a), wrap(self.t)
        self.a: Any = None
        self.t: Any = None

    @property
    def shape(self) -> Any:
        return self._primal._array.shape if self.t is None else self.t.shape

    @property
    def dtype(self) -> Any:
        return self._primal._array.dtype if self.t is None else self.t.dtype

    @property
    def flags(self) -> Any:
        return self._primal._array.flags if self.t is None else self.a.flags

    def core(self) -> Tensor:
        return self.primal

    def detached(self) -> Any:
        array = self.primal._array
        return array.detached() if isinstance(array, Value) else array

    def describe(self) -> str:
        if not self.level.alive:
            return repr(self.primal)
        if self.level.kind == "dual":
            return add_suffixes(repr(self.primal)[:-1], [f"tangent={self.tangent!r}"], 7)
        body = "\n".join("    " + line for line in repr(self.primal).split("\n"))
        return f"GradTrackingTensor(lvl={self.level.depth}, value=\n{body}\n)"

    @staticmethod
    def apply(level: Level, prim: Primitive, inputs: Any, params: Any) -> Any:
        """Evaluate on the primals, and push the tangents through."""
        primals, tangents = [], []
        for x in inputs:
            value = x._array if isinstance(x, Tensor) else x
            t = None
            if type(value) is Dual and value.level is level:
                x, t = value.primal, value.tangent
            primals.append(x)
            tangents.append(t)
        if params:
            params = primal_params(level, params)
        y = call(prim, primals, params)
        if prim.rule is None or not level.alive:
            return y
        if prim.outputs != 1:
            result = _several(level, prim, inputs, primals, tangents, y, params)
        elif y._array.dtype.char not in FLOATS:
            return y
        else:
            t = push(prim, primals, tangents, y, params)
            if t is None and level.kind == "dual" and steps(prim):
                t = _zeros(y)
            result = y if t is None else wrap(Dual(level, y, _fitted(t, y)))
            if t is not None and type(prim.rule) is Multilinear and prim.rule.view:
                link_view(result, inputs[0])
        if level.kind == "dual":
            level.kept(prim, inputs, params, result)
        return result


@functools.cache
def steps(prim: Primitive) -> bool:
    """Whether an op changes in steps alone: its tangent is zero, and is there to be asked for."""
    partials = prim.rule.partials if type(prim.rule) is Elementwise else (None,)
    return all(type(partial) in (int, float) and partial == 0 for partial in partials)


def _zeros(y: Tensor) -> Tensor | None:
    """A tangent of zeros, where there are numbers at all."""
    if getattr(y._array, "absent", False):
        return None
    return wrap(made(np.zeros(y._array.shape, y.dtype.numpy)))


def _several(
    level: Level, prim: Primitive, inputs: Any, primals: Any, tangents: Any, ys: Any, params: Any
) -> tuple[Any, ...]:  # fmt: skip
    """The results of an op that has several."""
    ts = push(prim, primals, tangents, ys, params) or (None,) * len(ys)
    results = tuple(
        y if t is None or y._array.dtype.char not in FLOATS
        else wrap(Dual(level, y, _fitted(t, y)))
        for y, t in zip(ys, ts)
    )  # fmt: skip
    if getattr(prim.rule, "view", False):
        for one in results:
            if type(one._array) is Dual:
                link_view(one, inputs[0])
    return results


def primal_params(level: Level, params: tuple[Any, ...]) -> tuple[Any, ...]:
    """Arrays among the params, without this level's tangents."""
    return tuple(
        primal_params(level, one) if type(one) is tuple
        else one.primal._array if type(one) is Dual and one.level is level else one
        for one in params
    )  # fmt: skip


def _fitted(t: Tensor, y: Tensor) -> Tensor:
    """A tangent in the shape and type of its value."""
    if t._array.dtype is not y._array.dtype and t.dtype is not y.dtype:
        t = cast(t, y.dtype)
    return t if t._array.shape == y._array.shape else expand(t, y._array.shape)


def push(prim: Primitive, primals: Any, tangents: Any, y: Any, params: Any) -> Any:
    """The tangent(s) of an op's result(s), None for zero."""
    own = PUSHES.get(prim.name)
    if own is None:
        own = getattr(prim.rule, "jvp", None)
    if own is not None:
        return own(tangents, y, *((primals,) if prim.arity is None else primals), *params)
    kind = type(prim.rule)
    if kind is Elementwise:
        return _push_elementwise(prim, primals, tangents, y, params)
    if kind is Multilinear:
        return _push_multilinear(prim, primals, tangents, params)
    return push_by_pull(prim, primals, tangents, y, params)


def _push_elementwise(prim: Primitive, primals: Any, tangents: Any, y: Tensor, params: Any) -> Any:
    if y._array.dtype.kind == "c" or any(
        isinstance(x, Tensor) and x._array.dtype.kind == "c" for x in primals
    ):
        return push_by_pull(prim, promote(prim, tuple(primals)), tangents, y, params)
    total = None
    xs: Any = None
    for t, partial in zip(tangents, prim.rule.partials):  # type: ignore[union-attr]  # elementwise
        if t is None or partial is None:
            continue
        if callable(partial):
            if xs is None:
                xs = primals if len(primals) == 1 else _promoted(prim, primals)
            d = partial(y, *xs, *params)
            if isinstance(d, Tensor):
                kind = t.dtype if d.dtype is not t.dtype else None
                term = mul(t, d if kind is None else cast(d, kind))
            elif d == 0:
                continue
            else:
                term = mul(t, d)
        elif partial == 0:
            continue
        else:
            term = t if partial == 1 else neg(t) if partial == -1 else mul(t, partial)
        total = term if total is None else add(total, term)
    return total


def _promoted(prim: Primitive, primals: list[Any]) -> Any:
    """Operands of one type, numbers left as they are."""
    kinds = {x.dtype for x in primals if isinstance(x, Tensor)}
    if len(kinds) == 1:
        return primals
    return promote(prim, tuple(primals))


def _push_multilinear(prim: Primitive, primals: Any, tangents: Any, params: Any) -> Any:
    op = OPS[prim.name]
    total = None
    for place, t in enumerate(tangents):
        if t is not None:
            operands = list(primals)
            operands[place] = t
            term = op(*operands, *params)
            total = term if total is None else add(total, term)
    return total


ARRAYS[Dual] = WRAPPERS[Dual] = route
