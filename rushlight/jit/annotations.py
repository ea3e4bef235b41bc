"""The names that scripted code is annotated with; those of classes are those of `typing`."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Tuple, Union  # noqa: UP035  (as old annotations say)

__all__ = [
    "Any", "DeviceObjType", "Dict", "List", "Optional", "TensorType", "Tuple", "Union",
]  # fmt: skip


class TensorType:
    """The type of tensors, as scripted code names it; there is one, which `get` gives.

    >>> from rushlight.jit.annotations import TensorType
    >>> TensorType.get()
    Tensor
    """

    @staticmethod
    def get() -> TensorType:
        """The type itself."""
        return _TENSORS

    def __repr__(self) -> str:
        return "Tensor"


_TENSORS = TensorType()


class DeviceObjType:
    """The type of devices, as scripted code names it; there is one, which `get` gives.

    >>> from rushlight.jit.annotations import DeviceObjType
    >>> DeviceObjType.get()
    Device
    """

    @staticmethod
    def get() -> DeviceObjType:
        """The type itself."""
        return _DEVICES

    def __repr__(self) -> str:
        return "Device"


_DEVICES = DeviceObjType()
