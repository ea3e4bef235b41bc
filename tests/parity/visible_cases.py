"""What a user sees of a result: its text with `grad_fn`, or the first line of the error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

CASES = Path(__file__).parent / "visible_cases.txt"


def put(x: Any, key: Any, value: Any) -> Any:
    """x after x[key] = value."""
    x[key] = value
    return x


def expressions() -> list[str]:
    """One a line, over `torch`, `F`, `nn`, `np`, `put` and two tensors: x (2, 2), m (3, 4)."""
    return CASES.read_text().splitlines()


def answer(lib: Any, text: str) -> str:
    """The result's text and standing, or the exception."""
    lib.manual_seed(0)
    world = {
        "torch": lib, "np": np, "nn": lib.nn, "F": lib.nn.functional, "put": put,
        "x": lib.tensor([[0.5, -1.5], [2.5, 0.25]], requires_grad=True),
        "m": lib.arange(12.0).reshape(3, 4).requires_grad_(),
    }  # fmt: skip
    try:
        found = eval(text, world)
    except Exception as error:
        kinds = [kind.__name__ for kind in type(error).__mro__]
        kind = next(name for name in kinds if name not in ("ShapeError", "DTypeError"))
        return f"{kind}: {(str(error).splitlines() or [''])[0]}"
    if not isinstance(found, lib.Tensor):
        return repr(found)
    return f"{found!r} {found.is_leaf} {found._is_view()}"
