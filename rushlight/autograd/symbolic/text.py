"""Expressions printed as text: `2 X^T (X w - y)`, `x*exp(-(w*x + b))/(exp(-(w*x + b)) + 1)**2`."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from math import isfinite
from typing import Any

import numpy as np

from .expressions import (
    CONSTANT,
    VARIABLE,
    Expr,
    constant,
    is_number,
    order,
    replaced,
    variable,
)

SUM, PRODUCT, POWER, ATOM = 1, 2, 3, 4
Shown = tuple[str, int]
INFIX = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=",
         "bitwise_and": "&", "bitwise_or": "|"}  # fmt: skip
QUIET = frozenset("view unsafe_view expand cast clone contiguous_copy squeeze squeeze_all".split())
NAMES = {
    "linalg_det": "det",
    "linalg_solve": "solve",
    "max_all": "max",
    "min_all": "min",
    "view": "reshape",
    "unsafe_view": "reshape",
    "maximum": "max",
    "minimum": "min",
}


class Printer:
    """Walks an expression; subclasses say how each construct is written."""

    times, dot, apply = "*", " ⊙ ", " "

    def __init__(self) -> None:
        self.memo: dict[Expr, Shown] = {}

    def __call__(self, expr: Expr) -> str:
        for x in order([expr]):  # operands first: depth costs no stack
            self.show(x)
        return self.show(expr)[0]

    def show(self, x: Expr) -> Shown:
        """The text and how tightly it binds."""
        if x not in self.memo:
            self.memo[x] = self._show(x)
        return self.memo[x]

    def at(self, x: Expr, level: int) -> str:
        """The text, in parentheses if it binds less tightly than `level`."""
        shown, own = self.show(x)
        return self.grouped(shown) if own < level else shown

    def _show(self, x: Expr) -> Shown:
        if x.op == VARIABLE:
            return self.name(x.name), ATOM
        if x.op == CONSTANT:
            return self.constant(x)
        if x.op in ("add", "sub", "take_from"):
            return self.sum(x), SUM
        if x.op in ("mul", "div", "neg"):
            return self.product(x)
        if x.op in INFIX:
            left, right = (self.at(a, PRODUCT) for a in x.args)
            return self.relation(INFIX[x.op], left, right), 0
        special = getattr(self, f"op_{x.op}", None)
        return special(x) if special else self.call(x)

    # --- Leaves

    def constant(self, x: Expr) -> Shown:
        value = x.value
        if isinstance(value, np.ndarray):
            return self.array(value), ATOM
        if isinstance(value, float) and value.is_integer() and abs(value) < 1e16:
            value = int(value)
        elif isinstance(value, float) and len(repr(value)) > 9:
            near = Fraction(value).limit_denominator(5040) if isfinite(value) else 0
            if near and float(near) == value:  # 13/3, not 4.333333333333333
                return str(near), PRODUCT if near > 0 else SUM
        return str(value), (ATOM if not isinstance(value, (int, float)) or value >= 0 else SUM)

    def array(self, value: np.ndarray) -> str:
        square = value.ndim == 2 and value.shape[0] == value.shape[1]
        if square and (value == np.eye(len(value))).all():
            return "I"
        if value.size <= 4:
            return str(value.tolist())
        return f"<{'x'.join(map(str, value.shape))} numbers>"

    def name(self, name: str) -> str:
        return name

    def grouped(self, inside: str) -> str:
        return f"({inside})"

    # --- Sums and products

    def sum(self, x: Expr) -> str:
        if x.op == "take_from":
            return f"{x.params[0]:g} - {self.at(x.args[0], PRODUCT)}"
        left, right = x.args
        sign = "+" if x.op == "add" else "-"
        shown = self.at(right, SUM if x.op == "add" else PRODUCT)
        if sign == "+" and shown.startswith("-"):
            sign, shown = "-", shown[1:]
        return f"{self.at(left, SUM)} {sign} {shown}"

    def product(self, x: Expr) -> Shown:
        """Numbers and scalars, then tensors; over what it is divided by."""
        negative, top, bottom = factors(x)
        sign = "-" if negative else ""
        if not bottom:
            if len(top) == 1:
                return sign + self.at(top[0], PRODUCT), PRODUCT if not negative else SUM
            return sign + self.joined(top), SUM if negative else PRODUCT
        return sign + self.quotient(top, bottom), SUM if negative else PRODUCT

    def quotient(self, top: list[Expr], bottom: list[Expr]) -> str:
        above = self.joined(top) if top else "1"
        alone = len(bottom) == 1
        below = self.at(bottom[0], POWER) if alone else self.grouped(self.joined(bottom))
        tensors = any(x.ndim for x in (*top, *bottom))
        return f"{above} / {below}" if tensors else f"{above}/{below}"

    def joined(self, parts: list[Expr]) -> str:
        """Factors side by side: `2*x*y`, or `2 c A ⊙ B` once tensors are among them."""
        if len(parts) == 1:
            return self.at(parts[0], PRODUCT)
        scalars = [x for x in parts if not x.ndim]
        tensors = [x for x in parts if x.ndim]
        if not tensors:
            return self.times.join(self.at(x, POWER) for x in scalars)
        several = len(tensors) > 1
        shown = self.dot.join(
            self.at(x, POWER if several or x.op != "matmul" else PRODUCT) for x in tensors
        )
        return self.apply.join([*(self.at(x, POWER) for x in scalars), shown])

    # --- Ops with a notation of their own

    def op_pow(self, x: Expr) -> Shown:
        base, exponent = x.args
        return self.power(self.at(base, ATOM), self.at(exponent, ATOM), bool(base.ndim)), POWER

    def op_square(self, x: Expr) -> Shown:
        return self.power(self.at(x.args[0], ATOM), "2", bool(x.ndim)), POWER

    def op_reciprocal(self, x: Expr) -> Shown:
        return f"1/{self.at(x.args[0], POWER)}", PRODUCT

    def power(self, base: str, exponent: str, tensor: bool) -> str:
        return f"{base}**{exponent}"

    def op_matmul(self, x: Expr) -> Shown:
        a, b = x.args
        if a.ndim == 1 and b.ndim == 2:
            return f"{self.transposed(b)}{self.apply}{self.at(a, POWER)}", PRODUCT
        if a.ndim == 1:
            return f"{self.transposed(a)}{self.apply}{self.at(b, POWER)}", PRODUCT
        left = self.show(a)[0] if a.op == "matmul" else self.at(a, POWER)
        right = self.show(b)[0] if b.op == "matmul" else self.at(b, POWER)
        return f"{left}{self.apply}{right}", PRODUCT

    op_bmm = op_matmul

    def op_linear(self, x: Expr) -> Shown:
        return f"{self.at(x.args[0], POWER)}{self.apply}{self.transposed(x.args[1])}", PRODUCT

    def op_linear_bias(self, x: Expr) -> Shown:
        return f"{self.op_linear(x)[0]} + {self.at(x.args[2], PRODUCT)}", SUM

    def transposed(self, x: Expr) -> str:
        """The transpose written out: (A x)^T = x^T A^T."""
        if x.op == "matmul" and x.args[0].ndim == 1 and x.args[1].ndim == 2:
            return f"{self.transposed(x.args[0])}{self.apply}{self.at(x.args[1], POWER)}"
        if x.op == "matmul" and x.args[0].ndim == 2:
            a, b = x.args
            return f"{self.transposed(b)}{self.apply}{self.transposed(a)}"
        if x.op == "transpose" and x.ndim == 2:
            return self.at(x.args[0], POWER)
        if x.op == "unsqueeze" and x.ndim == 2:
            inner = x.args[0]
            return self.transposed(inner) if x.params[0] % 2 else self.at(inner, POWER)
        return self.raised(self.at(x, ATOM))

    def raised(self, base: str) -> str:
        return f"{base}^T"

    def op_transpose(self, x: Expr) -> Shown:
        if x.ndim == 2:
            return self.transposed(x.args[0]), POWER
        return self.call(x)

    op_t = op_transpose

    def op_permute(self, x: Expr) -> Shown:
        return self.op_transpose(x) if x.ndim == 2 and x.params[0] == (1, 0) else self.call(x)

    def op_unsqueeze(self, x: Expr) -> Shown:
        if x.ndim == 2:
            inner = x.args[0]
            return self.show(inner) if x.params[0] % 2 else (self.transposed(inner), POWER)
        return self.show(x.args[0])

    def op_sum(self, x: Expr) -> Shown:
        a, (dims, _) = x.args[0], x.params
        squared = a.op == "square" or (a.op == "pow" and is_number(a.args[1], 2))
        if dims is None and squared and a.ndim in (1, 2):
            return self.norm_squared(self.show(a.args[0])[0], a.ndim), POWER
        return self.called("sum", [self.show(a)[0], *dim_text(dims)]), ATOM

    def op_mean(self, x: Expr) -> Shown:
        return self.called("mean", [self.show(x.args[0])[0], *dim_text(x.params[0])]), ATOM

    def op_linalg_vector_norm(self, x: Expr) -> Shown:
        if x.params[0] == 2.0 and (x.params[1] is None or x.args[0].ndim == 1):
            return self.norm(self.show(x.args[0])[0]), ATOM
        return self.call(x)

    def op_linalg_inv(self, x: Expr) -> Shown:
        return self.inverse(self.at(x.args[0], ATOM)), POWER

    def inverse(self, base: str) -> str:
        return f"{base}^-1"

    def op_part(self, x: Expr) -> Shown:
        key = x.params[0] if isinstance(x.params[0], tuple) else (x.params[0],)
        if all(k is None or k is Ellipsis or k == slice(None) for k in key):
            return self.show(x.args[0])
        return f"{self.at(x.args[0], ATOM)}[{', '.join(map(_index_text, key))}]", ATOM

    def norm(self, inside: str) -> str:
        return f"||{inside}||"

    def norm_squared(self, inside: str, ndim: int) -> str:
        return f"||{inside}||" + ("_F^2" if ndim == 2 else "^2")

    def op_cast(self, x: Expr) -> Shown:
        if x.args[0].dtype.kind == "b":
            return self.indicator(self.show(x.args[0])[0]), ATOM
        return self.show(x.args[0])

    def indicator(self, condition: str) -> str:
        return f"[{condition}]"

    def op_softmax(self, x: Expr) -> Shown:
        return self.called(x.op, [self.show(x.args[0])[0]]), ATOM

    op_log_softmax = op_softmax

    def op_embed_diagonal(self, x: Expr) -> Shown:
        return self.called("diag", [self.show(x.args[0])[0]]), ATOM

    op_diagonal = op_embed_diagonal

    def op_nll_loss_back(self, x: Expr) -> Shown:
        if is_number(x.args[0], -1) and x.params[2] == "sum":
            return self.called("onehot", [self.show(x.args[1])[0]]), ATOM
        return self.call(x)

    def op_output_of(self, x: Expr) -> Shown:
        shown = self.show(x.args[0])
        return shown if x.params[0] == 0 else (f"{shown[0]}[{x.params[0]}]", ATOM)

    def op_cross_entropy(self, x: Expr) -> Shown:
        parts = [self.show(a)[0] for a in x.args if a.op != CONSTANT or a.value is not None]
        return self.called("cross_entropy", parts), ATOM

    def op_nll_loss(self, x: Expr) -> Shown:
        return self.op_cross_entropy(x)

    def call(self, x: Expr) -> Shown:
        """Any other op: its name, operands and parameters."""
        if x.op in QUIET and not _reshapes(x):
            return self.show(x.args[0])
        given = [self.show(a)[0] for a in x.args if a.op != CONSTANT or a.value is not None]
        if x.op not in ("gelu", "softplus"):
            given += [str(p) for p in x.params if p is not None and p is not False]
        return self.called(NAMES.get(x.op, x.op), given), ATOM

    def called(self, name: str, given: Iterable[str]) -> str:
        return f"{name}({', '.join(given)})"

    def relation(self, sign: str, left: str, right: str) -> str:
        return f"{left} {sign} {right}"


def _reshapes(x: Expr) -> bool:
    """Whether a view does more than drop or add dimensions of size 1."""
    if x.op not in ("view", "unsafe_view"):
        return False
    before, after = ([n for n in shape if n != 1] for shape in (x.args[0].shape, x.shape))
    return before != after


def _index_text(key: Any) -> str:
    """One index as it is written between brackets."""
    if isinstance(key, slice):
        start, stop = ("" if end is None else str(end) for end in (key.start, key.stop))
        return f"{start}:{stop}" + ("" if key.step in (None, 1) else f":{key.step}")
    return "..." if key is Ellipsis else str(key)


def dim_text(dims: Any) -> list[str]:
    """The dimensions of a reduction, where not all."""
    if dims is None:
        return []
    return [f"dim={dims[0] if len(dims) == 1 else tuple(dims)}"]


def factors(x: Expr) -> tuple[bool, list[Expr], list[Expr]]:
    """Sign, factors above and below the line of a tree of products."""
    negative, top, bottom = False, [], []
    stack = [(x, True)]
    while stack:
        a, above = stack.pop()
        if a.op == "neg" or (a.op in ("mul", "div") and a is not x and is_number(a)):
            negative = not negative
            stack.append((a.args[0], above))
        elif a.op == "mul" or (a.op == "div" and above):
            stack.append((a.args[1], above == (a.op == "mul")))
            stack.append((a.args[0], above))
        else:
            (top if above else bottom).append(a)
    if top and is_number(top[0]) and top[0].value < 0 and not (len(top) == 1 and not bottom):
        negative = not negative
        if top[0].value == -1 and len(top) > 1:
            top.pop(0)
        else:
            top[0] = _positive(top[0])
    return negative, top, bottom


def _positive(x: Expr) -> Expr:
    from_ = -x.value
    return constant(from_, x.dtype, x.shape)


def shared(expr: Expr, least: int = 3) -> tuple[Expr, list[tuple[str, Expr]]]:
    """The expression with names for parts that occur more than once, and those parts."""
    uses: dict[Expr, int] = {}
    everything = order([expr])
    for x in everything:
        for a in x.args:
            uses[a] = uses.get(a, 0) + 1
    taken = {x.name for x in everything if x.op == VARIABLE}
    free = (n for n in (*"stuvpqrhk", *(f"s{i}" for i in range(1000))) if n not in taken)
    table: dict[Expr, Expr] = {}
    found = []
    for x in everything:
        if uses.get(x, 0) < 2 or not isinstance(x.shape, tuple) or x.dtype.kind != "f":
            continue
        if x.op in QUIET or sum(bool(a.args) for a in order([x])) < least:
            continue
        name = next(free)
        found.append((name, replaced(x, table)))
        table[x] = variable(name, x.shape, x.dtype)
    return replaced(expr, table), found


def text(expr: Expr) -> str:
    """An expression on one line.

    >>> import rushlight as torch
    >>> (x,) = torch.sym.vars("x")
    >>> torch.sym.text(torch.sym.grad(x**3, x)._array)
    '3*x**2'
    """
    return Printer()(expr)
