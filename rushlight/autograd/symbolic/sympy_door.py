"""Scalar expressions handed to SymPy and taken back; SymPy is an extra, loaded on use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...core.errors import fail
from ...core.tensor import Tensor
from ...ops import elementwise as e
from ...ops import transcendental as t
from .expressions import CONSTANT, VARIABLE, Expr, constant, is_number, order, variable
from .values import SymbolicError, wrap

SAME = frozenset("exp log sin cos tan sinh cosh tanh asin acos atan asinh acosh atanh sqrt".split())


def _sympy() -> Any:
    try:
        import sympy
    except ImportError as error:
        raise fail(
            ModuleNotFoundError, "No module named 'sympy'",
            "the exchange with SymPy needs it: pip install 'rushlight[symbolic]'",
        ) from error  # fmt: skip
    return sympy


def to_sympy(expression: Any) -> Any:
    """A scalar expression as SymPy's, for its algebra, printing and integrals.

    Raises: SymbolicError for tensors and for functions that SymPy lacks.

    >>> import rushlight as torch
    >>> (x,) = torch.sym.vars("x")
    >>> torch.sym.to_sympy(torch.exp(x) * x).integrate()
    (x - 1)*exp(x)
    """
    sympy = _sympy()
    root: Expr = expression._array if isinstance(expression, Tensor) else expression
    done: dict[Expr, Any] = {}
    table = _to_table(sympy)
    for x in order([root]):
        if x.shape != ():
            raise fail(
                SymbolicError, f"SymPy takes scalars, but a part has shape {list(x.shape)}",
                "matrix formulas are simplified by sym.simplify",
            )  # fmt: skip
        done[x] = _converted(x, [done[a] for a in x.args], sympy, table)
    return done[root]


def _converted(x: Expr, args: list[Any], sympy: Any, table: dict[str, Callable[..., Any]]) -> Any:
    if x.op == VARIABLE:
        return sympy.Symbol(x.name, real=True)
    if x.op == CONSTANT and is_number(x):
        simple = float(x.value).is_integer()
        return sympy.Integer(int(x.value)) if simple else sympy.nsimplify(x.value, rational=True)
    if x.op == "take_from":
        return x.params[0] - args[0]
    if x.op not in table:
        raise fail(SymbolicError, f"SymPy has no counterpart for {x.op}")
    return table[x.op](*args)


def _to_table(sympy: Any) -> dict[str, Callable[..., Any]]:
    table: dict[str, Callable[..., Any]] = {name: getattr(sympy, name) for name in SAME}
    table.update(
        add=lambda a, b: a + b, sub=lambda a, b: a - b, mul=lambda a, b: a * b,
        div=lambda a, b: a / b, pow=lambda a, b: a**b, neg=lambda a: -a, square=lambda a: a**2,
        reciprocal=lambda a: 1 / a, rsqrt=lambda a: 1 / sympy.sqrt(a), abs=sympy.Abs,
        sigmoid=lambda a: 1 / (1 + sympy.exp(-a)), erf=sympy.erf, sign=sympy.sign,
        expm1=lambda a: sympy.exp(a) - 1, log1p=lambda a: sympy.log(a + 1), cast=lambda a: a,
        log2=lambda a: sympy.log(a, 2), log10=lambda a: sympy.log(a, 10),
    )  # fmt: skip
    return table


def from_sympy(formula: Any, dtype: Any = None) -> Any:
    """A SymPy expression as one of ours, its symbols as variables of double precision.

    >>> import rushlight as torch
    >>> import sympy
    >>> torch.sym.from_sympy(sympy.Symbol("x") ** 2 + 1)
    1 + x**2
    """
    sympy = _sympy()
    kind = np.dtype(np.float64) if dtype is None else dtype.numpy
    functions: dict[Any, Callable[..., Any]] = {
        getattr(sympy, name): getattr(t, name) for name in SAME if name != "sqrt"
    }
    functions[sympy.Abs], functions[sympy.sign] = e.abs, e.sign

    def made(node: Any) -> Any:
        if node.is_Symbol:
            return wrap(variable(node.name, (), kind))
        if node.is_Number or node.is_NumberSymbol:
            return wrap(constant(float(node), kind))
        parts = [made(a) for a in node.args]
        if node.is_Add or node.is_Mul:
            total = parts[0]
            for part in parts[1:]:
                total = (e.add if node.is_Add else e.mul)(total, part)
            return total
        if node.is_Pow:
            return e.pow(*parts)
        if node.func not in functions:
            raise fail(SymbolicError, f"there is no op for SymPy's {node.func.__name__}")
        return functions[node.func](*parts)

    return made(sympy.sympify(formula))
