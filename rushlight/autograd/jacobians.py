"""Whole Jacobians and Hessians: one pass of `vjp` or `jvp` over the unit vectors, batched."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.errors import fail
from ..core.tensor import Tensor, wrap
from ..core.trees import TreeSpec, flatten, map_leaves, unflatten
from ..ops.structure import join, permute, reshape, split
from .dual import Dual
from .levels import entered
from .transforms import (
    Argnums,
    Function,
    argument_places,
    check_kinds,
    check_outputs,
    only_tensors,
    primal_of,
    unpacked,
    vjp_of,
    with_aux,
    wraps,
)
from .vmap import check_randomness, vmapped


def _numel(x: Tensor) -> int:
    return x._array.size


def _refuse_complex(name: str, tree: Any, what: str) -> None:
    """torch's error: a Jacobian has a row per real number."""
    for place, x in enumerate(flatten(tree)[0]):
        if isinstance(x, Tensor) and x._array.dtype.kind == "c":
            raise fail(
                RuntimeError,
                f"{name}: Expected all {what} to be real but received complex tensor at flattened"
                f" input idx: {place}",
                "take the derivative by torch.view_as_real(z), or of a holomorphic function"
                " by jvp and vjp",
            )


def _unit_rows(likes: list[Tensor], start: int, stop: int) -> list[Tensor]:
    """Rows start..stop of the identity over the elements of all tensors, one block per tensor."""
    blocks, before = [], 0
    for x in likes:
        size = _numel(x)
        rows = np.zeros((stop - start, size), x._array.dtype)
        low, high = max(start, before), min(stop, before + size)
        if high > low:
            at = np.arange(low, high)
            rows[at - start, at - before] = 1
        blocks.append(wrap(rows.reshape(stop - start, *x._array.shape)))
        before += size
    return blocks


def _apply_rows(push: Function, likes: list[Tensor], chunk: int | None, how: str) -> list[Tensor]:
    """`push` on every unit vector: results with the vectors along the first dimension."""
    total = sum(map(_numel, likes))
    if total == 1 and len(likes) == 1:
        found = push([wrap(np.ones(likes[0]._array.shape, likes[0]._array.dtype))])
        return [reshape(y, (1, *y._array.shape)) for y in found]
    step = total if chunk is None else chunk
    parts = []
    for start in range(0, max(total, 1), max(step, 1)):
        rows = _unit_rows(likes, start, min(start + step, total))
        if chunk == 1:
            found = push([reshape(row, row._array.shape[1:]) for row in rows])
            parts.append([reshape(y, (1, *y._array.shape)) for y in found])
        else:
            parts.append(vmapped(push, 0, 0, how, None, (rows,), {}))
    if len(parts) == 1:
        return list(parts[0])
    return [join(column, 0, tuple(len(one._array) for one in column)) for column in zip(*parts)]


def _blocks(stacked: Tensor, likes: list[Tensor]) -> list[Tensor]:
    """The rows that belong to each tensor, shaped as its elements."""
    rest = stacked._array.shape[1:]
    sizes = tuple(map(_numel, likes))
    parts = (stacked,) if len(likes) == 1 else split(stacked, 0, sizes)
    return [reshape(part, (*x._array.shape, *rest)) for part, x in zip(parts, likes)]


