"""einsum: products and sums written as labelled dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from ..core.dispatch import named, scalar_type_name
from ..core.errors import ShapeError, fail
from ..core.tape import PRIM
from ..core.tensor import Tensor
from ..ops.contraction import contract

__all__ = ["einsum"]

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
DOTS = 52  # the label of the last dimension under an ellipsis; the one before it is DOTS + 1, ...
Subscripts = tuple[int | None, ...]  # labels, and None for an ellipsis


def einsum(*args: Any) -> Tensor:
    """Sums of products, with dimensions named by letters: `einsum("ij,jk->ik", a, b)` is a @ b.

    A letter that is missing after `->` is summed over; one that stands twice in an operand takes
    the diagonal; `...` stands for any number of dimensions, which broadcast. Without `->` the
    result has the letters that occur once, in alphabetical order. Labels may also be given as
    lists of numbers: `einsum(a, [0, 1], b, [1, 2], [0, 2])`.
    Raises RuntimeError for labels and sizes that do not fit.
    Source: https://pytorch.org/docs/stable/generated/torch.einsum.html

    >>> import rushlight as torch
    >>> x = torch.arange(4.0).reshape(2, 2)
    >>> torch.einsum("ij,kj->ik", x, x)
    tensor([[ 1.,  3.],
            [ 3., 13.]])
    """
    if len(args) < 2:
        raise fail(
            ValueError,
            "einsum(): must specify the equation string and at least one operand, or at least one"
            " operand and its subscripts list",
        )
    if isinstance(args[0], Tensor):
        operands, inputs, output = _listed(args)
    else:
        operands = args[1:]
        if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
            operands = operands[0]
        inputs, output = _parsed(args[0])
    ndims = tuple(x._array.ndim for x in operands)
    labels, wanted = _labelled(inputs, output, ndims)
    _check_sizes(operands, labels)
    if len(operands) > 1:
        _check_types(operands)
    y = contract(operands, labels, wanted)
    return named(y, node) if (node := _node(y, labels, wanted)) else y


def _operands_apart(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """A call with a list of operands as the same with operands one by one, as torch hands it on."""
    if len(args) == 2 and isinstance(args[0], str) and isinstance(args[1], (list, tuple)):
        return (args[0], *args[1])
    return args


einsum.handed = _operands_apart


def _node(y: Tensor, labels: Any, wanted: Any) -> str | None:
    """torch's name for the last step, where ours is another: a product, or a diagonal."""
    last = y._entry[PRIM].name if type(y._entry) is list else None
    if last == "matmul" or (
        last == "mul" and not {one for names in labels for one in names}.issubset(wanted)
    ):
        return "ViewBackward0"
    return "PermuteBackward0" if last == "diagonal" else None


