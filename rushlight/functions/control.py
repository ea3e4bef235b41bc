"""Control flow that a compiled program can hold: `cond`, `while_loop`, `scan`.

Eagerly they are Python's `if`, `while` and `for`. In a program `cond` computes both sides and
chooses, `scan` is written out step by step, and `while_loop`, whose length nobody can know
beforehand, is run by Python in the middle of the program.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..autograd.modes import no_grad
from ..core.state import STATE
from ..core.tensor import Tensor, wrap
from ..ops.elementwise import where
from ..ops.structure import stack

__all__ = ["cond", "scan", "while_loop"]


def _tree(function: Callable[..., Any], *values: Any) -> Any:
    """A function of the tensors at each place of equal nested structures."""
    first = values[0]
    if isinstance(first, (tuple, list)):
        if any(type(one) is not type(first) or len(one) != len(first) for one in values):
            raise RuntimeError("cond: the branches must return results of the same structure")
        return type(first)(_tree(function, *parts) for parts in zip(*values))
    if isinstance(first, dict):
        return {key: _tree(function, *(one[key] for one in values)) for key in first}
    return function(*values)


def cond(
    pred: Any, true_fn: Callable[..., Any], false_fn: Callable[..., Any],
    operands: Sequence[Any] = (),
) -> Any:  # fmt: skip
    """true_fn(*operands) if pred else false_fn(*operands), also inside a compiled program.

    `pred` is a bool or a tensor of one element; both functions give tensors of the same shapes and
    types and write to nothing. In a program both sides are computed and one is chosen, so neither
    may draw random numbers (the call then runs eagerly).
    Raises RuntimeError when the branches return different structures.
    Source: https://docs.pytorch.org/docs/stable/cond.html

    >>> import rushlight as torch
    >>> x = torch.tensor([1.0, -2.0])
    >>> torch.cond(x.sum() > 0, torch.sin, torch.abs, (x,))
    tensor([1., 2.])
    """
    tracer = STATE.tracer
    if tracer is None or not isinstance(pred, Tensor):
        return (true_fn if bool(pred) else false_fn)(*operands)
    both, found = tracer.sides(pred, lambda: true_fn(*operands), lambda: false_fn(*operands))
    if not both:
        return found
    chosen = pred.reshape(())
    return _tree(lambda a, b: where(chosen, a, b), *found)


def while_loop(
    cond_fn: Callable[..., Any], body_fn: Callable[..., Any], carried_inputs: Sequence[Any]
) -> tuple[Any, ...]:
    """Repeat carried = body_fn(*carried) while cond_fn(*carried) holds; the last values.

    In a program Python runs the loop; no gradient goes through it there.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.while_loop.html

    >>> import rushlight as torch
    >>> torch.while_loop(lambda x: x < 100, lambda x: (2 * x,), (torch.tensor(3),))
    (tensor(192),)
    """
    tracer = STATE.tracer
    if tracer is None:
        return _loop(cond_fn, body_fn, tuple(carried_inputs))
    if any(isinstance(x, Tensor) and x.requires_grad for x in carried_inputs):
        tracer.stop("while_loop with a gradient")
        return _loop(cond_fn, body_fn, tuple(carried_inputs))

    def run(*arrays: np.ndarray) -> Any:
        with no_grad():
            found = _loop(cond_fn, body_fn, tuple(wrap(array.copy()) for array in arrays))
        return tuple(x._array for x in found)

    tracer.settle()  # or the program would run the loop again for the call that is traced
    return tuple(wrap(y) for y in tracer.host(run, [x._array for x in carried_inputs]))


def hosted(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of tensors that a program calls as it is, for those that look at values.

    Its results have the same shapes in every run, and no gradient.
    """

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        tracer = STATE.tracer
        tensors = [x for x in (*args, *kwargs.values()) if isinstance(x, Tensor)]
        if tracer is None or kwargs.get("out") is not None or any(x.requires_grad for x in tensors):
            return function(*args, **kwargs)
        made: list[Any] = []

        def run(*arrays: np.ndarray) -> Any:
            given = iter(arrays)
            swap = lambda x: wrap(next(given)) if isinstance(x, Tensor) else x
            # a call would take `map(...)` apart only after it has made the keywords
            swapped = [swap(x) for x in args]
            found = function(*swapped, **{key: swap(x) for key, x in kwargs.items()})
            made[:] = [found]
            parts = (found,) if isinstance(found, Tensor) else found
            return tuple(x._array for x in parts)

        found = [wrap(y) for y in tracer.host(run, [tracer.lift(x) for x in tensors])]
        return found[0] if isinstance(made[0], Tensor) else type(made[0])(*found)

    return call


def _loop(cond_fn: Any, body_fn: Any, carried: tuple[Any, ...]) -> tuple[Any, ...]:
    while bool(cond_fn(*carried)):
        found = body_fn(*carried)
        carried = tuple(found) if isinstance(found, (tuple, list)) else (found,)
    return carried


def scan(
    combine_fn: Callable[[Any, Any], tuple[Any, Any]], init: Any, xs: Any, *, dim: int = 0,
    reverse: bool = False,
) -> tuple[Any, Any]:  # fmt: skip
    """carry, y = combine_fn(carry, x) for each slice x of `xs`; the last carry and the ys, stacked.

    `xs` is a tensor or a nested structure of tensors of one length along `dim`; differentiable.

    >>> import rushlight as torch
    >>> torch.scan(lambda total, x: (total + x, total + x), torch.tensor(0), torch.arange(4))
    (tensor(6), tensor([0, 1, 3, 6]))
    """
    first = xs
    while not isinstance(first, Tensor):
        first = next(iter(first.values() if isinstance(first, dict) else first))
    order = range(first.shape[dim])
    carry, found = init, []
    for i in reversed(order) if reverse else order:
        carry, y = combine_fn(carry, _tree(lambda x, i=i: x.select(dim, i), xs))
        found.append(y)
    if reverse:
        found.reverse()
    if not found:
        raise RuntimeError("scan: there is nothing to go over")
    return carry, _tree(lambda *ys: stack(ys, dim), *found)
