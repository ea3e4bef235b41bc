"""`torch.overrides`: what classes that look like tensors use to handle operations themselves.

A subclass of Tensor, or any class with a `__torch_function__`, is asked for every op it appears in.
"""

from __future__ import annotations

from typing import Any

from .core.overrides import speakers, speaks
from .core.tensor import Tensor

__all__ = ["has_torch_function", "handle_torch_function", "is_tensor_like"]


def is_tensor_like(inp: Any) -> bool:
    """Whether something is a tensor or has a `__torch_function__`."""
    return isinstance(inp, Tensor) or hasattr(type(inp), "__torch_function__")


def has_torch_function(relevant_args: Any) -> bool:
    """Whether some argument handles operations itself."""
    return any(type(arg) is not Tensor and speaks(type(arg)) for arg in relevant_args)


def handle_torch_function(public_api: Any, relevant_args: Any, *args: Any, **kwargs: Any) -> Any:
    """What the first argument that handles `public_api` makes of it.

    Raises TypeError when all of them decline.
    """
    found = speakers(relevant_args)
    kinds = tuple(type(one) for one in found)
    for one in found:
        result = type(one).__torch_function__(public_api, kinds, args, kwargs)
        if result is not NotImplemented:
            return result
    raise TypeError(
        f"no implementation found for '{public_api.__name__}' on types that implement"
        f" __torch_function__: {list(kinds)}"
    )
