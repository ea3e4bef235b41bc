"""Where a recorded operation was written and in which layer: kept while someone asks for it."""

from __future__ import annotations

import sys
from itertools import pairwise
from types import FrameType
from typing import Any

from ..core.cuts import cut_of
from ..core.errors import is_ours, user_line
from ..core.state import unwatch, watch
from ..core.tape import HOOKS, Entry, hooks_of
from ..core.tensor import Tensor

CUT_OPERANDS = object()  # in a node's metadata: which operands came out of which cuts


class record_lines:
    """Inside, every recorded operation keeps the user's line and the path of the layer it is in.

    Then `kept_for_backward`, `explain`, `graph_picture` and the errors of backward name them. It
    costs microseconds per operation, so it is off elsewhere.

    >>> import rushlight as torch
    >>> x = torch.ones(2, requires_grad=True)
    >>> with torch.record_lines():
    ...     y = (x * x).sum()
    >>> torch.kept_for_backward(y).rows[0].line.split(" in ")[1]
    '<module>'
    """

    def __init__(self) -> None:
        self._steps: dict[tuple[int, int], tuple[Any, Any, str]] = {}

    def __enter__(self) -> record_lines:
        watch(self._note)
        return self

    def __exit__(self, *error: object) -> None:
        unwatch(self._note)

    def _note(self, entry: Entry, value: Any, operands: Any) -> None:
        hooks = hooks_of(entry)
        hooks.line = user_line()
        hooks.module = self._path(sys._getframe(2))
        cut = {
            place: found
            for place, x in enumerate(operands if isinstance(operands, (tuple, list)) else ())
            if isinstance(x, Tensor) and x._entry is None
            for found in [cut_of(x._array)] if found is not None
        }  # fmt: skip
        if cut:
            hooks.metadata[CUT_OPERANDS] = cut

    def _path(self, frame: FrameType | None) -> str | None:
        """The dotted path of the layers whose call is under way, from the outermost on."""
        layers: list[Any] = []
        while frame is not None:
            code = frame.f_code
            if code.co_name == "__call__" and code.co_qualname == "Module.__call__":
                layer = frame.f_locals["self"] if is_ours(frame) else None
                if layer is not None and (not layers or layers[-1] is not layer):
                    layers.append(layer)
            frame = frame.f_back
        if not layers:
            return None
        layers.reverse()
        steps = [type(layers[0]).__name__]
        steps += [self._step(outer, inner) for outer, inner in pairwise(layers)]
        return ".".join(steps)

    def _step(self, outer: Any, inner: Any) -> str:
        key = id(outer), id(inner)
        found = self._steps.get(key)
        if found is None:
            named = (path for path, layer in outer.named_modules() if layer is inner)
            found = self._steps[key] = outer, inner, next(named, "") or type(inner).__name__
        return found[2]


def line_of(entry: Entry) -> str | None:
    """`file:line in function` of the call, if it was recorded."""
    return None if entry[HOOKS] is None else entry[HOOKS].line


def module_of(entry: Entry) -> str | None:
    """The path of the layer that the call was in, if it was recorded."""
    return None if entry[HOOKS] is None else entry[HOOKS].module
