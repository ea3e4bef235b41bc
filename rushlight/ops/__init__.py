"""The declarations of the ops, a module per family, loaded when something needs one of them.

docs/one-op.md follows one of them from its declaration to a gradient.
"""

import functools as _functools
import importlib as _importlib

from ..core.primitive import FAMILIES as _FAMILIES


@_functools.cache
def load_all() -> None:
    """Declare every op."""
    import pkgutil  # on use

    for folder in (__name__, f"{__name__}.fused"):
        for found in pkgutil.iter_modules(_importlib.import_module(folder).__path__):
            _importlib.import_module(f"{folder}.{found.name}")


def load_library(path: str) -> None:
    """Refuse, as torch does what it cannot load: such libraries are made for its own runtime.

    Raises:
        OSError: always, which libraries that can do without their extension take for that.

    >>> import rushlight as torch
    >>> try:
    ...     torch.ops.load_library("libtwice.so")
    ... except OSError as error:
    ...     print(error)
    Could not load this library: libtwice.so
    """
    raise OSError(f"Could not load this library: {path}")


_FAMILIES.append(load_all)
