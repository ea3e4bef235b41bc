"""Steps of torch.autograd.functional under torch's names, of which libraries make Jacobians."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.tensor import Tensor, wrap


def _construct_standard_basis_for(
    tensors: tuple[Tensor, ...], tensor_numels: tuple[int, ...]
) -> tuple[Tensor, ...]:
    """The unit vectors of all tensors laid end to end, a row each; each tensor's columns of them.

    >>> import rushlight as torch
    >>> from rushlight.autograd.functional_steps import _construct_standard_basis_for
    >>> _construct_standard_basis_for((torch.ones(1), torch.ones(1)), (1, 1))
    (tensor([[1.],
            [0.]]), tensor([[0.],
            [1.]]))
    """
    total, ends = sum(tensor_numels), np.cumsum(tensor_numels)
    return tuple(
        wrap(np.eye(total, count, count - end, dtype=x._array.dtype))
        for x, count, end in zip(tensors, tensor_numels, ends.tolist())
    )


def _as_tuple(inp: Any, arg_name: str | None = None, fn_name: str | None = None) -> Any:
    """The tensors as a tuple, after whether they were one; without names, the tuple alone."""
    if arg_name is None and fn_name is None:
        return tuple(inp) if isinstance(inp, (tuple, list)) else (inp,)
    single = not isinstance(inp, tuple)
    values = (inp,) if single else inp
    for place, one in enumerate(values):
        if not isinstance(one, Tensor):
            which = f"given {arg_name}" if single else f"value at index {place}"
            raise TypeError(
                f"The {arg_name} given to {fn_name} must be either a Tensor or a tuple of Tensors"
                f" but the {which} has type {type(one)}."
            )
    return not single, values


def _tuple_postprocess(res: Any, to_unpack: bool | tuple[bool, bool]) -> Any:
    """The tuple, or what is in it where what it answers was none; in two tuples, one by one."""
    outer, inner = to_unpack if isinstance(to_unpack, tuple) else (to_unpack, True)
    if not inner:
        res = tuple(one[0] for one in res)
    return res if outer else res[0]


def _grad_postprocess(inputs: Any, create_graph: bool) -> Any:
    """The tensors of nested tuples, without their history unless a graph was asked for."""
    if not isinstance(inputs[0], Tensor):
        return tuple(_grad_postprocess(one, create_graph) for one in inputs)
    return inputs if create_graph else tuple(one.detach() for one in inputs)
