"""Matrix calculus: derivatives of scalars, vectors, matrices by each other, in either layout.

Numerator layout puts the output's sizes first and the argument's after them in reverse order, so
that the chain rule reads from the output to the argument and factors multiply in that order.
Denominator layout is its transpose: the gradient of a scalar has the argument's own shape.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.errors import ShapeError, fail
from ..core.tensor import Tensor, wrap
from .functional import jacobian as _reverse

LAYOUTS = ("numerator", "denominator")
KINDS = ("scalar", "vector", "matrix")
Shape = tuple[int, ...]


def _layout(name: str) -> str:
    if name not in LAYOUTS:
        raise ValueError(f"layout must be 'numerator' or 'denominator', not {name!r}")
    return name


def _classical(shape: Sequence[int], what: str) -> Shape:
    if len(shape) > 2:
        raise fail(
            ShapeError, f"matrix calculus knows scalars, vectors and matrices; {what} has shape"
            f" {list(shape)}",
            "autograd.functional.jacobian takes any shapes",
        )  # fmt: skip
    return tuple(shape)


def shape_of(y: Sequence[int], x: Sequence[int], layout: str = "numerator") -> Shape:
    """The shape of dy/dx for an output of shape y and an argument of shape x.

    Raises: ValueError for another layout than "numerator" and "denominator".

    >>> from rushlight.autograd import matrix_calculus as mc
    >>> mc.shape_of((3,), (4,)), mc.shape_of((3,), (4,), "denominator")
    ((3, 4), (4, 3))
    >>> mc.shape_of((), (5, 4)), mc.shape_of((), (5, 4), "denominator")
    ((4, 5), (5, 4))
    """
    y, x = _classical(y, "the output"), _classical(x, "the argument")
    first, second = (y, x) if _layout(layout) == "numerator" else (x, y)
    if not first and len(second) == 1:
        return (1, *second)
    if not second and len(first) == 1:
        return (*first, 1)
    return (*first, *reversed(second))


def shape_table(layout: str = "numerator") -> str:
    """The shapes of all nine derivatives, as text.

    >>> from rushlight.autograd import matrix_calculus as mc
    >>> print(mc.shape_table())
    numerator layout  x scalar ()  x vector (n)  X matrix (n, k)
    y scalar ()                ()        (1, n)           (k, n)
    y vector (m)           (m, 1)        (m, n)        (m, k, n)
    Y matrix (m, l)        (m, l)     (m, l, n)     (m, l, k, n)
    """
    sizes = {"m": 2, "l": 3, "n": 5, "k": 7}
    letters = {size: letter for letter, size in sizes.items()}

    def named(shape: Shape) -> str:
        return "(" + ", ".join(letters.get(n, str(n)) for n in shape) + ")"

    ys = ((), (sizes["m"],), (sizes["m"], sizes["l"]))
    xs = ((), (sizes["n"],), (sizes["n"], sizes["k"]))
    rows = [[f"{_layout(layout)} layout", *(_title("xxX", x, named(x)) for x in xs)]]
    rows += [[_title("yyY", y, named(y)), *(named(shape_of(y, x, layout)) for x in xs)] for y in ys]
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *(c.rjust(n) for c, n in zip(row[1:], widths[1:]))])
        for row in rows
    )


def _title(letters: str, shape: Shape, text: str) -> str:
    return f"{letters[len(shape)]} {KINDS[len(shape)]} {text}"


def arranged(plain: np.ndarray, y: Sequence[int], x: Sequence[int], layout: str) -> np.ndarray:
    """A derivative indexed [output..., argument...] in the order and shape of a layout.

    >>> import numpy as np
    >>> from rushlight.autograd import matrix_calculus as mc
    >>> plain = np.zeros((3, 2))  # three outputs, two arguments
    >>> mc.arranged(plain, (3,), (2,), "denominator").shape
    (2, 3)
    """
    count = len(y)
    ours, theirs = list(range(count)), list(range(count, plain.ndim))
    if _layout(layout) == "numerator":
        order = [*ours, *reversed(theirs)]
    else:
        order = [*theirs, *reversed(ours)]
    return plain.transpose(order).reshape(shape_of(y, x, layout))


@dataclass(frozen=True)
class Jacobian:
    """dy/dx at a point: its value in one layout, and the shapes it comes from.

    >>> import rushlight as torch
    >>> from rushlight.autograd import matrix_calculus as mc
    >>> slope = mc.jacobian(lambda x: (x * x).sum(), torch.tensor([1.0, 2.0]))
    >>> slope.shape, slope.to("denominator").shape
    ((1, 2), (2, 1))
    """

    value: Tensor
    layout: str
    output: Shape
    argument: Shape
    name: str = "dy/dx"

    @property
    def shape(self) -> Shape:
        return tuple(self.value.shape)

    def to(self, layout: str) -> Jacobian:
        """The same derivative in the other layout."""
        if _layout(layout) == self.layout:
            return self
        turned = arranged(self.plain(), self.output, self.argument, layout)
        return Jacobian(wrap(turned), layout, self.output, self.argument, self.name)

    def plain(self) -> np.ndarray:
        """The values indexed [output..., argument...], as autograd.functional.jacobian has them."""
        own, other = self.output, self.argument
        if self.layout == "numerator":
            folded = self.value._array.reshape((*own, *reversed(other)))
            order = [*range(len(own)), *reversed(range(len(own), folded.ndim))]
        else:
            folded = self.value._array.reshape((*other, *reversed(own)))
            order = [*reversed(range(len(other), folded.ndim)), *range(len(other))]
        return folded.transpose(order)

    def __str__(self) -> str:
        return f"{self.name} ({times(self.shape)}), {self.layout} layout:\n{self.value}"

    __repr__ = __str__


def times(shape: Sequence[int]) -> str:
    """Sizes as they are written beside a factor: 3x4, and 1 for a number.

    >>> from rushlight.autograd import matrix_calculus as mc
    >>> mc.times((3, 4)), mc.times(())
    ('3x4', '1')
    """
    return "x".join(map(str, shape)) or "1"


def jacobian(
    function: Callable[[Tensor], Tensor], x: Tensor, layout: str = "numerator",
    name: str = "dy/dx",
) -> Jacobian:  # fmt: skip
    """The derivative of a function at x, scalars to matrices by scalars to matrices.

    Source: https://en.wikipedia.org/wiki/Matrix_calculus (layout conventions)

    >>> import rushlight as torch
    >>> from rushlight.autograd import matrix_calculus as mc
    >>> A = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    >>> mc.jacobian(lambda x: A @ x, torch.ones(3))
    dy/dx (2x3), numerator layout:
    tensor([[1., 2., 3.],
            [4., 5., 6.]])
    >>> mc.jacobian(lambda x: A @ x, torch.ones(3), "denominator").shape
    (3, 2)
    """
    _layout(layout)
    plain, output = _plain_jacobian(function, x)
    value = arranged(plain, output, tuple(x._array.shape), layout)
    return Jacobian(wrap(value), layout, output, tuple(x._array.shape), name)


def _plain_jacobian(function: Callable[[Tensor], Tensor], x: Tensor) -> tuple[np.ndarray, Shape]:
    found = _reverse(function, x)
    output = tuple(found._array.shape[: found._array.ndim - x._array.ndim])
    _classical(output, "the output")
    _classical(x._array.shape, "the argument")
    return found._array, output


@dataclass(frozen=True)
class Chain:
    """A chain rule at a point: every factor with its shape, and their product.

    >>> import rushlight as torch
    >>> from rushlight.autograd import matrix_calculus as mc
    >>> rule = mc.chain([("z", lambda x: 3 * x), ("y", lambda z: z.sum())], torch.ones(2), "x")
    >>> [one.name for one in rule.factors], rule.product.value
    (['dy/dz', 'dz/dx'], tensor([[3., 3.]]))
    """

    factors: list[Jacobian]
    product: Jacobian
    layout: str

    def __str__(self) -> str:
        factors = self.factors if self.layout == "numerator" else self.factors[::-1]
        written = " . ".join(f"{one.name} ({times(one.shape)})" for one in factors)
        return f"{self.product.name} = {written}  ({times(self.product.shape)})"

    __repr__ = __str__


def chain(
    steps: Sequence[tuple[str, Callable[[Tensor], Tensor]]], x: Tensor, name: str = "x",
    layout: str = "numerator",
) -> Chain:  # fmt: skip
    """The chain rule written out: the Jacobian of each step with its shape, and the product.

    `steps` names each intermediate value and says how the one before it gives it; `x` is where the
    chain begins, `name` what it is called. In denominator layout the factors stand in the opposite
    order, as they multiply.

    >>> import rushlight as torch
    >>> from rushlight.autograd import matrix_calculus as mc
    >>> x, W = torch.ones(4), torch.zeros(4, 3)
    >>> rule = mc.chain([("z", lambda W: W.T @ x), ("L", lambda z: (z**2).sum())], W, "W")
    >>> rule
    dL/dW = dL/dz (1x3) . dz/dW (3x3x4)  (3x4)
    >>> rule.product.to("denominator").shape
    (4, 3)
    """
    if not steps:
        raise ValueError("a chain needs at least one step")
    value, before, factors, plains = x.detach(), name, [], []
    for label, function in steps:
        factor = jacobian(function, value, layout, f"d{label}/d{before}")
        factors.insert(0, factor)
        plains.insert(0, factor.plain())
        value, before = function(value).detach(), label
    total: Any = plains[0]
    for factor, plain in zip(factors[1:], plains[1:]):
        total = np.tensordot(total, plain, len(factor.output))
    output, argument = factors[0].output, tuple(x._array.shape)
    whole = wrap(arranged(np.asarray(total), output, argument, layout))
    product = Jacobian(whole, layout, output, argument, f"d{before}/d{name}")
    return Chain(factors, product, layout)
