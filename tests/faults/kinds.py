"""Calls with numbers of every kind, and how each ends under a framework."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rows import head

KINDS = ("bool", "uint8", "int64", "float16", "bfloat16", "float32", "complex64")


def calls() -> list[str]:
    """The expressions of `kinds.txt`."""
    return (Path(__file__).parent / "kinds.txt").read_text().splitlines()[1:]


def names(torch: Any, kind: str) -> dict[str, Any]:
    """What the expressions speak of."""
    dtype = getattr(torch, kind)

    def x(*sizes: int) -> Any:
        return torch.ones(sizes).to(dtype)

    return {"torch": torch, "F": torch.nn.functional, "x": x, "d": dtype}


def answer(call: Callable[[], Any]) -> list[str] | None:
    """The type and the first line of what a call raises; None where it has a result."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            call()
        except Exception as error:
            return list(head(error))
    return None


def answers(torch: Any, source: str) -> dict[str, list[str]]:
    """How a call is refused, by the kinds with which it is."""
    code = compile(source, "program", "eval")
    found = {
        kind: answer(functools.partial(eval, code, names(torch, kind))) for kind in KINDS
    }  # fmt: skip
    return {kind: said for kind, said in found.items() if said is not None}
