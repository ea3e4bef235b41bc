"""What this implementation of the standard can do."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from .data_types import KINDS

__all__ = ["__array_namespace_info__"]


class ArrayNamespaceInfo:
    """Capabilities, devices and data types of the namespace."""

    def capabilities(self) -> dict[str, Any]:
        """Boolean indexing and data-dependent shapes are there."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self) -> Any:
        """Where new arrays are made."""
        return rl.device("cpu")

    def default_dtypes(self, *, device: Any = None) -> dict[str, Any]:
        """The types of new arrays."""
        real = rl.get_default_dtype()
        return {
            "real floating": real, "complex floating": rl.promote_types(real, rl.complex64),
            "integral": rl.int64, "indexing": rl.int64,
        }  # fmt: skip

    def dtypes(self, *, device: Any = None, kind: Any = None) -> dict[str, Any]:
        """The data types of a kind (None: all), by name."""
        kinds = ("bool", "numeric") if kind is None else kind
        chosen = kinds if isinstance(kinds, tuple) else (kinds,)
        found = [dtype for one in chosen for dtype in KINDS[one]]
        return {str(dtype).removeprefix("torch."): dtype for dtype in found}

    def devices(self) -> list[Any]:
        """All devices."""
        return [rl.device("cpu")]


def __array_namespace_info__() -> ArrayNamespaceInfo:
    """What the standard asks a namespace about itself."""
    return ArrayNamespaceInfo()
