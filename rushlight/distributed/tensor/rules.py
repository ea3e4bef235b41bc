"""How ops work on tensors in parts: the possible ways, for each dimension of the mesh.

A way says how each operand is to lie and how the result then lies. `ways(prim, operands, params)`
lists those of an op; `dispatching` takes the one that moves the fewest bytes. An op without a rule
has one way: all of everything, everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ...core.primitive import Elementwise
from .placements import NormPartial, Partial, Placement, Replicate, Shard

R, SUM, AVG = Replicate(), Partial("sum"), Partial("avg")
Way = tuple[tuple[Any, ...], Placement | tuple[Placement, ...]]


@dataclass(frozen=True)
class Operand:
    """A tensor among the operands: its shape, how it lies, and over how many processes."""

    shape: tuple[int, ...]
    now: Placement
    count: int

    def even(self, dim: int) -> bool:
        """Whether all processes have equal parts along a dimension."""
        return self.shape[dim] % self.count == 0

    def fills(self, dim: int) -> bool:
        """Whether every process has something of a dimension."""
        return (self.count - 1) * -(-self.shape[dim] // self.count) < self.shape[dim]

    def splits(self, dim: int) -> bool:
        """Whether a dimension is there to be cut: every process gets something, or it is cut."""
        return self.shape[dim] >= self.count or self.now == Shard(dim)


Rule = Callable[..., list[Way]]
RULES: dict[str, Rule] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Declare the rule of some ops: from operands (None for what is no tensor) and parameters."""

    def declare(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, function))
        return function

    return declare


def ways(prim: Any, operands: Sequence[Operand | None], params: Any) -> list[Way]:
    """The ways in which an op goes along one dimension of the mesh; the last: all whole."""
    found: Rule | None = RULES.get(prim.name)
    if found is None and _elementwise(prim):
        found = elementwise
    listed = found(operands, *params) if found else []
    return [*listed, (tuple([None if x is None else R for x in operands]), R)]


def _elementwise(prim: Any) -> bool:
    return prim.arity is not None and (
        type(prim.rule) is Elementwise
        or (prim.rule is None and prim.dtype in ("compare", "promote", "float"))
        or prim.name in ALIKE
    )


# what computes each element from the elements at its place, though it is no Elementwise
ALIKE = frozenset(
    """
cast cast_to_integer clone kept_gradient contiguous_copy zero where lerp addcmul addcdiv isnan isinf
isfinite nan_to_num hardtanh leaky_relu elu gelu gelu_tanh silu softplus mish log_sigmoid hardshrink
softshrink threshold hardsigmoid hardswish slope_at normal_cdf scaled halved sgn copy fill
conj_physical angle logit complex polar
""".split()
)
# linear in every operand that is a tensor, together or (PRODUCTS) one at a time
LINEAR = frozenset("""
cast clone kept_gradient contiguous_copy zero neg add sub scaled halved conj
""".split())  # fmt: skip


def _shape(operands: Sequence[Operand | None]) -> list[int]:
    """The sizes that operands have together."""
    given = [x.shape for x in operands if x is not None]
    rank = max(map(len, given))
    sizes = [1] * rank
    for shape in given:
        for dim, size in enumerate(shape, rank - len(shape)):
            sizes[dim] = size if size != 1 else sizes[dim]
    return sizes


def elementwise(operands: Sequence[Operand | None], *params: Any) -> list[Way]:
    """Cut along any dimension of the result; operands that lack it, or have size 1, are whole."""
    sizes, found = _shape(operands), []
    for dim, size in enumerate(sizes):
        targets: list[Any] = []
        cuts = False
        for x in operands:
            own = None if x is None else dim - len(sizes) + len(x.shape)
            if x is None or own is None:
                targets.append(None)
            elif own < 0 or x.shape[own] != size:
                targets.append(R)
            else:
                cuts = cuts or x.splits(own)
                targets.append(Shard(own))
        if cuts and size > 1:
            found.append((tuple(targets), Shard(dim)))
    return found


