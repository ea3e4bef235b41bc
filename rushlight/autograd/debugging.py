"""`rushlight.debug()`: the op and the line where a nan or an infinity appears first.

Every op's result is looked through, forward and backward, so a step takes about twice as long.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import dispatch
from ..core.dispatch import node_name
from ..core.errors import user_line
from ..core.primitive import Primitive
from ..core.state import unwatch, watch
from ..core.tape import Entry
from ..core.tensor import Tensor
from . import engine
from .places import line_of


def _odd(values: Any) -> str:
    """What is wrong with some arrays or numbers: "nan", "inf" or nothing."""
    found = ""
    for x in values if isinstance(values, (tuple, list)) else (values,):
        array = x._array if isinstance(x, Tensor) else x
        if isinstance(array, (tuple, list)):
            found = found or _odd(array)
            continue
        if getattr(array, "dtype", None) is None:
            array = np.asarray(array) if isinstance(array, float) else None
        if array is None or array.dtype.kind not in "fc":
            continue
        if np.isnan(array).any():
            return "nan"
        if np.isinf(array).any():
            found = "inf"
    return found


def _outside(inputs: tuple[Any, ...]) -> str:
    """A Python integer that an integer operand's type cannot hold."""
    kinds = [x._array.dtype for x in inputs if isinstance(x, Tensor)]
    if len(kinds) != 1 or kinds[0].kind not in "iu":
        return ""
    limits = np.iinfo(kinds[0])
    for x in inputs:
        if type(x) is int and not limits.min <= x <= limits.max:
            return f"{x} does not fit {kinds[0]} ({limits.min}..{limits.max}) and wraps around"
    return ""


class debug:
    """A block in which ops tell where nan, infinities and integers that wrap around come from.

    The first op, forward or backward, that gives one although its operands have none is named in a
    UserWarning, with the line of its call; with `raises=True` in a FloatingPointError instead.

    >>> import rushlight as torch
    >>> with torch.debug(raises=True):
    ...     y = torch.log(torch.tensor([-1.0, 1.0]))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    FloatingPointError: log gives nan where its operands have none at ...
    """

    def __init__(self, *, raises: bool = False) -> None:
        self.raises = raises

    def __enter__(self) -> debug:
        self._handler = self._op
        dispatch.intercept(self._handler)
        watch(dispatch.note_line)
        self._before, engine.TIMER[0] = engine.TIMER[0], self._pull
        return self

    def __exit__(self, *error: object) -> None:
        engine.TIMER[0] = self._before
        unwatch(dispatch.note_line)
        dispatch.release(self._handler)

    def _say(self, what: str, line: str | None) -> None:
        text = f"{what} at {line}" if line else what
        if self.raises:
            raise FloatingPointError(text)
        warnings.warn(text, UserWarning, stacklevel=2)

    def _op(self, prim: Primitive, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
        wraps = _outside(inputs)
        found = dispatch.apply_plain(prim, inputs, params)
        if wraps:
            self._say(f"{prim.name}: {wraps}", user_line())
        odd = _odd(found)
        if odd and not _odd(inputs) and not _odd(params):
            self._say(f"{prim.name} gives {odd} where its operands have none", user_line())
        return found

    def _pull(self, entry: Entry) -> Callable[..., Any]:
        def pull(g: Any, found: Any) -> Any:
            grads = entry[0].pull(g, found)
            odd = _odd(grads)
            if odd and not _odd(g):
                what = f"the gradient of {node_name(entry)} is {odd} where what it gets is not"
                self._say(f"{what}; its forward call", line_of(entry))
            return grads

        return pull
