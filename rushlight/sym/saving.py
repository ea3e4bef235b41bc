"""Expressions saved as JSON and loaded again: data, never code."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..autograd.symbolic.expressions import (
    CONSTANT,
    DETACH,
    OUTPUT,
    VARIABLE,
    Expr,
    constant,
    make,
    order,
    variable,
)
from ..autograd.symbolic.values import inferred, wrap
from ..core import dtypes
from ..core.errors import fail
from ..core.holes import Hole
from ..core.primitive import REGISTRY
from .building import expression_of

FORMAT, VERSION = "rushlight.sym", 1


def dumps(expression: Any) -> str:
    """One or several expressions as JSON text.

    >>> import rushlight as torch
    >>> (x,) = torch.sym.vars("x")
    >>> torch.sym.loads(torch.sym.dumps(torch.exp(x) + 1))
    exp(x) + 1
    """
    several = isinstance(expression, (list, tuple))
    outputs = [expression_of(x) for x in (expression if several else [expression])]
    everything = order(outputs)
    index = {x: place for place, x in enumerate(everything)}
    nodes = [_written(x, index) for x in everything]
    whole = {
        "format": FORMAT, "version": VERSION, "several": several, "nodes": nodes,
        "outputs": [index[x] for x in outputs],
    }  # fmt: skip
    return json.dumps(whole, indent=None, separators=(",", ":"))


def _written(x: Expr, index: dict[Expr, int]) -> dict[str, Any]:
    if x.op == VARIABLE:
        shape = list(x.shape) if x.params[1] else None
        return {"op": VARIABLE, "name": x.name, "shape": shape, "dtype": x.dtype.name}
    if x.op == CONSTANT:
        kind = "weak" if x.weak else x.dtype.name
        shape = None if isinstance(x.value, np.ndarray) else list(x.shape)
        return {"op": CONSTANT, "value": _plain(x.value), "shape": shape, "dtype": kind}
    found: dict[str, Any] = {"op": x.op, "args": [index[a] for a in x.args]}
    if x.params:
        found["params"] = [_plain(p) for p in x.params]
    return found


def _plain(value: Any) -> Any:
    """A parameter as JSON; what JSON lacks is an object with one key."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if np.isfinite(value) else {"float": repr(value)}
    if isinstance(value, (tuple, list)):
        return {"tuple" if isinstance(value, tuple) else "list": [_plain(one) for one in value]}
    if isinstance(value, slice):
        return {"slice": [_plain(part) for part in (value.start, value.stop, value.step)]}
    if isinstance(value, dtypes.dtype):
        return {"dtype": value.name}
    if value is Ellipsis:
        return {"ellipsis": True}
    if isinstance(value, Hole):
        return {"hole": value.index}
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in "fiubc":
        array = np.ascontiguousarray(value)
        data = base64.b64encode(array.tobytes()).decode()
        return {"array": data, "shape": list(np.shape(value)), "dtype": array.dtype.str}
    raise fail(TypeError, f"a parameter of type {type(value).__name__} cannot be saved as data")


def loads(text: str) -> Any:
    """The expression(s) of `dumps`; shapes and types are inferred anew and ops checked by name.

    Raises: ValueError for text that is not such an expression.

    >>> import rushlight as torch
    >>> a, b = torch.sym.vars("a b")
    >>> torch.sym.loads(torch.sym.dumps([a * b, a + b]))
    [a*b, a + b]
    """
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not a saved expression: {error}") from None
    if not isinstance(whole, dict) or whole.get("format") != FORMAT:
        raise fail(ValueError, "not a saved expression", f'it has no "format": "{FORMAT}"')
    if whole.get("version") != VERSION:
        raise ValueError(f"version {whole.get('version')!r} of saved expressions is not known")
    made: list[Expr] = []
    try:
        for place, node in enumerate(whole["nodes"]):
            made.append(_read(node, made, place))
        found = [wrap(made[i]) for i in whole["outputs"]]
    except (KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"a damaged expression: {type(error).__name__}: {error}") from None
    return found if whole.get("several") else found[0]


def _read(node: dict[str, Any], made: Sequence[Expr], place: int) -> Expr:
    op = node["op"]
    if op == VARIABLE:
        shape = None if node["shape"] is None else tuple(map(int, node["shape"]))
        return variable(str(node["name"]), shape, np.dtype(node["dtype"]))
    if op == CONSTANT:
        value = _value(node["value"])
        if node["dtype"] == "weak" or isinstance(value, np.ndarray):
            return constant(value)
        return constant(value, np.dtype(node["dtype"]), tuple(node["shape"]))
    if any(not 0 <= i < place for i in node["args"]):
        raise ValueError(f"node {place} ({op}) reads a node that does not come before it")
    args = tuple(made[i] for i in node["args"])
    params = tuple(_value(p) for p in node.get("params", ()))
    if op == OUTPUT:
        (base,), (which,) = args, params
        return make(OUTPUT, args, params, base.shape[which], base.dtype[which])
    if op == DETACH:
        return make(op, args, params, args[0].shape, args[0].dtype)
    if op not in REGISTRY:
        raise ValueError(f"node {place} names an op that is not known: {op!r}")
    return make(op, args, params, *inferred(REGISTRY[op], args, params))


def _value(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    kind = next(iter(value))
    inside = value[kind]
    if kind == "array":
        array = np.frombuffer(base64.b64decode(inside), np.dtype(value["dtype"]))
        return array.reshape(value["shape"]).copy()
    readers = {
        "float": float, "tuple": lambda v: tuple(map(_value, v)), "slice": lambda v: slice(*v),
        "list": lambda v: list(map(_value, v)), "dtype": dtypes.named,
        "ellipsis": lambda v: Ellipsis, "hole": Hole,
    }  # fmt: skip
    return readers[kind](inside)


def save(expression: Any, path: str | os.PathLike[str]) -> None:
    """Write one or several expressions to a file, as JSON: all of it, or the old file stays.

    >>> import rushlight as torch
    >>> import tempfile
    >>> (x,) = torch.sym.vars("x")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     torch.sym.save(torch.exp(x) + 1, f"{folder}/f.json")
    ...     torch.sym.load(f"{folder}/f.json")
    exp(x) + 1
    """
    text, target = dumps(expression), Path(path)
    whole = target.is_file() or not target.exists()  # a pipe cannot be replaced
    draft = target.with_name(f"{target.name}.{os.getpid()}.draft") if whole else target
    try:
        draft.write_text(text, "utf-8")
        if whole:
            os.replace(draft, target.resolve())
    finally:
        if whole:
            draft.unlink(missing_ok=True)


def load(path: str | os.PathLike[str]) -> Any:
    """The expression(s) of a file written by `save`; nothing in the file is run.

    Raises: ValueError for a file that holds something else.

    >>> import rushlight as torch
    >>> import tempfile
    >>> a, b = torch.sym.vars("a b")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     torch.sym.save([a * b, a], f"{folder}/f.json")
    ...     torch.sym.load(f"{folder}/f.json")
    [a*b, a]
    """
    with open(path, encoding="utf-8") as file:
        return loads(file.read())