def _linear(operands: Sequence[Operand | None], *params: Any) -> list[Way]:
    """The same, and a sum of parts is a part of the sum. A number would be added by each."""
    found = elementwise(operands)
    kinds = {None if x is None else x.now for x in operands}
    for kind in (SUM, AVG):
        if kinds == {kind}:
            found.append(((kind,) * len(operands), kind))
    return found


for _name in LINEAR:
    RULES[_name] = _linear


@rule("mul")
def _product(operands: Sequence[Operand | None]) -> list[Way]:
    found = elementwise(operands)
    first, second = operands
    for kind in (SUM, AVG):
        if first is not None and first.now == kind:
            found.append(((kind, None if second is None else R), kind))
        if second is not None and second.now == kind and first is not None:
            found.append(((R, kind), kind))
    return found


@rule("div")
def _quotient(operands: Sequence[Operand | None]) -> list[Way]:
    found = elementwise(operands)
    first, second = operands
    if first is not None and first.now in (SUM, AVG):
        found.append(((first.now, None if second is None else R), first.now))
    return found


# Sums of products


def contraction(terms: str) -> Rule:
    """Ways of a sum of products, "bik,bkj->bij": cut along any letter, or one operand in parts.

    A letter that the result lacks leaves partial sums. Leading dots stand for dimensions in common.
    """
    given, result = terms.split("->")
    letters = given.split(",")

    def found(operands: Sequence[Operand | None], *params: Any) -> list[Way]:
        named = [_named(one, x) for one, x in zip(letters, operands)]
        rank = max((len(x.shape) - len(one.removeprefix("...")) for one, x in zip(letters, operands)
                    if x is not None and "." in one), default=0)  # fmt: skip
        out = [*range(-rank, 0), *result.removeprefix("...")]
        listed: list[Way] = []
        for letter in dict.fromkeys([*out, *(one for names in named for one in names)]):
            way = _along(letter, named, operands)
            if way is not None:
                listed.append((way, Shard(out.index(letter)) if letter in out else SUM))
        return listed + _summands(operands)

    return found


def _named(term: str, x: Operand | None) -> list[Any]:
    """A letter, or a negative number for one of the leading ones, for each dimension."""
    if x is None:
        return []
    own = term.removeprefix("...")
    return [*range(len(own) - len(x.shape), 0), *own]


def _along(letter: Any, named: Any, operands: Sequence[Operand | None]) -> Any:
    """How operands lie when a letter is cut; None where there is nothing to cut."""
    targets: list[Any] = []
    cuts = False
    for names, x in zip(named, operands):
        if x is None:
            targets.append(None)
        elif letter in names and x.shape[names.index(letter)] != 1:
            dim = names.index(letter)
            cuts = cuts or x.splits(dim)
            targets.append(Shard(dim))
        else:
            targets.append(R)
    return tuple(targets) if cuts else None


def _summands(operands: Sequence[Operand | None]) -> list[Way]:
    """One operand in partial sums, the others whole."""
    found: list[Way] = []
    for place, x in enumerate(operands):
        if x is not None and x.now in (SUM, AVG):
            targets: list[Any] = [None if other is None else R for other in operands]
            targets[place] = x.now
            found.append((tuple(targets), x.now))
    return found


def _matmul(operands: Sequence[Operand | None], *params: Any) -> list[Way]:
    first, second = operands[0], operands[1]
    assert first is not None and second is not None
    left = "k" if len(first.shape) == 1 else "...ik"
    right = "k" if len(second.shape) == 1 else "...kj"
    rows = "...i" if len(left) > 1 else "..." if len(right) > 1 else ""
    return contraction(f"{left},{right}->{rows}{'j' if len(right) > 1 else ''}")(operands)


RULES["matmul"] = RULES["bmm"] = _matmul
RULES["linear"] = contraction("...k,jk->...j")


@rule("linear_bias")
def _with_bias(operands: Sequence[Operand | None], *params: Any) -> list[Way]:
    """A bias is added by each process to its part, or is a part of the sum itself."""
    listed: list[Way] = []
    for targets, out in RULES["linear"](operands[:2]):
        x = operands[2]
        last = len(operands[0].shape) - 1  # type: ignore[union-attr]  # the layer's input
        if isinstance(out, Partial):
            if x is not None and x.now in (out, R) and out == SUM:
                listed.append(((*targets, out), out))
        else:
            listed.append(((*targets, Shard(0) if out == Shard(last) else R), out))
    return listed


