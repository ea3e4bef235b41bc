"""Which overload of an operator a call means, and how torch writes its arguments.

`aten.txt` has the forms that torch's registry knows, written by `tests/parity/record_aten.py`.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import rushlight as rl

from ..core.folders import content_of
from ..core.schemas import REQUIRED, Argument, Schema, parse

# By which arguments a call is bound if several forms fit: the first of these goes first.
_ORDER = {
    "std": ("dim", "correction", ""), "var": ("dim", "correction", ""),
    "std_mean": ("dim", "correction", ""), "var_mean": ("dim", "correction", ""),
    "split": ("Tensor",), "where": ("self", "ScalarOther", "ScalarSelf", "Scalar", ""),
    "pow": ("Tensor_Tensor", "Tensor_Scalar", "Scalar"), "to": ("dtype", "other"),
    "norm": ("ScalarOpt_dim", "Scalar"),
}  # fmt: skip
_ALIASES = {"axis": "dim", "keepdims": "keepdim", "input": "self", "x1": "self", "x2": "other"}


@cache
def table() -> dict[str, dict[str, Schema]]:
    """The forms of each operator: by name, by the form's name."""
    found: dict[str, dict[str, Schema]] = {}
    for line in content_of(Path(__file__).with_name("aten.txt")).decode().splitlines():
        whole, _, rest = line.partition("(")
        name, _, form = whole.partition(".")
        found.setdefault(name, {})[form] = parse(f"({rest} -> Tensor")
    return found


def forms_of(name: str) -> list[tuple[str, Schema]]:
    """The forms of an operator in the order in which they are tried; in-place ones as the others.

    >>> from rushlight.export.schemas import forms_of
    >>> [form for form, _ in forms_of("sum")]
    ['', 'dim_IntList']
    """
    known = table().get(name) or table().get(name.removesuffix("_"), {})
    order = _ORDER.get(name.removesuffix("_"), tuple(known))
    return [(form, known[form]) for form in order if form in known]


def bound(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[str, Any, Any] | None:
    """The form's name, and its arguments as torch writes them; None where no form takes them.

    >>> import rushlight as torch
    >>> from rushlight.export.schemas import bound
    >>> x = torch.ones(2, 3)
    >>> bound("sum", (x,), {"axis": 1})[0::2], bound("max_pool2d", (x, 2), {})[1][1:]
    (('dim_IntList', {}), ([2, 2],))
    """
    for loose in (False, True):
        for form, schema in forms_of(name):
            values = _fitted(schema, args, kwargs, loose)
            if values is not None:
                return form or "default", *_written(schema, values)
    return None


def _fitted(schema: Schema, args: Any, kwargs: dict[str, Any], loose: bool) -> list[Any] | None:
    """A value for each argument, or None if the call is not of this form."""
    args = _gathered(schema, list(args))
    if len(args) > schema.positional:
        return None
    known = {one.name for one in schema.arguments[len(args) :]}
    named = {
        key if key in known else _ALIASES.get(key, key): value for key, value in kwargs.items()
    }
    values = []
    for place, one in enumerate(schema.arguments):
        value = args[place] if place < len(args) else named.pop(one.name, one.default)
        if value is REQUIRED:
            return None
        if value is not one.default or place < len(args):
            value = _taken(one, value, loose)
            if value is REQUIRED:
                return None
        values.append(value)
    # what no argument took: only these two, and only where they ask for nothing
    asks = any(
        key not in ("out", "requires_grad") or not (value is None or value is False)
        for key, value in named.items()
    )
    return None if asks else values


def _gathered(schema: Schema, args: list[Any]) -> list[Any]:
    """The arguments with a last list given piece by piece as one: x.view(2, 3), meshgrid(x, y)."""
    last = schema.positional - 1
    if last < 0 or len(args) <= last or not schema.arguments[last].kind.endswith("[]"):
        return args
    kind = int if schema.arguments[last].kind.startswith("int") else rl.Tensor
    if all(isinstance(x, kind) for x in args[last:]):
        return [*args[:last], args[last:]]
    return args


def _taken(one: Argument, value: Any, loose: bool) -> Any:
    """A value as an argument of this kind; REQUIRED if it is none."""
    kind = one.kind.removesuffix("?")
    if value is None:
        return None if one.kind.endswith("?") else REQUIRED
    base, bracket, size = kind.partition("[")
    if bracket:
        return _list(base, size.removesuffix("]"), value)
    if kind == "Tensor":
        loosely = loose and one.name in ("other", "self") and type(value) in (int, float, bool)
        return value if isinstance(value, rl.Tensor) or loosely else REQUIRED
    classes: Any = {
        "Scalar": (int, float, complex), "int": int, "float": (int, float), "bool": bool,
        "str": str, "ScalarType": rl.dtype, "Layout": rl.layout, "Device": (rl.device, str),
        "MemoryFormat": rl.memory_format, "Generator": rl.Generator,
    }.get(kind)  # fmt: skip
    if classes is None or not isinstance(value, classes):
        return REQUIRED
    if kind == "int" and isinstance(value, bool):
        return REQUIRED
    if kind == "Device":
        return rl.device(value)
    return float(value) if kind == "float" else value


def _list(base: str, size: str, value: Any) -> Any:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return [value] * int(size or 1)
    if not isinstance(value, (tuple, list)):
        return REQUIRED
    kinds: Any = {"int": int, "float": (int, float), "bool": bool}.get(base, rl.Tensor)
    empty = base.endswith("?")
    fits = all(isinstance(x, kinds) or (empty and x is None) for x in value)
    return list(value) if fits else REQUIRED


def _written(schema: Schema, values: list[Any]) -> tuple[Any, Any]:
    """Arguments by place, without those at the end that are as by default, and by name."""
    at = schema.positional
    while at > 0 and _usual(schema.arguments[at - 1], values[at - 1]):
        at -= 1
    named = {}
    factory = any(one.name == "pin_memory" for one in schema.arguments)
    for one, value in zip(schema.arguments[schema.positional :], values[schema.positional :]):
        if (
            factory
            and one.name == "device"
            and value is None
            and schema.arguments[0].name != "self"
        ):
            value = rl.device("cpu")
        if factory and one.name == "pin_memory":
            value = bool(value)
        elif _usual(one, value):
            continue
        named[one.name] = value
    return tuple(values[:at]), named


def _usual(one: Argument, value: Any) -> bool:
    """Whether a value is the argument's default."""
    default = one.default
    if isinstance(value, list) and isinstance(default, int):
        return all(x == default for x in value)
    return default is not REQUIRED and type(value) is type(default) and value == default
