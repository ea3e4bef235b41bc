"""`torch.autograd.forward_ad`: dual numbers by hand, inside a level of their own."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..core.dispatch import FLOATS, record, result_entry
from ..core.primitive import Primitive
from ..core.state import STATE
from ..core.tape import LEAF, tick
from ..core.tensor import Tensor, wrap
from ..ops.structure import as_shape, contiguous, permute
from .dual import Dual
from .levels import STACK, Level, pop, push
from .transforms import check_kinds, check_tangent

__all__ = [
    "UnpackedDualTensor", "dual_level", "enter_dual_level", "exit_dual_level", "make_dual",
    "unpack_dual",
]  # fmt: skip


def _current() -> Level | None:
    found = [level for level in STACK.levels if level.kind == "dual"]
    return found[-1] if found else None


def enter_dual_level() -> int:
    """Begin a level of forward mode; what `dual_level` does on entry. One at a time.

    Raises: RuntimeError inside a level.

    >>> import rushlight as torch
    >>> from rushlight.autograd import forward_ad
    >>> level = forward_ad.enter_dual_level()
    >>> x = forward_ad.make_dual(torch.tensor(0.0), torch.tensor(1.0))
    >>> forward_ad.unpack_dual(x.sin()).tangent
    tensor(1.)
    >>> forward_ad.exit_dual_level()
    """
    if _current() is not None:
        raise RuntimeError("Nested forward mode AD is not supported at the moment")
    level = push("dual")
    STATE.duals += 1
    level.kept = _recorded
    return 0


def exit_dual_level(*, level: int | None = None) -> None:
    """End the level: tensors made in it lose their tangents.

    Raises: RuntimeError outside a level.

    >>> import rushlight as torch
    >>> from rushlight.autograd import forward_ad
    >>> level = forward_ad.enter_dual_level()
    >>> forward_ad.make_dual(torch.ones(1), torch.ones(1)) is not None
    True
    >>> forward_ad.exit_dual_level()
    """
    found = _current()
    if found is None:
        raise RuntimeError("Dual level must be a positive number.")
    pop(found)
    STATE.duals -= 1


class dual_level:
    """A block in which tensors may be dual.

    >>> import rushlight as torch
    >>> import rushlight.autograd.forward_ad as fwAD
    >>> with fwAD.dual_level():
    ...     x = fwAD.make_dual(torch.tensor(3.0), torch.tensor(1.0))
    ...     fwAD.unpack_dual(x ** 2).tangent
    tensor(6.)
    """

    def __enter__(self) -> int:
        return enter_dual_level()

    def __exit__(self, *error: object) -> None:
        exit_dual_level()


class UnpackedDualTensor(NamedTuple):
    """A dual tensor's value and its tangent, None if it has none.

    >>> import rushlight as torch
    >>> from rushlight.autograd import forward_ad
    >>> with forward_ad.dual_level():
    ...     x = forward_ad.make_dual(torch.tensor(3.0), torch.tensor(1.0))
    ...     forward_ad.unpack_dual(x * x).tangent
    tensor(6.)
    """

    primal: Any
    tangent: Any


def make_dual(tensor: Tensor, tangent: Tensor, *, level: int | None = None) -> Tensor:
    """A tensor of the same value with a tangent, which every op on it carries on.

    Raises RuntimeError outside a level, and for a tangent of another shape.
    Source: https://pytorch.org/docs/stable/generated/torch.autograd.forward_ad.make_dual.html

    >>> import rushlight as torch
    >>> import rushlight.autograd.forward_ad as fwAD
    >>> with fwAD.dual_level():
    ...     fwAD.make_dual(torch.ones(1), torch.tensor([5.0]))
    tensor([1.], tangent=tensor([5.]))
    """
    found = _current()
    if found is None:
        raise RuntimeError(
            "Trying to create a dual Tensor for forward AD but no level exists, make sure to"
            " enter_dual_level() first."
        )
    check_kinds(tensor, tangent)
    if type(tensor._array) is Dual and tensor._array.level is found:
        raise RuntimeError(
            "Making a dual Tensor based on a Tensor that already has a forward gradient at the same"
            " level 0 is not supported."
        )
    check_tangent(tensor, tangent)
    primal = as_shape(tensor, tensor._array.shape)
    result = wrap(Dual(found, primal, _laid_like(tangent, primal)))
    if tensor._entry is not None and STATE.grad:
        parent = tensor if tensor._entry is LEAF else tensor._entry
        result._entry = [
            as_shape.primitive, (parent,), None, None, (primal._array.shape,),
            primal._array.shape, tick(), None,
        ]  # fmt: skip
    return result


def _laid_like(tangent: Tensor, primal: Tensor) -> Tensor:
    """The tangent, copied if its memory is not laid out as the value's."""
    t, x = tangent._array, primal._array
    if type(t) is not np.ndarray or type(x) is not np.ndarray or t.strides == x.strides:
        return tangent
    order = sorted(range(x.ndim), key=lambda dim: -abs(x.strides[dim]))
    back = tuple(sorted(range(x.ndim), key=order.__getitem__))
    return permute(contiguous(permute(tangent, tuple(order))), back)


def unpack_dual(tensor: Tensor, *, level: int | None = None) -> UnpackedDualTensor:
    """(value, tangent) of a tensor; the tangent is None for one that has none.

    >>> import rushlight as torch
    >>> import rushlight.autograd.forward_ad as fwAD
    >>> with fwAD.dual_level():
    ...     fwAD.unpack_dual(torch.ones(1)).tangent is None
    True
    """
    found = _current()
    value = tensor._array
    if type(value) is not Dual or value.level is not found:
        old = type(value) is Dual and not value.level.alive
        return UnpackedDualTensor(value.primal if old else tensor, None)
    return UnpackedDualTensor(value.primal, value.tangent)


def _recorded(prim: Primitive, inputs: Any, params: Any, result: Any) -> None:
    """Let a dual result be differentiated backwards as well: its tape holds duals."""
    results = result if isinstance(result, tuple) else (result,)
    arrays = tuple(x._array if isinstance(x, Tensor) else x for x in inputs)
    ys = tuple(one._array for one in results)
    entry = record(prim, inputs, arrays, ys if isinstance(result, tuple) else ys[0], params)
    if entry is None:
        return
    for place, one in enumerate(results):
        if type(one._array) is Dual and one._array.dtype.char in FLOATS:
            several = isinstance(result, tuple)
            one._entry = result_entry(entry, place, one._array.shape) if several else entry
