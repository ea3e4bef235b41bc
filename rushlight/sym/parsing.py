"""Formulas in text: `1/(exp(-(w*x + b)) + 1)`, read without running any of it as Python."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

from .. import functions as f
from ..autograd.symbolic.values import symbol
from ..core import dtypes
from ..core.errors import fail
from ..core.tensor import Tensor
from ..ops.fused.activations import gelu, silu
from ..ops.transcendental import relu

NUMBERS = {"pi": math.pi, "e": math.e, "inf": math.inf}


def _power(base: Any, exponent: Any) -> Any:
    """A power of real numbers; whole ones that take more than a word are not computed exactly."""
    if type(base) is int is type(exponent) and base.bit_length() * abs(exponent) > 64:
        return float(base) ** exponent
    found = base**exponent
    return math.nan if type(found) is complex else found


OPERATORS: dict[type, Callable[..., Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
    ast.Div: operator.truediv, ast.Pow: _power, ast.MatMult: operator.matmul,
    ast.USub: operator.neg, ast.UAdd: operator.pos, ast.Gt: operator.gt, ast.Lt: operator.lt,
    ast.GtE: operator.ge, ast.LtE: operator.le,
}  # fmt: skip
BY_NAME = (
    "abs acos acosh asin asinh atan atan2 atanh cos cosh dot erf erfc exp exp2 expm1 lgamma log"
    " log10 log1p log2 logaddexp matmul maximum mean minimum outer prod rsqrt sigmoid sign sin sinh"
    " sqrt square sum tan tanh trace where"
).split()
LONGEST = 20_000


def _last(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x: function(x, x.ndim - 1)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{name: getattr(f, name) for name in BY_NAME},
    "ln": f.log, "relu": relu, "softplus": lambda x: f.log1p(f.exp(x)), "gelu": gelu, "silu": silu,
    "norm": lambda x: f.sqrt(f.sum(x * x)), "max": f.maximum, "min": f.minimum, "pow": f.pow,
    "softmax": _last(f.softmax), "log_softmax": _last(f.log_softmax),
    "logsumexp": _last(f.logsumexp), "transpose": lambda x: x.T,
}  # fmt: skip


def parse(source: str, shapes: Mapping[str, Any] | None = None, dtype: Any = None) -> Any:
    """The expression that a formula in text means; names become variables.

    Operators: + - * / @ and ** (or ^) for powers; `.T` transposes. Variables are numbers of double
    precision unless `shapes` gives a shape; `pi`, `e` and `inf` are numbers unless given a shape.

    Raises: ValueError naming the place that is not understood.

    >>> import rushlight as torch
    >>> torch.sym.parse("sin(x)^2 + y")
    sin(x)**2 + y
    """
    if len(source) > LONGEST:
        raise ValueError(f"a formula of {len(source)} characters; at most {LONGEST} are read")
    try:
        tree = ast.parse(source.strip().replace("^", "**"), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        at = getattr(error, "offset", None)
        raise fail(
            ValueError, f"the formula {source!r} is not understood",
            *([f"at character {at}: {error.args[0]}"] if at else []),
        ) from None  # fmt: skip
    try:
        return _Reader(source, dict(shapes or {}), dtype or dtypes.float64).value(tree.body)
    except RecursionError:
        raise ValueError("the formula is nested too deeply") from None
    except ZeroDivisionError:
        raise ValueError(f"{source} divides by zero") from None
    except OverflowError:
        raise ValueError(f"{source} has a number too large for float64") from None


class _Reader:
    def __init__(self, source: str, shapes: dict[str, Any], dtype: Any) -> None:
        self.source, self.shapes, self.dtype = source, shapes, dtype

    def value(self, node: ast.AST) -> Any:
        """What a piece of the formula means."""
        if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
            left, right = self.value(node.left), self.value(node.right)
            if isinstance(node.op, ast.Div) and type(right) in (int, float) and not right:
                raise ZeroDivisionError
            return OPERATORS[type(node.op)](left, right)
        if isinstance(node, ast.UnaryOp) and type(node.op) in OPERATORS:
            return OPERATORS[type(node.op)](self.value(node.operand))
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in OPERATORS:
            compare = OPERATORS[type(node.ops[0])]
            return compare(self.value(node.left), self.value(node.comparators[0]))
        if isinstance(node, ast.Constant) and type(node.value) in (int, float):
            return node.value
        if isinstance(node, ast.Name):
            return self.name(node.id)
        if isinstance(node, ast.Attribute) and node.attr == "T":
            return self.value(node.value).T
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
            return self.call(node, node.func.id)
        raise self.trouble(node, "a formula has numbers, names, + - * / @ ^ and functions")

    def name(self, name: str) -> Any:
        if name in NUMBERS and name not in self.shapes:
            return NUMBERS[name]
        given = self.shapes.get(name, ())
        if isinstance(given, Tensor):
            return given
        return symbol(name, given, self.dtype)

    def call(self, node: ast.Call, name: str) -> Any:
        if name not in FUNCTIONS:
            raise self.trouble(node, f"known functions: {' '.join(sorted(FUNCTIONS))}")
        given = [self.value(one) for one in node.args]
        if given and not any(isinstance(x, Tensor) for x in given):
            given = [f.tensor(float(x), dtype=self.dtype) for x in given]
        try:
            return FUNCTIONS[name](*given)
        except TypeError as error:
            raise self.trouble(node, str(error)) from None

    def trouble(self, node: ast.AST, *notes: str) -> BaseException:
        piece = ast.unparse(node)
        return fail(ValueError, f"{piece!r} in the formula is not understood", *notes)
