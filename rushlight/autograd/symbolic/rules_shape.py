"""Rules about shapes and types: what only moves, repeats or renames values, and constants."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

from ...core.primitive import REGISTRY, Elementwise
from ...core.shapes import broadcast
from .algebra import build, counted, number, shaped
from .evaluation import evaluate
from .expressions import CONSTANT, DETACH, OUTPUT, VARIABLE, Expr, constant, is_number

Found = tuple[str, Expr] | None
Rule = Callable[[Expr], Found]
COPIES = frozenset(("clone", "contiguous_copy", "positive", "kept_gradient", "conj"))
RESHAPES = frozenset(("view", "unsafe_view", "squeeze", "squeeze_all", "squeeze_many"))
MOVES = RESHAPES | {"expand", "unsqueeze"}
LEAVES = frozenset((VARIABLE, CONSTANT, OUTPUT, DETACH))


def constant_folding(x: Expr) -> Found:
    """An op on constants alone is a constant."""
    if x.op in LEAVES or not x.args or not isinstance(x.shape, tuple) or x.size > 10_000:
        return None
    if REGISTRY[x.op].outputs != 1 or not all(a.op == CONSTANT for a in x.args):
        return None
    if x.op in MOVES and is_number(x.args[0]):
        return "a repeated number", constant(x.args[0].value, x.dtype, x.shape)
    (value,) = evaluate([x], {})
    found = constant(value._array)
    if is_number(found):
        simple = number(found.value)
        rough = not hasattr(simple, "denominator") and x.op not in ("div", "mul", "add", "sub")
        if rough and all(is_number(a) for a in x.args) and x.op not in ("pow", "sqrt"):
            return None  # log(2) says more than 0.693147
    return "arithmetic on constants", found


def copies(x: Expr) -> Found:
    """clone(x) = x, x.to(its own type) = x, a move to the same shape = x."""
    if x.op in COPIES and x.dtype.kind != "c":
        return "a copy has the same values", x.args[0]
    if x.op == "cast" and x.dtype == x.args[0].dtype:
        return "already of that type", x.args[0]
    if x.op in MOVES | {"sum_to"} and x.shape == x.args[0].shape:
        return "already of that shape", x.args[0]
    if x.op == "permute" and x.params[0] == tuple(range(x.ndim)):
        return "already in that order", x.args[0]
    return None


def named_moves(x: Expr) -> Found:
    """One spelling for each move: transpose(0, 1), unsqueeze, sum."""
    if x.ndim == 2 and x.op in ("t", "permute", "transpose", "t_", "transpose_"):
        swaps = x.op in ("t", "t_") or tuple(p % 2 for p in _order(x)) == (1, 0)
        if swaps and (x.op, x.params) != ("transpose", (0, 1)):
            return "transpose", build("transpose", x.args[0], params=(0, 1))
    if x.op in RESHAPES | {"part"} and x.args[0].ndim == 1 and x.ndim == 2 and (
        1 in x.shape and x.size == x.args[0].size > 1
    ):  # fmt: skip
        dim = 1 if x.shape[1] == 1 else 0
        return "a vector as a row or column", build("unsqueeze", x.args[0], params=(dim,))
    if x.op == "sum_to":
        return "a broadcast's gradient is a sum", _summed_to(x)
    return None


def _order(x: Expr) -> tuple[int, ...]:
    return tuple(x.params[0]) if x.op == "permute" else tuple(x.params)


def _summed_to(x: Expr) -> Expr:
    from_, to = x.args[0], x.shape
    extra = from_.ndim - len(to)
    stretched = [i + extra for i, n in enumerate(to) if n == 1 != from_.shape[i + extra]]
    dims = (*range(extra), *stretched)
    if len(dims) == from_.ndim:
        total = build("sum", from_, params=(None, False))
    else:
        total = build("sum", from_, params=(dims, False))
    return total if total.shape == to else build("view", total, params=(to,))


def moves_of_moves(x: Expr) -> Found:
    """A move of a move is one move (or none)."""
    if not x.args:
        return None
    a = x.args[0]
    if x.op == "transpose" and a.op == "transpose" and set(_dims(x)) == set(_dims(a)):
        return "(A^T)^T = A", a.args[0]
    if x.op in RESHAPES and a.op in RESHAPES | {"unsqueeze"}:
        return "a reshape of a reshape", build("view", a.args[0], params=(x.shape,))
    if x.op == "expand" and a.op in ("expand", "view", "unsqueeze") and a.args[0].size == 1:
        return "a number repeated", build("expand", _scalar(a.args[0]), params=(x.shape,))
    if x.op == "expand" and a.op == "expand":
        return "expand of an expand", build("expand", a.args[0], params=(x.shape,))
    if x.op in RESHAPES and a.op == "expand" and a.args[0].size == 1:
        return "a number repeated", build("expand", _scalar(a.args[0]), params=(x.shape,))
    if x.op in RESHAPES and a.op in ("sum", "mean") and a.params[1]:
        bare = build(a.op, a.args[0], params=(a.params[0], False))
        if bare.shape == x.shape:
            return "a sum without its kept dimension", bare
    return None


def _dims(x: Expr) -> tuple[int, ...]:
    return tuple(p % x.ndim for p in x.params)


def _scalar(x: Expr) -> Expr:
    return x if x.shape == () else build("view", x, params=((),))


def _per_element(x: Expr) -> bool:
    """Whether each element of the result depends on one element of each operand."""
    if x.op in LEAVES:
        return False
    prim = REGISTRY[x.op]
    return type(prim.rule) is Elementwise or prim.dtype == "compare" or x.op == "where"


def broadcast_operands(x: Expr) -> Found:
    """f(a, expand(b)) = f(a, b) where broadcasting gives the same shape."""
    if len(x.args) < 2 or not _per_element(x):
        return None
    for place, a in enumerate(x.args):
        inner = _unspread(a)
        if inner is a:
            continue
        shapes = [b.shape if i != place else inner.shape for i, b in enumerate(x.args)]
        if broadcast(*shapes) == x.shape:
            args = [b if i != place else inner for i, b in enumerate(x.args)]
            return "broadcasting repeats it already", build(x.op, *args, params=x.params)
    return None


def _unspread(a: Expr) -> Expr:
    """What was repeated (or given dimensions of size 1) to make it."""
    if is_number(a) and a.shape:
        return constant(a.value, a.dtype)
    if a.op == "expand":
        return a.args[0]
    if a.op in ("view", "unsqueeze", "part") and a.args[0].size == 1 and a.args[0].ndim < a.ndim:
        return a.args[0]
    if a.op == "sum" and a.params == ((0,), True) and a.ndim == 1:
        return build("sum", a.args[0], params=(None, False))
    return a


def ops_of_repeated(x: Expr) -> Found:
    """f(expand(a)) = expand(f(a)): compute once, repeat the result."""
    if not x.args or not _per_element(x):
        return None
    spread = [a for a in x.args if a.op == "expand"]
    if not spread or any(a.op != "expand" and a.shape != () for a in x.args):
        return None
    inner = build(x.op, *(a.args[0] if a.op == "expand" else a for a in x.args), params=x.params)
    if inner.ndim and inner.size == x.size:
        return None
    return "computed once, then repeated", build("expand", inner, params=(x.shape,))


def sums_of_repeated(x: Expr) -> Found:
    """sum(c) = n c for a repeated number; mean(x) of one is itself."""
    if x.op not in ("sum", "mean") or x.dtype.kind != "f":
        return None
    a = x.args[0]
    dims = range(a.ndim) if x.params[0] is None else x.params[0]
    if is_number(a) or (a.op == "expand" and a.args[0].shape == ()):
        times = 1 if x.op == "mean" else prod(a.shape[i] for i in dims)
        inner = constant(a.value, a.dtype) if is_number(a) else a.args[0]
        return "a sum of equal terms", shaped(
            build("mul", counted(number(times), x.dtype), inner), x
        )
    if a.size == 1 and not a.open:
        return "a sum of one term", _reshaped(a, x)
    return None


def _reshaped(a: Expr, x: Expr) -> Expr:
    return a if a.shape == x.shape else build("view", a, params=(x.shape,))


def cast_constants(x: Expr) -> Found:
    """A number in another type is that number."""
    if x.op == "cast" and is_number(x.args[0]) and x.dtype.kind == "f":
        return "a number of another type", constant(x.args[0].value, x.dtype, x.shape)
    return None


def full_choices(x: Expr) -> Found:
    """where(c, a, b) with a = b; where(True, a, b) = a."""
    if x.op != "where":
        return None
    condition, a, b = x.args
    if a is b:
        return "both choices are the same", shaped(a, x)
    if condition.op == CONSTANT and is_number(condition):
        return "the condition is settled", shaped(a if condition.value else b, x)
    return None


def masks(x: Expr) -> Found:
    """[relu(z) > 0] = [z > 0]; where(c, a, 0) = a [c], as a formula has no infinite values."""
    if x.op == "where" and is_number(x.args[2], 0) and x.args[0].op not in ("eq", "bitwise_and"):
        return "where(c, a, 0) = a [c]", shaped(build("mul", x.args[1], x.args[0]), x)
    if x.op == "gt" and x.args[0].op == "relu" and is_number(x.args[1], 0):
        return "[relu(z) > 0] = [z > 0]", build("gt", x.args[0].args[0], x.args[1])
    return None


SHAPE_RULES: list[Rule] = [
    constant_folding, copies, cast_constants, named_moves, moves_of_moves, broadcast_operands,
    sums_of_repeated, ops_of_repeated, full_choices, masks,
]  # fmt: skip
