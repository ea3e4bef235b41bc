"""What `sys.getrefcount` is compared with: one more holder is noticed, however it is asked."""

from __future__ import annotations

from sys import getrefcount
from typing import Any

import numpy as np

import rushlight as rl
from rushlight.core import references


class Holder:
    __slots__ = ("held",)


def counted(x: Any) -> int:
    return getrefcount(x)


def alone_and_shared() -> list[tuple[int, int]]:
    """Counts with one holder and with two; asked outside of `assert`, which holds values too."""
    found = []
    x = object()
    alone, passed = getrefcount(x), counted(x)
    also = x
    found += [(alone, getrefcount(x)), (passed, counted(x))]
    for y in [object()]:
        alone = getrefcount(y)
        also = y
        found.append((alone, getrefcount(y)))
    holder = Holder()
    holder.held = object()
    alone = getrefcount(holder.held)
    also = holder.held
    found.append((alone, getrefcount(holder.held)))
    del also
    return found


def test_the_numbers_tell_one_holder_from_two():
    wanted = (
        references.VARIABLE, references.ARGUMENT, references.LISTED, references.ATTRIBUTE
    )  # fmt: skip
    assert alone_and_shared() == [(count, count + 1) for count in wanted]


def test_gradients_that_someone_else_holds_are_copied():
    """A leaf's, one that a tensor in the middle keeps, and one that a hook has seen."""
    a, b = (rl.randn(4, requires_grad=True) for _ in range(2))
    seen = []
    middle = a + b
    middle.retain_grad()
    b.register_hook(seen.append)
    (middle + 0).backward(rl.ones(4))
    kept = [a.grad, b.grad, middle.grad, *seen]
    for number, one in enumerate(kept):
        if one is not None:
            one.fill_(number + 2)
    assert [float(one[0]) for one in (a.grad, b.grad, middle.grad)] == [2, 3, 4]


def test_a_gradient_that_was_given_stays_as_it_was():
    x = rl.zeros(3, requires_grad=True)
    given = rl.ones(3)
    (x + 0).backward(given)
    x.grad.fill_(7)
    assert given.tolist() == [1, 1, 1]
    array = np.ones(3, np.float32)
    y = rl.zeros(3, requires_grad=True)
    (y + 0).backward(rl.from_numpy(array))
    y.grad.fill_(7)
    assert array.tolist() == [1, 1, 1]


def test_tangents_that_are_also_values_are_not_written():
    """Slopes that are the value itself (exp), an operand (mul) or shared by two operands."""
    x, v = rl.tensor([0.3, -0.7, 1.1]).double(), rl.tensor([1.0, 2.0, -1.0]).double()

    def function(t):
        y = t.exp()
        return y * t + y

    value, tangent = rl.func.jvp(function, (x,), (v,))
    rl.testing.assert_close(value, x.exp() * (x + 1))
    rl.testing.assert_close(tangent, v * x.exp() * (x + 2))
    assert v.tolist() == [1.0, 2.0, -1.0]
