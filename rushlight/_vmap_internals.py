"""torch._vmap_internals: `vmap` under the name by which libraries took it before it was public."""

from __future__ import annotations

from typing import Any

from .autograd.vmap import Function, vmap
from .core.tensor import Tensor

__all__ = ["vmap"]


def _vmap(
    func: Function, in_dims: Any = 0, out_dims: Any = 0, allow_none_pass_through: bool = False
) -> Function:
    """`vmap`; its function may return None among its outputs if `allow_none_pass_through`."""
    if not allow_none_pass_through:
        return vmap(func, in_dims, out_dims)

    def passing(*args: Any) -> Any:
        single, absent = [False], [False]

        def present(*inputs: Any) -> Any:
            found: Any = func(*inputs)
            if found is None or isinstance(found, Tensor):
                single[0], outputs = True, (found,)
            else:
                single[0], outputs = False, tuple(found)
            absent[:] = [one is None for one in outputs]
            return tuple(one for one in outputs if one is not None)

        if isinstance(out_dims, tuple):
            raise NotImplementedError("with allow_none_pass_through, out_dims is one number here")
        rest = iter(vmap(present, in_dims, out_dims)(*args))
        outputs = tuple(None if gone else next(rest) for gone in absent)
        return outputs[0] if single[0] else outputs

    return passing
