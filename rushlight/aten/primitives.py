"""The library's own ops as torch's operators, where nobody called a public function.

Gradients are rules in such ops (`g * d`, `expand`, `sum_to`), and layers run some directly. A row
gives the operator's name and arguments; ops with torch's name and arguments need none.
"""

from __future__ import annotations

from typing import Any

from .._ops import OpOverload
from ..core.overrides import OPS
from ..core.primitive import Primitive
from ..export.schemas import table

# Operators that are taken apart further.
WHOLE = frozenset(
    """
linear matmul reshape sum_to_size conv1d conv2d conv3d softmax log_softmax to
""".split()
)
# Ops whose parameters are torch's arguments, in their order.
_ALIKE = frozenset(
    """
clamp cummax cummin cumprod cumsum diagonal logcumsumexp rot90 select tril triu unbind unfold
unsqueeze
""".split()
)


def said(prim: Primitive, inputs: Any, params: Any) -> tuple[str, Any, dict[str, Any]] | None:
    """(operator, arguments, named ones) that say an op, or None."""
    row = ROWS.get(prim.name)
    if row is not None:
        return row(inputs, params)
    if prim.name not in table() or (params and prim.name not in _ALIKE):
        return None
    if prim.arity is None:
        return prim.name, (list(inputs), *params), {}
    return prim.name, (*inputs, *params), {}


class _Own(OpOverload):
    """An op that torch has no operator for, under its own name."""

    __slots__ = ("_op",)
    namespace = "rushlight"

    def __init__(self, op: Any, prim: Primitive) -> None:
        super().__init__(op, "default")
        self.__name__, self._op = f"{prim.name}.default", op

    def __str__(self) -> str:
        return f"rushlight.{self.__name__}"

    def __repr__(self) -> str:
        return f"<OpOverload(op='rushlight.{self._op.__name__}', overload='default')>"

    def name(self) -> str:
        return f"rushlight::{self._op.__name__}"

    def kernel(self, *args: Any, **kwargs: Any) -> Any:
        return self._op(*args, **kwargs)


_own: dict[str, _Own] = {}


def own(prim: Primitive) -> Any:
    """The operator of an op that torch has none for."""
    if prim.name not in _own:
        op = OPS[prim.name]
        if prim.arity is None:
            op = _joined(op, prim)
        _own[prim.name] = _Own(op, prim)
    return _own[prim.name]


def _joined(op: Any, prim: Primitive) -> Any:
    def run(*values: Any) -> Any:
        count = len(values) - sum(1 for one in values if not hasattr(one, "_array"))
        return op(tuple(values[:count]), *values[count:])

    run.__name__ = prim.name
    return run


def _reduced(name: str) -> Any:
    def row(inputs: Any, params: Any) -> Any:
        (x,), (axes, *rest) = inputs, (*params, None)[:2] if params else (None, None)
        keep = bool(rest and rest[0])
        axes = list(range(x.ndim)) if axes is None and keep else axes
        if axes is None:
            return name, (x,), {}
        dims = [axes] if isinstance(axes, int) else list(axes)
        return name, (x, dims, True) if keep else (x, dims), {}

    return row


def _viewed(inputs: Any, params: Any) -> Any:
    return "reshape", (inputs[0], list(params[0])), {}


def _squeezed(inputs: Any, params: Any) -> Any:
    dims = params[0] if params else None
    dims = dims[0] if isinstance(dims, tuple) and len(dims) == 1 else dims
    return ("squeeze", (inputs[0], dims), {}) if isinstance(dims, int) else None


def _listed(name: str) -> Any:
    return lambda inputs, params: (name, (inputs[0], list(params[0])), {})


ROWS: dict[str, Any] = {
    **{name: _reduced(name) for name in ("sum", "mean")},
    "view": _viewed, "unsafe_view": _viewed, "expand": _listed("expand"),
    "permute": _listed("permute"), "sum_to": _listed("sum_to_size"),
    "linear": lambda inputs, params: ("linear", inputs, {}),
    "linear_bias": lambda inputs, params: ("linear", inputs, {}),
    "transpose": lambda inputs, params: ("transpose", (inputs[0], *params), {}),
    "slice": lambda inputs, params: (
        "slice", (inputs[0], params[0], params[1], params[1] + params[2]), {}),
    "squeeze": _squeezed,
    "cat": lambda inputs, params: ("cat", (list(inputs), *params[:1]), {}),
    "stack": lambda inputs, params: ("stack", (list(inputs), *params[:1]), {}),
    "cast": lambda inputs, params: ("to", (inputs[0], params[0]), {}),
}  # fmt: skip
