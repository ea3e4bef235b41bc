"""rushlight in opt_einsum, which looks functions up in the module that a type comes from."""

from __future__ import annotations

from typing import Any

import rushlight as rl

einsum = rl.einsum


def transpose(a: Any, axes: Any) -> Any:
    """The dimensions in the order `axes`."""
    return a.permute(*axes)


def tensordot(x: Any, y: Any, axes: Any = 2) -> Any:
    """The sum over pairs of dimensions: the last and first `axes`, or those that it names."""
    return rl.tensordot(x, y, dims=axes)


def register() -> None:
    """Name this module as the home of the functions for our types."""
    from opt_einsum.backends import dispatch  # pyright: ignore[reportMissingImports]  # an extra

    dispatch._aliases["rushlight"] = __name__
