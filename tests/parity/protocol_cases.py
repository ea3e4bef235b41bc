"""Tensors as Python objects: expressions whose value, or error, is recorded as text.

`Sub` is a bare subclass of Tensor, `Foreign` a class that handles operators with tensors, `Duck`
one with a `__torch_function__`, and `Watching` a subclass that notes which ops it was asked for.
"""

from __future__ import annotations

import copy
import math
import operator
import pickle
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np

FILE = Path(__file__).with_suffix(".txt")


def expressions() -> list[str]:
    """One per line."""
    return FILE.read_text().splitlines()


class Foreign:
    """Handles every operator, from either side."""

    def _say(self, other: Any) -> str:
        return f"foreign and {type(other).__name__}"

    __add__ = __radd__ = __rmatmul__ = __eq__ = __gt__ = _say
    __hash__ = None


class Duck:
    """No tensor, but it answers for ops."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> str:
        return f"quack {func.__name__}"

    def __mul__(self, other: Any) -> str:
        return "duck first"


def names(torch: Any) -> dict[str, Any]:
    """What expressions may use, for one library."""

    class Sub(torch.Tensor):
        pass

    class Watching(torch.Tensor):
        seen: list[str] = []

        @classmethod
        def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None):
            cls.seen.append(func.__name__)
            return super().__torch_function__(func, types, args, kwargs or {})

        @classmethod
        def calls(cls, values: Any) -> Any:
            x = cls(values)
            cls.seen.clear()
            result = torch.exp(x) * 2
            return cls.seen[:], type(result).__name__

    Sub.__module__ = Watching.__module__ = "__main__"
    Sub.__qualname__ = "Sub"
    sys.modules["__main__"].Sub = Sub

    def math_pow(a: Any, b: Any) -> float:
        return math.pow(a, b)

    def del_item(x: Any) -> None:
        del x[0]

    return {"torch": torch, "np": np, "copy": copy, "pickle": pickle, "operator": operator,
            "Sub": Sub, "Watching": Watching, "Foreign": Foreign, "Duck": Duck,
            "math_pow": math_pow, "del_item": del_item}  # fmt: skip


def answer(torch: Any, text: str) -> str:
    """The value's text, or `!` with the error's built-in type and first line."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = repr(eval(text, names(torch)))
        except Exception as error:
            kinds = (k.__name__ for k in type(error).__mro__ if k.__module__ == "builtins")
            lines = str(error).splitlines() or [""]
            found = f"!{next(kinds)}: {lines[0]}"
    return found.replace("rushlight.", "torch.")
