"""torch.fx.experimental.symbolic_shapes: the error of code that asks for a value in a trace."""

from __future__ import annotations

__all__ = ["GuardOnDataDependentSymNode"]


class GuardOnDataDependentSymNode(RuntimeError):
    """The code decides by the value of a tensor, which a trace does not know."""
