"""`swap_tensors`: two tensors exchange contents, and both remain the same objects."""

from __future__ import annotations

import copyreg
import weakref
from typing import Any

from ..core.names import explain_missing as _explain_missing

__all__ = ["swap_tensors"]
_explain_missing(__name__)


def swap_tensors(t1: Any, t2: Any) -> None:
    """Exchange values, history, class and attributes of two tensors; who holds one sees the other.

    Raises: RuntimeError where somebody holds a weak reference to one, or a view of one is alive
    (its memory would stay behind). A graph recorded before the swap still adds its gradients to the
    leaves that it holds: convert modules before forward or after backward.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.utils.swap_tensors.html

    >>> import rushlight as torch
    >>> a, b = torch.ones(2), torch.zeros(1, dtype=torch.int64)
    >>> torch.utils.swap_tensors(a, b)
    >>> a, b
    (tensor([0]), tensor([1., 1.]))
    """
    for name, tensor in (("t1", t1), ("t2", t2)):
        base = tensor._base
        ours = 0 if base is None else sum(one() is tensor for one in base._views or ())
        if weakref.getweakrefcount(tensor) > ours:
            raise RuntimeError(f"Cannot swap {name} because it has weakref associated with it")
        if any(one() is not None for one in tensor._views or ()):
            raise RuntimeError(
                f"Expected use_count of {name} to be 1 or 2 with an AccumulateGrad node but got 2"
                " make sure you are not holding references to the tensor in other places."
            )
    slots_of: Any = copyreg._slotnames  # type: ignore[attr-defined]  # not in its stubs
    if (slots := set(slots_of(type(t1)))) != set(slots_of(type(t2))):
        raise RuntimeError("Cannot swap t1 and t2 if they have different slots")
    for name in ("__class__", "__dict__", *slots):
        one, other = getattr(t1, name), getattr(t2, name)
        setattr(t1, name, other)
        setattr(t2, name, one)
    for tensor, other in ((t1, t2), (t2, t1)):  # a view is known to its base
        if tensor._base is not None:
            tensor._base._views = [
                weakref.ref(tensor) if one() is other else one
                for one in tensor._base._views or ()
            ]  # fmt: skip
