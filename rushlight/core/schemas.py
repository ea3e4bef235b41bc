"""Schemas of operators: `(Tensor x, float k=2.0, *, int? n=None) -> (Tensor, Tensor)`."""

from __future__ import annotations

import ast
import inspect
import re
import types
import typing
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from .errors import fail

REQUIRED = object()


class Argument(NamedTuple):
    """One argument: `kind` as the schema spells it, without marks of what is written to."""

    name: str
    kind: str
    default: Any
    written: bool


class Schema:
    """The arguments of an operator, how many of them go by place, and what it returns."""

    def __init__(self, arguments: list[Argument], positional: int, returns: str) -> None:
        self.arguments, self.positional, self.returns = arguments, positional, returns

    def __str__(self) -> str:
        parts, written = [], 0
        for place, one in enumerate(self.arguments):
            if place == self.positional:
                parts.append("*")
            kind = one.kind
            if one.written:
                kind = kind.replace("Tensor", f"Tensor(a{place}!)", 1)
                written += 1
            default = "" if one.default is REQUIRED else f"={_text(one.default)}"
            parts.append(f"{kind} {one.name}{default}")
        return f"({', '.join(parts)}) -> {self.returns}"

    def bind(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
        """One value for each argument; RuntimeError, in torch's words, where they do not fit."""
        declared = f"Declaration: {name}{self}"
        if len(args) > self.positional:
            raise RuntimeError(
                f"{name}() expected at most {self.positional} argument(s) but received"
                f" {len(args)} argument(s). {declared}"
            )
        values = []
        for place, one in enumerate(self.arguments):
            value = args[place] if place < len(args) else kwargs.get(one.name, one.default)
            if value is REQUIRED:
                raise RuntimeError(
                    f"{name}() is missing value for argument '{one.name}'. {declared}"
                )
            _check(name, one, value)
            values.append(value)
        for key in kwargs:
            if key not in {one.name for one in self.arguments[len(args) :]}:
                raise RuntimeError(f"Unknown keyword argument '{key}' for operator '{name}'.")
        return values

    def written(self, values: Any) -> list[Any]:
        """The values that the operator writes to."""
        return [x for one, x in zip(self.arguments, values) if one.written and x is not None]


def _text(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


_CLASSES = {"SymInt": "int", "int": "int", "float": "float", "bool": "bool", "str": "str"}
_TAKEN = {"int": (int,), "float": (int, float), "bool": (bool, int), "str": (str,)}


def _check(name: str, one: Argument, value: Any) -> None:
    """Refuse a value of another class, where the schema names a plain one."""
    kind = one.kind.removesuffix("?")
    if value is None and kind != one.kind:
        return
    if kind == "Tensor":
        fits = hasattr(value, "requires_grad") or hasattr(value, "__torch_function__")
    elif kind in _CLASSES:
        fits = isinstance(value, _TAKEN[_CLASSES[kind]]) or hasattr(value, "dtype")
    else:
        return
    if not fits:
        raise RuntimeError(
            f"{name}() Expected a value of type '{_CLASSES.get(kind, kind)}' for argument"
            f" '{one.name}' but instead found type '{type(value).__name__}'."
        )


def parse(text: str) -> Schema:
    """A schema from its text.

    >>> print(parse("(Tensor x, float k=2.0, *, int? n=None) -> Tensor"))
    (Tensor x, float k=2.0, *, int? n=None) -> Tensor
    """
    found = re.fullmatch(r"\s*\((.*)\)\s*->\s*(.+?)\s*", text, re.DOTALL)
    if found is None:
        raise fail(
            RuntimeError, f"{text!r} is no schema",
            'write it as in "(Tensor x, int n=1) -> Tensor"',
        )  # fmt: skip
    arguments: list[Argument] = []
    positional = None
    for part in re.split(r",\s*(?![^(\[]*[)\]])", found[1].strip()):
        if part == "*":
            positional = len(arguments)
        elif part:
            left, equals, right = part.partition("=")
            kind, _, name = left.strip().rpartition(" ")
            plain = re.sub(r"\([a-z0-9]*(!?)[^)]*\)", "", kind)
            default = _literal(right.strip()) if equals else REQUIRED
            arguments.append(Argument(name, plain, default, "!" in kind))
    return Schema(arguments, len(arguments) if positional is None else positional, found[2])


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text  # a name of torch's, as in `dtype=float`


_PLAIN = {int: "SymInt", float: "float", bool: "bool", str: "str"}
_NAMED = {"Tensor": "Tensor", "dtype": "ScalarType", "device": "Device", "Parameter": "Tensor"}


def infer(function: Callable[..., Any], mutates: str | Iterable[str]) -> Schema:
    """The schema of a function, by its annotations; ValueError where one is missing."""
    signature = inspect.signature(function)
    try:
        hints = typing.get_type_hints(function)
    except (NameError, TypeError):
        hints = {}
    arguments, positional = [], 0
    for name, one in signature.parameters.items():
        if one.annotation is one.empty:
            raise ValueError(
                f"infer_schema(func): Parameter {name} must have a type annotation. Got func with"
                f" signature {signature})"
            )
        kind = _kind(hints.get(name, one.annotation), name, signature)
        written = "Tensor" in kind and (mutates == "unknown" or name in mutates)
        default = REQUIRED if one.default is one.empty else one.default
        arguments.append(Argument(name, kind, default, written))
        positional += one.kind is not one.KEYWORD_ONLY
    unknown = set() if isinstance(mutates, str) else set(mutates) - signature.parameters.keys()
    if unknown:
        raise ValueError(
            f"infer_schema(func): {unknown} in mutates_args were not found in the custom op's"
            " signature. mutates_args should contain the names of all args that the custom op"
            " mutates, or just the string 'unknown' if you don't know. Got func with signature"
            f" {signature})"
        )
    result = hints.get("return", signature.return_annotation)
    return Schema(arguments, positional, _returned(result, signature))


def _kind(hint: Any, name: str, signature: Any) -> str:
    if hint in _PLAIN:
        return _PLAIN[hint]
    parts, home = typing.get_args(hint), typing.get_origin(hint)
    if home in (typing.Union, types.UnionType) and type(None) in parts and len(parts) == 2:
        rest = parts[0] if parts[1] is type(None) else parts[1]
        return _kind(rest, name, signature) + "?"
    if home is not None and home is not typing.Union and parts:
        return f"{_kind(parts[0], name, signature)}[]"
    if home is typing.Union or getattr(hint, "__name__", "") == "Number":
        return "Scalar"
    known = _NAMED.get(getattr(hint, "__name__", str(hint).rpartition(".")[2]))
    if known is None:
        raise ValueError(
            f"infer_schema(func): Parameter {name} has unsupported type {hint}. Got func with"
            f" signature {signature})"
        )
    return known


def _returned(hint: Any, signature: Any) -> str:
    if hint is None or hint is type(None):
        return "()"
    if hint is inspect.Signature.empty:
        raise ValueError(
            "infer_schema(func): No return type annotation was provided. Please add one. Got func"
            f" with signature {signature})"
        )
    if typing.get_origin(hint) is tuple:
        inner = ", ".join(_kind(one, "return", signature) for one in typing.get_args(hint))
        return f"({inner})"
    return _kind(hint, "return", signature).replace("SymInt", "SymInt")
