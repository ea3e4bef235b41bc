"""Dynamic dimensions: how they are named, tried at two sizes, and checked at a call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import rushlight as rl

from .._dynamo.exc import UserError, UserErrorType

_TO_NO_END = 2**63 - 1


class Dim:
    """A dimension whose size may change, by name, from `min` to `max`.

    Inputs whose dimensions carry the same Dim must agree in them. `Dim.AUTO` and `Dim.DYNAMIC` are
    dimensions without a name of their own; `Dim.STATIC` keeps the size of the example.
    Source: https://docs.pytorch.org/docs/stable/export.html

    >>> from rushlight.export import Dim
    >>> Dim("batch", min=2, max=64).max
    64
    """

    AUTO: Any
    DYNAMIC: Any
    STATIC: Any

    def __init__(self, name: str, *, min: int | None = None, max: int | None = None) -> None:
        self.__name__ = name
        self.min, self.max = 0 if min is None else min, _TO_NO_END if max is None else max
        if self.max <= self.min:
            raise AssertionError(f"Cannot create Dim with inconsistent min={min}, max={max}")
        if not name.isidentifier():
            raise AssertionError(f"Dim name must be a valid identifier, got {name}")

    def __repr__(self) -> str:
        ends = [f"min={self.min}"] if self.min != 2 else []
        ends += [f"max={self.max}"] if self.max != _TO_NO_END else []
        return f"Dim({', '.join([repr(self.__name__), *ends])})"


class _DimHint:
    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __repr__(self) -> str:
        return f"DimHint({self.kind})"


Dim.AUTO, Dim.DYNAMIC, Dim.STATIC = (_DimHint(kind) for kind in ("AUTO", "DYNAMIC", "STATIC"))


def dims(*names: str, min: int | None = None, max: int | None = None) -> tuple[Dim, ...]:
    """Several Dims at once.

    >>> from rushlight.export import dims
    >>> [one.__name__ for one in dims("batch", "time", min=2)]
    ['batch', 'time']
    """
    return tuple(Dim(name, min=min, max=max) for name in names)


class Dynamics:
    """Which dimensions of which inputs are dynamic: (input, dimension) to a symbol, and ranges."""

    def __init__(self) -> None:
        self.symbols: dict[tuple[int, int], str] = {}
        self.ranges: dict[str, tuple[int, int]] = {}
        self.names: dict[str, str] = {}  # of a Dim: its symbol

    def add(self, place: int, dim: int, wanted: Any) -> None:
        """What an entry of `dynamic_shapes` says of a dimension."""
        if wanted is None or wanted is Dim.STATIC or isinstance(wanted, int):
            return
        if isinstance(wanted, Dim):
            symbol = self.names.setdefault(wanted.__name__, f"s{len(self.ranges)}")
            span = (max(wanted.min, 2), wanted.max)
        elif isinstance(wanted, _DimHint):
            symbol, span = f"s{len(self.ranges)}", (2, _TO_NO_END)
        else:
            raise UserError(
                UserErrorType.INVALID_INPUT,
                f"Unexpected dimension mapped to index {dim} in input tensor shape specified in"
                f" `dynamic_shapes`: expected None, an int, a Dim, Dim.AUTO, Dim.STATIC, or"
                f" Dim.DYNAMIC, but got {wanted!r} instead",
            )
        self.symbols[place, dim] = symbol
        self.ranges.setdefault(symbol, span)


def found_dynamics(
    names: list[str], inputs: tuple[Any, ...], leaves: list[Any], wanted: Any
) -> Dynamics:
    """`dynamic_shapes` laid over the inputs: `leaves` has them flat, each tensor in its place."""
    known = Dynamics()
    if wanted is None:
        return known
    if isinstance(wanted, Mapping):
        wanted = _in_order(wanted, names)
    places = {id(x): place for place, x in enumerate(leaves) if isinstance(x, rl.Tensor)}
    _lay(known, places, inputs, tuple(wanted))
    _check_equal(known, leaves)
    return known


def _in_order(wanted: Mapping[str, Any], names: list[str]) -> list[Any]:
    """`dynamic_shapes` by the names of arguments as a list in their order."""
    if set(wanted) != set(names):
        raise UserError(
            UserErrorType.INVALID_INPUT,
            "When `dynamic_shapes` is specified as a dict, its top-level keys must be the arg"
            f" names {names} of `inputs`, but here they are {list(wanted)}. Alternatively, you"
            " could also ignore arg names entirely and specify `dynamic_shapes` as a"
            " list/tuple matching `inputs`.",
        )
    return [wanted[name] for name in names]


def _lay(known: Dynamics, places: Mapping[int, int], value: Any, spec: Any) -> None:
    """Add to `known` what `spec` says of the tensors in `value`, a tree of the same structure."""
    if spec is None:
        return
    if isinstance(value, rl.Tensor):
        for dim, one in spec.items() if isinstance(spec, Mapping) else enumerate(spec):
            known.add(places[id(value)], dim, one)
    elif isinstance(value, Mapping):
        for key, part in value.items():
            _lay(known, places, part, spec.get(key))
    elif isinstance(value, (tuple, list)):
        if len(spec) != len(value):
            raise UserError(
                UserErrorType.INVALID_INPUT,
                f"Detected mismatch between the structure of `inputs` and `dynamic_shapes`:"
                f" {len(value)} parts against {len(spec)}",
            )
        for part, one in zip(value, spec):
            _lay(known, places, part, one)


def _check_equal(known: Dynamics, leaves: list[Any]) -> None:
    """Dimensions of the same Dim must have the same size in the example."""
    sizes: dict[str, int] = {}
    for (place, dim), symbol in known.symbols.items():
        size = leaves[place].shape[dim]
        if sizes.setdefault(symbol, size) != size:
            raise UserError(
                UserErrorType.CONSTRAINT_VIOLATION,
                f"Constraints violated: the example has sizes {sizes[symbol]} and {size} where"
                " `dynamic_shapes` names the same Dim",
            )


def guards(path: str, place: int, value: Any, known: Dynamics) -> list[tuple[str, Any]]:
    """What must hold of an input at every call: the text that says so, and the question."""
    if not isinstance(value, rl.Tensor):
        return [(f"{path} == {value!r}", lambda x: x == value)]
    found: list[tuple[str, Any]] = []
    for dim, size in enumerate(value.shape):
        text, symbol = f"{path}.size()[{dim}]", known.symbols.get((place, dim))
        if symbol is None:
            found.append((f"{text} == {size}", _is(dim, size)))
        elif known.ranges[symbol][1] != _TO_NO_END:
            top = known.ranges[symbol][1]
            found.append((f"{text} <= {top}", _at_most(dim, top)))
    return found


def _is(dim: int, size: int) -> Any:
    return lambda x: x.size()[dim] == size


def _at_most(dim: int, top: int) -> Any:
    return lambda x: x.size()[dim] <= top