# Reductions


def _dims(dims: Any, rank: int) -> tuple[int, ...]:
    if dims is None:
        return tuple(range(rank))
    return tuple(dim % rank for dim in ((dims,) if isinstance(dims, int) else dims)) if rank else ()


def _kept_place(dim: int, dims: Any, keep: bool) -> int:
    return dim if keep else dim - sum(one < dim for one in dims)


def reduction(partial: Partial | None, even: bool = False, linear: bool = False) -> Rule:
    """Ways of an op that reduces dimensions: what is cut along one of them leaves `partial`."""

    def found(operands: Sequence[Operand | None], dims: Any = None, *rest: Any) -> list[Way]:
        (x,) = operands
        assert x is not None
        keep = bool(rest[-1]) if rest else False
        gone = _dims(dims, len(x.shape))
        listed: list[Way] = []
        for dim in range(len(x.shape)):
            if not x.splits(dim):
                continue
            if dim not in gone:
                listed.append(((Shard(dim),), Shard(_kept_place(dim, gone, keep))))
            elif partial is not None and x.fills(dim) and (not even or x.even(dim)):
                listed.append(((Shard(dim),), partial))
        if linear and x.now in (SUM, AVG):
            listed.append(((x.now,), x.now))
        if partial is not None and not linear and x.now == partial:
            listed.append(((partial,), partial))
        return listed

    return found


RULES["sum"] = reduction(SUM, linear=True)
RULES["mean"] = reduction(AVG, even=True, linear=True)
RULES["amax"] = RULES["max_all"] = reduction(Partial("max"))
RULES["amin"] = RULES["min_all"] = reduction(Partial("min"))
RULES["prod"] = reduction(Partial("product"))
RULES["all"] = reduction(Partial("product"))
RULES["any"] = reduction(SUM)
for _name in ("var", "std", "logsumexp", "argmax", "argmin"):
    RULES[_name] = reduction(None)


@rule("linalg_vector_norm")
def _norm(operands: Sequence[Operand | None], order: float, dims: Any, keep: bool) -> list[Way]:
    partial = NormPartial("sum", _whole_number(order)) if order else None
    return reduction(partial)(operands, dims, keep)


def _whole_number(order: float) -> float:
    return int(order) if order == order // 1 and abs(order) != float("inf") else order


@rule("sum_to")
def _sum_to(operands: Sequence[Operand | None], shape: Any) -> list[Way]:
    (x,) = operands
    assert x is not None
    extra = len(x.shape) - len(shape)
    listed: list[Way] = []
    for dim, size in enumerate(x.shape):
        if not x.splits(dim):
            continue
        gone = dim < extra or (shape[dim - extra] == 1 != size)
        listed.append(((Shard(dim),), SUM if gone else Shard(dim - extra)))
    if x.now in (SUM, AVG):
        listed.append(((x.now,), x.now))
    return listed


@rule("mean_squared_error")
def _squared_error(operands: Sequence[Operand | None]) -> list[Way]:
    first, second = operands
    assert first is not None and second is not None
    if first.shape != second.shape:
        return []
    return [((Shard(dim),) * 2, AVG) for dim in range(len(first.shape))
            if first.shape[dim] and first.even(dim)]  # fmt: skip


# Along one dimension, which stays whole


def along(*names: str) -> None:
    """Ops that work along dimension `params[0]` and leave the shape as it is."""

    def found(operands: Sequence[Operand | None], dims: Any, *rest: Any) -> list[Way]:
        (x,) = operands
        assert x is not None
        busy = _dims(dims, len(x.shape))
        return [((Shard(dim),), Shard(dim)) for dim in range(len(x.shape))
                if dim not in busy and x.splits(dim)]  # fmt: skip

    RULES.update(dict.fromkeys(names, found))


along("softmax", "log_softmax", "cumsum", "cumprod", "flip")