def jacrev(
    func: Function, argnums: Argnums = 0, *, has_aux: bool = False, chunk_size: int | None = None,
    _preallocate_and_copy: bool = False,
) -> Function:  # fmt: skip
    """A function that gives the Jacobian of `func` by reverse mode, one row per output element.

    Trees of outputs over trees of inputs; each leaf has shape `output.shape + input.shape`.
    `chunk_size` rows are computed at a time. Good for few outputs.
    Source: https://pytorch.org/docs/stable/generated/torch.func.jacrev.html

    >>> import rushlight as torch
    >>> torch.func.jacrev(lambda x: x ** 2)(torch.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError("jacrev: `chunk_size` should be greater than 0.")

    def jacobian(*args: Any, **kwargs: Any) -> Any:
        _refuse_complex("jacrev", args, "inputs")
        places = argument_places(argnums, len(args))
        output, pull, aux = vjp_of(func, args, places, has_aux, **kwargs)
        outputs, spec = flatten(output)
        _refuse_complex("jacrev", outputs, "outputs")
        _, in_spec = flatten(tuple(args[place] for place in places))

        def rows(cotangents: list[Tensor]) -> list[Tensor]:
            return flatten(pull(unflatten(cotangents, spec)))[0]

        columns = _apply_rows(rows, outputs, chunk_size, "error")
        table = [_blocks(column, outputs) for column in columns]  # [input][output]
        found = [
            _by_argument([row[place] for row in table], in_spec, argnums)
            for place in range(len(outputs))
        ]
        result = unflatten(found, spec)
        return (result, aux) if has_aux else result

    return wraps(func, jacobian)


def _by_argument(leaves: list[Tensor], spec: TreeSpec, argnums: Argnums) -> Any:
    found = unflatten(leaves, spec)
    return found if isinstance(argnums, tuple) else found[0]


def jacfwd(
    func: Function, argnums: Argnums = 0, has_aux: bool = False, *, randomness: str = "error"
) -> Function:
    """A function that gives the Jacobian of `func` by forward mode, one column per input element.

    Shapes as for `jacrev`. Good for few inputs.
    Source: https://pytorch.org/docs/stable/generated/torch.func.jacfwd.html

    >>> import rushlight as torch
    >>> torch.func.jacfwd(torch.sin)(torch.zeros(2))
    tensor([[1., 0.],
            [0., 1.]])
    """
    check_randomness(randomness)

    def jacobian(*args: Any, **kwargs: Any) -> Any:
        _refuse_complex("jacfwd", args, "inputs")
        places = argument_places(argnums, len(args))
        inputs, in_spec = flatten(tuple(args[place] for place in places))
        only_tensors(inputs, "jvp(f, primals, tangents)")
        seen: list[Any] = []  # how the outputs are arranged, and what came beside them

        def given(duals: list[Tensor]) -> Any:
            whole = list(args)
            for place, one in zip(places, unflatten(duals, in_spec)):
                whole[place] = one
            return func(*whole, **kwargs)

        def columns(tangents: list[Tensor]) -> list[Tensor]:
            pushed, *seen[:] = _pushed(given, inputs, tangents, has_aux)
            return pushed

        pushed = _apply_rows(columns, inputs, None, randomness)
        spec, aux = seen
        found = []
        for column in pushed:
            blocks = [_outputs_first(block, x, column) for block, x in
                      zip(_blocks(column, inputs), inputs)]  # fmt: skip
            found.append(_by_argument(blocks, in_spec, argnums))
        result = unflatten(found, spec)
        return (result, aux) if has_aux else result

    return wraps(func, jacobian)


def _pushed(
    func: Function, inputs: list[Tensor], tangents: list[Tensor], has_aux: bool
) -> tuple[list[Tensor], TreeSpec, Any]:
    """The tangents of what `func` makes of a list, how they are arranged, and what it adds."""
    with entered("jvp") as level:
        for x, t in zip(inputs, tangents):
            check_kinds(x, t)
        result = func([wrap(Dual(level, x, t)) for x, t in zip(inputs, tangents)])
        result, aux = with_aux(result, "jacfwd(f, *args)") if has_aux else (result, None)
        ys, spec = flatten(result)
        check_outputs(ys, "jvp(f, primals, tangents)")
        _refuse_complex("jacfwd", ys, "outputs")
        found = [unpacked(level, y)[1] for y in ys]
    return found, spec, map_leaves(lambda x: primal_of(level, x), aux)


def _outputs_first(block: Tensor, x: Tensor, column: Tensor) -> Tensor:
    """(*input, *output) as (*output, *input)."""
    n, m = x._array.ndim, column._array.ndim - 1
    if not n or not m:
        return block
    return permute(block, (*range(n, n + m), *range(n)))


def hessian(func: Function, argnums: Argnums = 0) -> Function:
    """A function that gives the second derivatives of `func`: forward mode over reverse mode.

    Source: https://pytorch.org/docs/stable/generated/torch.func.hessian.html

    >>> import rushlight as torch
    >>> torch.func.hessian(lambda x: (x ** 3).sum())(torch.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    return jacfwd(jacrev(func, argnums), argnums)