def _listed(args: Sequence[Any]) -> tuple[Any, Any, Any]:
    """Operands and their labels from the form with lists."""
    operands = args[: len(args) // 2 * 2 : 2]
    inputs = tuple(_numbers(part) for part in args[1::2])
    output = _numbers(args[-1]) if len(args) % 2 else None
    return operands, inputs, output


def _numbers(part: Sequence[Any]) -> Subscripts:
    found: list[int | None] = []
    for name in part:
        if name is Ellipsis:
            found.append(None)
        elif 0 <= name < 52:
            found.append(int(name))
        else:
            raise ValueError(
                "einsum(): subscript in subscript list is not within the valid range [0, 52)"
            )
    return tuple(found)


@lru_cache(256)
def _parsed(equation: str) -> tuple[tuple[Subscripts, ...], Subscripts | None]:
    """The labels of the operands and of the result (None: not given)."""
    left, arrow, right = equation.partition("->")
    inputs, start = [], 0
    for place, part in enumerate(left.split(",")):
        inputs.append(_subscripts(part, start, f"operand {place}"))
        start += len(part) + 1
    return tuple(inputs), _subscripts(right, len(left) + 2, "the output") if arrow else None


def _subscripts(part: str, start: int, where: str) -> Subscripts:
    found: list[int | None] = []
    place = 0
    while place < len(part):
        letter = part[place]
        if letter == ".":
            if None in found:
                raise RuntimeError(
                    f"einsum(): found '.' for {where} for which an ellipsis was already found"
                )
            if part[place : place + 3] != "...":
                raise RuntimeError(
                    f"einsum(): found '.' for {where} that is not part of any ellipsis"
                )
            found.append(None)
            place += 2
        elif letter != " ":
            if letter not in LETTERS:
                raise RuntimeError(
                    f"einsum(): invalid subscript given at index {start + place} in the equation"
                    " string, subscripts must be in [a-zA-Z]"
                )
            found.append(LETTERS.index(letter))
        place += 1
    return tuple(found)


@lru_cache(256)
def _labelled(
    inputs: tuple[Subscripts, ...], output: Subscripts | None, ndims: tuple[int, ...]
) -> tuple[tuple[tuple[int, ...], ...], tuple[int, ...]]:
    """Labels for every dimension, with ellipses spelt out, and those of the result."""
    if len(inputs) != len(ndims):
        which = "fewer" if len(ndims) < len(inputs) else "more"
        raise RuntimeError(
            f"einsum(): {which} operands were provided than specified in the equation"
        )
    labels, widest = [], 0
    for place, (names, ndim) in enumerate(zip(inputs, ndims)):
        width = ndim - sum(name is not None for name in names)
        if width < 0 or (width > 0 and None not in names):
            raise _miscounted(place, names, ndim)
        widest = max(widest, width)
        labels.append(_spelt(names, width))
    if output is None:
        flat = [name for names in labels for name in names]
        single = sorted(n for n in set(flat) if n < DOTS and flat.count(n) == 1)
        return tuple(labels), (*_dots(widest), *single)
    _check_output(output, {name for names in labels for name in names})
    return tuple(labels), _spelt(output, widest)


def _dots(width: int) -> tuple[int, ...]:
    return tuple(range(DOTS + width - 1, DOTS - 1, -1))


def _spelt(names: Subscripts, width: int) -> tuple[int, ...]:
    found: list[int] = []
    for name in names:
        found.extend(_dots(width) if name is None else (name,))
    return tuple(found)


def _miscounted(place: int, names: Subscripts, ndim: int) -> BaseException:
    count = sum(name is not None for name in names)
    more = "" if None in names else " and no ellipsis was given"
    relation = "is more than" if None in names else "does not match"
    verb = (
        f"the number of subscripts in the equation ({count}) {relation} the number of dimensions"
        f" ({ndim}) for operand {place}{more}"
    )
    return fail(RuntimeError, f"einsum(): {verb}")


def _check_output(output: Subscripts, known: set[int]) -> None:
    for place, name in enumerate(output):
        if name is None:
            continue
        if name in output[:place]:
            raise RuntimeError(
                f"einsum(): output subscript {LETTERS[name]} appears more than once in the output"
            )
        if name not in known:
            raise RuntimeError(
                f"einsum(): output subscript {LETTERS[name]} does not appear in the equation for"
                " any input operand"
            )


def _check_sizes(operands: Sequence[Tensor], labels: Sequence[tuple[int, ...]]) -> None:
    sizes: dict[int, int] = {}
    for place, (x, names) in enumerate(zip(operands, labels)):
        for dim, (size, name) in enumerate(zip(x._array.shape, names)):
            before = sizes.get(name, 1)
            if name in names[:dim]:  # a diagonal: nothing is repeated to make one
                first = x._array.shape[names.index(name)]
                if size != first:
                    raise fail(
                        ShapeError,
                        f"einsum(): subscript {LETTERS[name]} is repeated for operand {place} but"
                        f" the sizes don't match, {size} != {first}",
                    )
            elif before == 1:
                sizes[name] = size
            elif size not in (1, before):
                raise _misfit(operands, place, dim, name, before)


def _misfit(
    operands: Sequence[Tensor], place: int, dim: int, name: int, before: int
) -> BaseException:
    """A size that is neither 1 nor what the label had before."""
    size = operands[place]._array.shape[dim]
    if name < DOTS:
        return fail(
            ShapeError,
            f"einsum(): subscript {LETTERS[name]} has size {size} for operand {place}"
            f" which does not broadcast with previously seen size {before}",
            f"the shapes are {', '.join(str(one._array.shape) for one in operands)}",
        )
    return fail(
        ShapeError,
        f"einsum(): dimension {dim} covered by ellipsis in operand {place}has size"
        f" {size} which does not broadcast with previously seen ellipsis with size"
        f" {before} for the respective dimension",
    )


def _check_types(operands: Sequence[Tensor]) -> None:
    first = operands[0]._array.dtype
    for x in operands:
        if x._array.dtype != first:
            names = [scalar_type_name(operands[0].dtype), scalar_type_name(x.dtype)]
            raise fail(
                RuntimeError, f"expected scalar type {names[0]} but found {names[1]}",
                "einsum takes operands of one type: convert with .to(...)",
            )  # fmt: skip
