"""What programs call beside `torch.utils.checkpoint.checkpoint`: arguments, devices."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import rushlight as rl

__all__ = [
    "DefaultDeviceType", "check_backward_validity", "detach_variable", "get_device_states",
    "set_device_states",
]  # fmt: skip


def detach_variable(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments without history; tensors that required a gradient are leaves that do.

    Raises: RuntimeError for anything but a tuple.

    >>> import rushlight as torch
    >>> from rushlight.utils.checkpoint import detach_variable
    >>> x = torch.ones(2, requires_grad=True)
    >>> [one.is_leaf for one in detach_variable((2 * x, torch.ones(2)))]
    [True, True]
    """
    if not isinstance(inputs, tuple):
        raise RuntimeError(
            "Only tuple of tensors is supported. Got Unsupported input type: "
            + type(inputs).__name__
        )
    return tuple(
        x.detach().requires_grad_(x.requires_grad) if isinstance(x, rl.Tensor) else x
        for x in inputs
    )


def check_backward_validity(inputs: Iterable[Any]) -> None:
    """Warn where no tensor among the inputs requires a gradient: a reentrant checkpoint gives none.

    >>> import rushlight as torch, warnings
    >>> from rushlight.utils.checkpoint import check_backward_validity
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     check_backward_validity([torch.ones(1), 3])
    >>> print(caught[0].message)
    None of the inputs have requires_grad=True. Gradients will be None
    """
    if not any(x.requires_grad for x in [x for x in inputs if isinstance(x, rl.Tensor)]):
        warnings.warn(
            "None of the inputs have requires_grad=True. Gradients will be None", stacklevel=2
        )


class DefaultDeviceType:
    """The kind of device whose random state a checkpoint of tensors without one keeps.

    >>> from rushlight.utils.checkpoint import DefaultDeviceType
    >>> DefaultDeviceType.get_device_type()
    'cuda'
    """

    _kind = "cuda"

    @staticmethod
    def set_device_type(device: str = "cuda") -> None:
        """Remember another kind."""
        DefaultDeviceType._kind = device

    @staticmethod
    def get_device_type() -> str:
        """The kind: torch's default, though there is but the CPU here."""
        return DefaultDeviceType._kind


def get_device_states(*args: Any) -> tuple[list[int], list[Any]]:
    """The accelerators on which arguments lie, and their random states: ([], []).

    >>> import rushlight as torch
    >>> from rushlight.utils.checkpoint import get_device_states
    >>> get_device_states(torch.ones(2))
    ([], [])
    """
    return [], []


def set_device_states(devices: Any, states: Any, *, device_type: str | None = None) -> None:
    """Take back what `get_device_states` gave: nothing, on the CPU.

    >>> import rushlight as torch
    >>> from rushlight.utils.checkpoint import get_device_states, set_device_states
    >>> set_device_states(*get_device_states(torch.ones(2)))
    """
