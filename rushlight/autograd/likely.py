"""Where an op was probably called, read from the source around a line: costs nothing until asked.

The tape keeps no lines unless it is told to (`record_lines`, anomaly mode): a line for every op
would cost about a tenth of the small ones. But the write that spoils a saved tensor knows its own
line, and most often the op was called a few lines above, in the same function.
"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator

_SIGNS = {
    ast.Mult: "mul", ast.Div: "div", ast.Pow: "pow", ast.MatMult: "matmul", ast.Mod: "remainder",
}  # fmt: skip
_SAME = {
    "multiply": "mul", "divide": "div", "truedivide": "div", "mm": "matmul", "bmm": "matmul",
    "mv": "matmul", "dot": "matmul", "square": "pow",
}  # fmt: skip
_SHOWN = 3


def _plain(name: str) -> str:
    name = name.replace("_", "").lower()
    return _SAME.get(name, name)


def _names(node: ast.AST) -> Iterator[str]:
    """The ops that a part of the source may call."""
    if isinstance(node, ast.Call):
        function = node.func
        if isinstance(function, (ast.Attribute, ast.Name)):
            yield _plain(function.attr if isinstance(function, ast.Attribute) else function.id)
    elif isinstance(node, (ast.BinOp, ast.AugAssign)) and type(node.op) in _SIGNS:
        yield _SIGNS[type(node.op)]


def _around(tree: ast.AST, line: int) -> ast.AST:
    """The innermost function that contains a line, or the whole file."""
    found = tree
    for node in ast.walk(tree):
        is_function = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        if is_function and node.lineno <= line <= (node.end_lineno or line):
            found = node  # ast.walk goes from the outside in
    return found


def likely_lines(place: str, names: set[str]) -> list[str]:
    """Lines (`file:line: text`) near `place` (`file:line in function`) that call one of the ops."""
    file, _, rest = place.partition(" in ")[0].rpartition(":")
    rows = linecache.getlines(file)
    if not rows or not rest.isdigit():
        return []
    try:
        tree = ast.parse("".join(rows))
    except SyntaxError:
        return []
    line, wanted = int(rest), {_plain(name) for name in names}
    function = _around(tree, line)
    found = {
        node.lineno for node in ast.walk(function)
        if isinstance(node, (ast.expr, ast.stmt)) and wanted.intersection(_names(node))
    }  # fmt: skip
    before = sorted(one for one in found if one < line) or sorted(found - {line})
    return [f"{file}:{one}: {rows[one - 1].strip()}" for one in before[-_SHOWN:]]


def forward_notes(names: set[str], written: list[str]) -> list[str]:
    """What an error says about the forward call of an op whose line was not kept."""
    for_sure = "to know its forward line for certain, run it inside `rushlight.record_lines()`"
    found = likely_lines(written[-1], names) if written else []
    if not found:
        return [for_sure]
    several = "one of " if len(found) > 1 else ""
    return [f"its forward call: probably {several}{'; '.join(found)}", for_sure]
