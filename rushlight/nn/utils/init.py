"""Makes a module without initialising its parameters."""

from __future__ import annotations

import inspect
from typing import Any

from ..module import Module


def skip_init(module_cls: type, *args: Any, **kwargs: Any) -> Any:
    """A module of `module_cls` whose parameters hold undefined values.

    The class must take a `device` argument, as in torch.
    Raises: RuntimeError for other classes.

    >>> import rushlight as torch
    >>> torch.nn.utils.skip_init(torch.nn.Linear, 2, 3)
    Linear(in_features=2, out_features=3, bias=True)
    """
    if not issubclass(module_cls, Module):
        raise RuntimeError(f"Expected a Module; got {module_cls}")
    if "device" not in inspect.signature(module_cls).parameters:
        raise RuntimeError("Module must support a 'device' arg to skip initialization")
    device = kwargs.pop("device", "cpu")
    # without memory nothing is drawn, so that random numbers go on where they were
    return module_cls(*args, device="meta", **kwargs).to_empty(device=device)
