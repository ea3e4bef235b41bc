"""Two-operand einsums as products of matrices.

Letters fall into batch (in both operands and the result), rows (first operand and result), columns
(second operand and result) and terms (both operands only). Neighbours that one step can walk are
merged; what cannot be merged becomes a further batch axis, or a further axis of the sum.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from rushlight.compile.products.gemm_plan import Gemm, Operand, Result

Axis = tuple[int, tuple[int, ...]]  # size, steps in A, B and C (0 where the letter is absent)


def contiguous(shape: Sequence[int]) -> tuple[int, ...]:
    """Steps, in elements, of a C-ordered array."""
    return tuple(math.prod(shape[n + 1 :]) for n in range(len(shape)))


def plan_dot(
    spec: str, a_shape: Sequence[int], a_strides: Sequence[int], b_shape: Sequence[int],
    b_strides: Sequence[int], dtype: str = "float32", c_strides: Sequence[int] | None = None,
    slots: tuple[int, int, int] = (0, 1, 2), offsets: tuple[int, int, int] = (0, 0, 0),
    accumulate: bool = False,
) -> Gemm:  # fmt: skip
    """The product that `spec` (as "bik,kj->bij") asks for; strides are in elements.

    The result is C-ordered unless `c_strides` says otherwise. Strides may be 0 or negative.
    """
    inputs, _, out = spec.partition("->")
    first, _, second = inputs.partition(",")
    size = {**dict(zip(first, a_shape)), **dict(zip(second, b_shape))}
    given = c_strides if c_strides is not None else contiguous([size[x] for x in out])
    steps = [dict(zip(first, a_strides)), dict(zip(second, b_strides)), dict(zip(out, given))]

    def group(letters: Sequence[str], key: int) -> list[Axis]:
        axes = [(size[x], tuple(s.get(x, 0) for s in steps)) for x in letters if size[x] != 1]
        return merged(sorted(axes, key=lambda axis: -abs(axis[1][key])))

    shared = set(first) & set(second)
    batch = group([x for x in out if x in shared], 2)
    rows = group([x for x in out if x not in shared and x in first], 2)
    columns = group([x for x in out if x not in shared and x in second], 2)
    terms = group([x for x in first if x not in out], 0) or [(1, (1, 1, 0))]
    terms.sort(key=lambda axis: 1 in axis[1][:2])
    (m, row), more = chosen(rows, 0)
    (n, column), others = chosen(columns, 1)
    batch = merged([*batch, *more, *others])
    operands = [
        Operand(
            slots[i], (row, column)[i][i], tuple(s[i] for _, s in terms),
            tuple(s[i] for _, s in batch), offsets[i],
        ) for i in (0, 1)
    ]  # fmt: skip
    c = Result(slots[2], row[2], column[2], tuple(s[2] for _, s in batch), offsets[2])
    return Gemm(
        m, n, tuple(k for k, _ in terms), operands[0], operands[1], c,
        tuple(b for b, _ in batch), dtype, accumulate,
    )  # fmt: skip


def merged(axes: Sequence[Axis]) -> list[Axis]:
    """Neighbouring axes made one where every operand walks both with one step."""
    found: list[Axis] = []
    for size, steps in axes:
        if found and all(outer == inner * size for outer, inner in zip(found[-1][1], steps)):
            found[-1] = (found[-1][0] * size, steps)
        else:
            found.append((size, steps))
    return found


def chosen(axes: list[Axis], operand: int) -> tuple[Axis, list[Axis]]:
    """The axis that tiles cover, a contiguous one if it is long enough, and the rest."""
    if not axes:
        return (1, (1, 1, 1)), []

    def worth(axis: Axis) -> tuple[bool, int]:
        size, steps = axis
        return (steps[2] == 1 or steps[operand] == 1) and size >= 8, size

    best = max(range(len(axes)), key=lambda n: worth(axes[n]))
    return axes[best], [axis for n, axis in enumerate(axes) if n != best]
