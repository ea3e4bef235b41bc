"""Objects that have a state: `state_dict` and `load_state_dict`."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from ...core.names import explain_missing as _explain_missing

__all__ = ["Stateful"]


@runtime_checkable
class Stateful(Protocol):
    """What can be put into a state as it is: an object with `state_dict` and `load_state_dict`.

    >>> import rushlight as torch
    >>> from rushlight.distributed.checkpoint.stateful import Stateful
    >>> isinstance(torch.nn.Linear(1, 1), Stateful), isinstance(3, Stateful)
    (True, False)
    """

    def state_dict(self) -> dict[str, Any]:
        """The state."""
        ...

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take a state."""
        ...


def states_of(state: dict[str, Any]) -> dict[str, Any]:
    """A state with the states of its objects in their places."""
    return {
        name: one.state_dict() if isinstance(one, Stateful) else one
        for name, one in state.items()
    }  # fmt: skip


_explain_missing(__name__)
