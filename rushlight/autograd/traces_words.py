"""Operations and their local derivatives in a line of text, for the tables of `traces`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

INFIX = {"add": " + ", "sub": " - ", "mul": " · ", "div": " / ", "pow": " ** ", "matmul": " @ "}

# The local derivative by each operand: {a}, {b} are the operands, {y} is the value.
LOCAL: dict[str, tuple[str, ...]] = {
    "add": ("1", "1"), "sub": ("1", "-1"), "mul": ("{b}", "{a}"), "div": ("1/{b}", "-{a}/{b}²"),
    "neg": ("-1",), "exp": ("{y}",), "exp2": ("{y} · ln 2",), "expm1": ("{y} + 1",),
    "log": ("1/{a}",), "log2": ("1/({a} · ln 2)",), "log10": ("1/({a} · ln 10)",),
    "log1p": ("1/(1 + {a})",), "sqrt": ("1/(2 · {y})",), "rsqrt": ("-{y}³/2",),
    "reciprocal": ("-{y}²",), "square": ("2 · {a}",), "sin": ("cos({a})",),
    "cos": ("-sin({a})",), "tan": ("1 + {y}²",), "asin": ("1/√(1 - {a}²)",),
    "acos": ("-1/√(1 - {a}²)",), "atan": ("1/(1 + {a}²)",), "sinh": ("cosh({a})",),
    "cosh": ("sinh({a})",), "tanh": ("1 - {y}²",), "sigmoid": ("{y} · (1 - {y})",),
    "relu": ("[{a} > 0]",), "abs": ("sign({a})",), "softplus": ("sigmoid({a})",),
    "erf": ("2/√π · exp(-{a}²)",), "sum": ("1",), "pow": ("{b} · {a}^({b} - 1)", "{y} · ln {a}"),
    "maximum": ("[{a} > {b}]", "[{b} > {a}]"), "minimum": ("[{a} < {b}]", "[{b} < {a}]"),
}  # fmt: skip


def number_text(value: Any) -> str:
    """A number with four digits, a few of them in brackets, of many the sizes.

    >>> number_text(0.104993585), number_text(np.arange(3.0)), number_text(np.ones((4, 5)))
    ('0.105', '[0, 1, 2]', '[4×5]')
    """
    if value is None:
        return ""
    if isinstance(value, tuple):
        return "(" + ", ".join(map(number_text, value)) + ")"
    array = np.asarray(value)
    if array.size == 1:
        x = array.reshape(-1)[0]
        return f"{complex(x):.4g}" if array.dtype.kind == "c" else f"{float(x) + 0.0:.4g}"
    if array.size <= 6:
        if array.ndim == 1:
            return "[" + ", ".join(map(number_text, array)) + "]"
        return "[" + ", ".join(number_text(row) for row in array) + "]"
    return "[" + "×".join(map(str, array.shape)) + "]"


def _bracket(name: str) -> str:
    return f"({name})" if name.startswith("-") else name


def computed_as(op: str, names: Sequence[str], params: Any) -> str:
    """The operation as it would be written by hand.

    >>> computed_as("mul", ["w", "x"], ()), computed_as("neg", ["v1"], ())
    ('w · x', '-v1')
    """
    if op in INFIX and len(names) == 2:
        return f"{names[0]}{INFIX[op]}{_bracket(names[1])}"
    if op == "neg":
        return f"-{_bracket(names[0])}"
    more = [
        repr(p) for p in params
        if isinstance(p, (bool, int, float, str, tuple)) and len(repr(p)) < 20
    ]  # fmt: skip
    return f"{op}({', '.join([*names, *more])})"


def local_words(op: str, place: int, names: Sequence[str], value: str) -> str:
    """The local derivative of `value = op(*names)` by operand `place`, if it is an easy formula.

    >>> local_words("exp", 0, ["v3"], "v4")
    'v4'
    """
    known = LOCAL.get(op, ())
    if place >= len(known):
        return ""
    a, b = names[0], names[1] if len(names) > 1 else ""
    if op == "pow" and place == 0 and b == "2":
        return f"2 · {a}"
    return known[place].format(a=_bracket(a), b=_bracket(b), y=value)
