"""Dimensions by name: how a tensor is taken apart and put together again."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

from ..core.errors import fail
from ..core.tensor import Tensor
from ..ops import structure as s

__all__: list[str] = []

Axes = list[list[str] | None]  # for each dimension of a side its names; None: all others
REST = "..."
_PART = re.compile(r"\s*(\(|\)|\.\.\.|[A-Za-z_]\w*|\d+)")


class DimensionBindError(Exception):
    """Sizes that the names of a pattern do not fit."""


def _side(text: str) -> Axes:
    """The names of a side of a pattern, by dimension."""
    found: Axes = []
    inside: list[str] | None = None
    text, at = text.rstrip(), 0
    while at < len(text):
        part = _PART.match(text, at)
        if part is None:
            raise ValueError(f"Unknown character {text[at:].lstrip()[0]!r}")
        at, name = part.end(), part.group(1)
        if name == "(":
            if inside is not None:
                raise ValueError(
                    "Axis composition is one-level (brackets inside brackets not allowed)"
                )
            inside = []
        elif name == ")":
            if inside is None:
                raise ValueError(f"Imbalanced parentheses in expression: '{text}'")
            found.append(inside)
            inside = None
        elif name.isdigit() and name != "1":
            raise ValueError("rearrange only supports unnamed axes of size 1")
        elif inside is not None:
            inside += [name] * (name != "1")
        else:
            found.append(None if name == REST else [name] * (name != "1"))
    if inside is not None:
        raise ValueError(f"Imbalanced parentheses in expression: '{text}'")
    return found


def _names(side: Axes) -> list[str]:
    return [name for group in side for name in ([REST] if group is None else group)]


def _sides(pattern: str, lengths: dict[str, int]) -> tuple[Axes, Axes]:
    """Both sides of a pattern, which must have the same names."""
    if pattern.count("->") != 1:
        raise ValueError("Pattern must contain a single '->' separator")
    left, right = sides = tuple(_side(text) for text in pattern.split("->"))
    for names in map(_names, sides):
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"Indexing expression contains duplicate dimension '{name}'")
    before, after = (set(_names(side)) for side in sides)
    if any(group and REST in group for group in left):
        raise ValueError(f"Ellipsis is parenthesis in the left side is not allowed: {pattern}")
    if before != after:
        raise fail(
            ValueError,
            "Identifiers only on one side of rearrange expression (should be on both): "
            f"{before ^ after}", "rearrange neither adds nor drops dimensions",
        )  # fmt: skip
    if not lengths.keys() <= before:
        raise ValueError(
            f"Identifiers not found in rearrange expression: {lengths.keys() - before}"
        )
    return left, right


def _spread(left: Axes, right: Axes, dims: int) -> tuple[list[list[str]], list[list[str]]]:
    """Both sides with a name for each of the dimensions that `...` stands for."""
    rest = [f"{REST}{k}" for k in range(dims - len(left) + 1)]

    def told(side: Axes) -> Iterator[list[str]]:
        for group in side:
            if group is None:
                yield from ([name] for name in rest)
            else:
                yield [n for name in group for n in (rest if name == REST else [name])]

    return list(told(left)), list(told(right))


def _lengths(sizes: Sequence[int], left: list[list[str]], given: dict[str, int]) -> dict[str, int]:
    """The length of each name, from the sizes of the tensor's dimensions."""
    found = dict(given)
    for size, group in zip(sizes, left):
        unknown = [name for name in group if name not in found]
        known = math.prod(found[name] for name in group if name in found)
        if len(unknown) > 1:
            raise fail(
                DimensionBindError,
                "cannot infer the sizes of two dimensions at once " + " and ".join(unknown),
                f"give the length of one: rearrange(..., {unknown[0]}=...)",
            )
        if unknown:
            found[unknown[0]] = size // max(known, 1)
            known *= found[unknown[0]]
        if known != size:
            told = tuple("?" if name in unknown else found[name] for name in group)
            raise fail(
                DimensionBindError,
                f"inferred dimension does not evenly fit into larger dimension: {size} vs {told}",
            )
    return found


def rearrange(tensor: Tensor | Sequence[Tensor], pattern: str, **axes_lengths: int) -> Tensor:
    """The tensor with its dimensions in another order, split and joined, as a pattern says.

    Names stand for dimensions, names in parentheses for one dimension that is their product, 1
    for one of size 1 and `...` for all others. `axes_lengths` gives lengths that the sizes do not
    tell. Several tensors are stacked along a first dimension. The result is a view where one can
    be. Raises ValueError for patterns without sense, DimensionBindError for sizes that do not fit.
    Source: https://docs.pytorch.org/docs/stable/func.api.html, the notation of
    https://openreview.net/forum?id=oapKSVM2bcj

    >>> import rushlight as torch
    >>> from rushlight.func import rearrange
    >>> images = torch.zeros(8, 3, 4, 6)
    >>> rearrange(images, "b c (h p) (w q) -> b (h w) (c p q)", p=2, q=2).shape
    torch.Size([8, 6, 12])
    """
    x = tensor if isinstance(tensor, Tensor) else s.stack(tuple(tensor), 0)
    left, right = _sides(pattern, axes_lengths)
    sizes = x._array.shape
    least = len(left) - (None in left)
    if len(sizes) != least and (None not in left or len(sizes) < least):
        raise ValueError(
            f"Number of dimensions in pattern ({least}) must be equal to the number of dimensions"
            f" in the tensor ({len(sizes)})"
        )
    groups, wanted = _spread(left, right, len(sizes))
    lengths = _lengths(sizes, groups, axes_lengths)
    apart = [name for group in groups for name in group]
    order = [apart.index(name) for group in wanted for name in group]
    x = s.permute(s.reshape(x, tuple(lengths[name] for name in apart)), tuple(order))
    return s.reshape(x, tuple(math.prod(lengths[name] for name in group) for group in wanted))
