"""What docstrings say of elementwise ops, from their declarations, is what the ops do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

import rushlight as rl

KINDS = {
    "bools": (rl.bool,), "whole numbers": (rl.int64, rl.int16, rl.uint8),
    "half precision": (rl.float16, rl.bfloat16), "floats": (rl.float32, rl.float64),
    "complex numbers": (rl.complex64,),
}  # fmt: skip
HEADS = ("Shapes: the input is of any shape", "Shapes: the operands broadcast together")


def described() -> Iterator[Any]:
    for space, home in (("", rl), ("special.", rl.special)):
        for name in getattr(home, "__all__", None) or dir(home):
            op = getattr(home, name)
            if hasattr(op, "primitive") and any(head in (op.__doc__ or "") for head in HEADS):
                yield pytest.param(op, id=f"{space}{name}")


OPS = list(described())


def said(op: Any, word: str) -> str:
    """What stands behind a word of the docstring."""
    return " ".join(re.findall(rf"^ *{word}: (.*)$", op.__doc__, re.MULTILINE))


def two(op: Any) -> bool:
    return HEADS[1] in op.__doc__


def called(op: Any, kind: Any) -> Any:
    """The op on operands of one type, of shapes that broadcast to (2, 3)."""
    first = rl.ones(2, 1 if two(op) else 3, dtype=kind)
    return op(first, rl.ones(3, dtype=kind)) if two(op) else op(first)


def refused(op: Any) -> dict[Any, str]:
    """The error for each type that the docstring says is refused."""
    found = {}
    for error, kinds in re.findall(r"(\w+Error) for ([^.]*)\.", said(op, "Raises")):
        for word in re.split(r", | and ", kinds):
            found |= dict.fromkeys(KINDS[word], error)
    return found


def test_many_are_described() -> None:
    assert len(OPS) > 120


@pytest.mark.parametrize("op", OPS)
def test_types_and_shapes(op: Any) -> None:
    errors, types = refused(op), said(op, "Types")
    for kind in (kind for kinds in KINDS.values() for kind in kinds):
        if kind in errors:
            with pytest.raises((NotImplementedError, RuntimeError)) as caught:
                called(op, kind)
            assert caught.type.__name__ == errors[kind], kind
            continue
        result = called(op, kind)
        assert result.shape == (2, 3)
        if "the result is of bools" in types:
            assert result.dtype is rl.bool
        if "default float type" in types and not kind.is_floating_point and not kind.is_complex:
            assert result.dtype is rl.float32


@pytest.mark.parametrize("op", [case for case in OPS if two(case.values[0])])
def test_numbers(op: Any) -> None:
    kind = next(k for k in (rl.float32, rl.int64) if k not in refused(op))
    x, number = rl.ones(3, dtype=kind), 1.0 if kind is rl.float32 else 1
    words = said(op, "Shapes")
    takes = {
        "both are tensors": (False, False, False),
        "the second may be a number": (True, False, False),
        "one of them may be a number": (True, True, False),
        "either or both may be numbers": (True, True, True),
    }[words.rpartition("; ")[2].rstrip(".")]
    for taken, operands in zip(takes, ((x, number), (number, x), (number, number)), strict=True):
        if taken:
            assert op(*operands).shape == ((3,) if x is operands[0] or x is operands[1] else ())
        else:
            with pytest.raises(TypeError):
                op(*operands)


@pytest.mark.parametrize("op", [case for case in OPS if said(case.values[0], "Gradient")])
def test_no_gradient(op: Any) -> None:
    assert said(op, "Gradient") == "none."
    if rl.float32 not in refused(op):
        x = rl.ones(3, requires_grad=True)
        assert not (op(x, x) if two(op) else op(x)).requires_grad
