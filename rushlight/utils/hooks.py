"""torch.utils.hooks: handles of hooks, and hooks that are not to be saved."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from ..core.handles import RemovableHandle

__all__ = ["RemovableHandle", "unserializable_hook", "warn_if_has_hooks"]


def unserializable_hook(f: Callable) -> Callable:
    """Mark a hook that a pickled tensor leaves behind, without a warning.

    >>> import rushlight as torch
    >>> from rushlight.utils.hooks import unserializable_hook
    >>> @unserializable_hook
    ... def shown(g):
    ...     print(g)
    >>> x = torch.ones(1, requires_grad=True)
    >>> handle = x.register_hook(shown)
    >>> (3 * x).backward()
    tensor([3.])
    """
    f.__torch_unserializable__ = True
    return f


def warn_if_has_hooks(tensor: Any) -> None:
    """Warn of each hook on `tensor` that would get lost when it is pickled.

    >>> import rushlight as torch, warnings
    >>> from rushlight.utils.hooks import warn_if_has_hooks
    >>> x = torch.ones(1, requires_grad=True)
    >>> handle = x.register_hook(lambda g: g)
    >>> with warnings.catch_warnings(record=True) as given:
    ...     warnings.simplefilter("always")
    ...     warn_if_has_hooks(x)
    >>> len(given)
    1
    """
    for hook in (getattr(tensor, "_hooks", None) or {}).values():
        if not hasattr(hook, "__torch_unserializable__"):
            warnings.warn(
                f"backward hook {hook!r} on tensor will not be serialized.  If this is expected,"
                " you can decorate the function with @torch.utils.hooks.unserializable_hook to"
                " suppress this warning",
                stacklevel=2,
            )
