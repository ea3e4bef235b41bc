"""A function mapped over lists of tensors, as optimisers written for the compiler do."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any


def foreach_map(op: Callable[..., Any], *operands: Any, **kwargs: Any) -> Any:
    """`op` of the first elements of all lists, of the second ones, and so on: a list of results.

    What is no list is given to every call; without any list there is one call and its result.
    Under `torch.compile` the calls become part of the program, where alike ones are fused.
    Source: https://docs.pytorch.org/tutorials/recipes/foreach_map.html

    >>> import rushlight as torch
    >>> from rushlight._higher_order_ops.foreach_map import foreach_map
    >>> foreach_map(torch.add, [torch.ones(1), torch.ones(2)], 2)
    [tensor([3.]), tensor([3., 3.])]
    """
    if not any(isinstance(operand, (list, tuple)) for operand in operands):
        return op(*operands, **kwargs)
    rows = [
        operand if isinstance(operand, (list, tuple)) else itertools.repeat(operand)
        for operand in operands
    ]
    return [op(*row, **kwargs) for row in zip(*rows, strict=False)]
