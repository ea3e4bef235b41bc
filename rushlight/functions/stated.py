"""What an op's declaration says of its operands, in words: the middle of its docstring.

Shapes, types, gradient and refusals of an elementwise op all stand in its declaration
(`core/primitive.py`), so no docstring says them again by hand.
"""

from __future__ import annotations

from typing import Any

from ..core.primitive import Elementwise, Primitive

__all__: list[str] = []

PAGES = "https://docs.pytorch.org/docs/stable/"
ELSEWHERE = {"relu": "generated/torch.nn.functional.relu.html"}  # ops without a page of their name
WORDS = {
    "bool": "bools", "whole": "whole numbers", "int": "whole numbers", "uint8": "uint8",
    "half": "half precision", "float16": "float16", "bfloat16": "bfloat16",
    "float": "floats", "complex": "complex numbers",
}  # fmt: skip
TOGETHER = {"whole": ("int", "uint8"), "half": ("float16", "bfloat16")}


def stated(function: Any) -> str:
    """Lines on shapes, types, gradient, refusals and source of an elementwise op, else nothing."""
    prim = getattr(function, "primitive", None)
    if prim is None or prim.arity not in (1, 2) or not elementwise(prim):
        return ""
    lines = [*_shapes(prim), *_types(prim), *_gradient(prim), *_refusals(prim)]
    return "\n".join(f"    {line}" for line in [*lines, f"Source: {PAGES}{_page(prim)}"])


def elementwise(prim: Primitive) -> bool:
    return type(prim.rule) is Elementwise or prim.dtype in ("promote", "float", "compare")


def _shapes(prim: Primitive) -> list[str]:
    if prim.arity == 1:
        return ["Shapes: the input is of any shape, the result of the same."]
    numbers = {
        "none": "both are tensors",
        "second": "the second may be a number",
        "all": "either or both may be numbers",
    }.get(prim.numbers.partition(":")[0], "one of them may be a number")
    return [f"Shapes: the operands broadcast together, to that of the result; {numbers}."]


def _types(prim: Primitive) -> list[str]:
    whole = "bools and whole numbers count as the default float type"
    if prim.arity == 1:
        takes = {"bool", "int"} - prim.refuses.keys()
        return [f"Types: {whole}."] if prim.dtype == "float" and takes else []
    promoted = "Types: operands are promoted together"
    if prim.dtype == "compare":
        return [f"{promoted}; the result is of bools."]
    takes = prim.dtype == "float" and "int" not in prim.refuses
    return [f"{promoted}; {whole}." if takes else f"{promoted}."]


def _gradient(prim: Primitive) -> list[str]:
    return ["Gradient: none."] if prim.rule is None else []


def _refusals(prim: Primitive) -> list[str]:
    """What is raised for kinds of numbers that the op does not take, as `dispatch` raises it."""
    by_error: dict[str, list[str]] = {}
    for kind, said in prim.refuses.items():
        if isinstance(said, str):
            sentence = " " in said and not said.startswith("NotImplementedError: ")
            by_error.setdefault("RuntimeError" if sentence else "NotImplementedError", [])
            by_error["RuntimeError" if sentence else "NotImplementedError"].append(kind)
    return [f"Raises: {error} for {_listed(kinds)}." for error, kinds in by_error.items()]


def _listed(kinds: list[str]) -> str:
    """Kinds of numbers in words, in the order of `WORDS`."""
    left = set(kinds)
    for word, parts in TOGETHER.items():
        if left.issuperset(parts):
            left = left.difference(parts) | {word}
    *most, last = [text for kind, text in WORDS.items() if kind in left]
    return f"{', '.join(most)} and {last}" if most else last


def _page(prim: Primitive) -> str:
    if prim.name.startswith("special_"):
        return "special.html"
    return ELSEWHERE.get(prim.name, f"generated/torch.{prim.name}.html")
