"""Running results of an associative function, in a logarithmic number of steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rushlight as rl

from ..core.trees import flatten, unflatten


def associative_scan(
    combine_fn: Callable[[Any, Any], Any], xs: Any, dim: int, reverse: bool = False,
    combine_mode: str = "pointwise",
) -> Any:  # fmt: skip
    """y[0] = x[0], y[i] = combine_fn(y[i - 1], x[i]) along a dimension of every tensor of `xs`.

    `combine_fn` takes two trees of tensors like `xs`, must be associative and work elementwise:
    it is called on many places at once. Source: Blelloch, "Prefix sums and their applications".

    >>> import rushlight as torch
    >>> from rushlight._higher_order_ops.associative_scan import associative_scan
    >>> associative_scan(lambda a, b: a * b, torch.tensor([1, 2, 3, 4]), dim=0)
    tensor([ 1,  2,  6, 24])
    """
    if combine_mode not in ("pointwise", "generic"):
        raise ValueError(
            f"Combine_mode must either 'pointwise' or 'generic', but got {combine_mode}"
        )
    leaves, spec = flatten(xs)
    if not leaves or not all(isinstance(x, rl.Tensor) for x in leaves):
        raise ValueError(f"All xs leaves must be a Tensor, but got {xs}")
    leaves = [x.movedim(dim, 0) for x in leaves]
    if len({len(x) for x in leaves}) > 1:
        raise ValueError("All xs leaves must at least have the same size in the scanned dimension")
    if reverse:
        leaves = [x.flip(0) for x in leaves]

    def combined(a: list[Any], b: list[Any]) -> list[Any]:
        return flatten(combine_fn(unflatten(a, spec), unflatten(b, spec)))[0]

    found = _scan(combined, leaves)
    if reverse:
        found = [y.flip(0) for y in found]
    return unflatten([y.movedim(0, dim) for y in found], spec)


def _scan(combined: Callable[..., list[Any]], xs: list[Any]) -> list[Any]:
    """Pairs are combined and scanned; the places between follow from those before them."""
    size = len(xs[0])
    if size < 2:
        return xs
    pairs = combined([x[0 : size - 1 : 2] for x in xs], [x[1::2] for x in xs])
    odd = _scan(combined, pairs)
    before = [y[: (size - 1) // 2] for y in odd]
    even = combined(before, [x[2::2] for x in xs]) if size > 2 else [x[:0] for x in xs]
    even = [rl.cat([x[:1], y]) for x, y in zip(xs, even, strict=True)]
    return [_woven(a, b) for a, b in zip(even, odd, strict=True)]


def _woven(even: Any, odd: Any) -> Any:
    """The one's entries at even places, the other's at odd ones."""
    count = len(odd)
    both = rl.stack([even[:count], odd], 1).reshape(2 * count, *even.shape[1:])
    return both if len(even) == count else rl.cat([both, even[count:]])
