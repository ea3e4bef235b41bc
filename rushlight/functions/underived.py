"""Results that torch records on the tape though nobody wrote their derivative."""

from __future__ import annotations

from typing import Any

from ..core.dispatch import FLOATS
from ..core.primitive import Primitive
from ..core.state import STATE
from ..core.tape import LEAF, tick
from ..core.tensor import Tensor

__all__: list[str] = []


def underived(
    error: BaseException, results: Any, *inputs: Any, node: str = "NotImplemented"
) -> Any:
    """The results, recorded if an input wants a gradient: backward through them raises `error`."""
    if not STATE.grad or all(getattr(x, "_entry", None) is None for x in inputs):
        return results

    def refuse(g: Any, entry: Any) -> Any:
        raise error.with_traceback(None)

    prim = Primitive("underived", eval=None, pull=refuse, node=node, listed=False)
    given = [x for x in inputs if isinstance(x, Tensor)]
    parents = tuple(x if x._entry is LEAF else x._entry for x in given)
    for one in results if isinstance(results, tuple) else (results,):
        if one._array.dtype.char in FLOATS:
            one._entry = [prim, parents, None, None, (), one._array.shape, tick(), None]
    return results


def by_aten(name: str, results: Any, *inputs: Any) -> Any:
    """The same with the words of torch's fallback."""
    error = RuntimeError(f"derivative for aten::{name} is not implemented")
    return underived(error, results, *inputs)


def by_formula(name: str, node: str, results: Any, *inputs: Any) -> Any:
    """The same with the words of torch's list of derivatives."""
    error = NotImplementedError(f"the derivative for '{name}' is not implemented.")
    return underived(error, results, *inputs, node=node)
