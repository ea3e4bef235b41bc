"""Functions whose texts and calls go by way of ours while they are traced.

An f-string asks each number for its text, and a method of a library takes whatever it is given. So
code in reach is compiled again from its file, with calls of `said.HELPERS` in the places of
f-strings, of `%` behind a text, and of what a call calls. A function of which there is no file, or
none that gives the code that it has, stays as it is: there a text needs its numbers at once.
"""

from __future__ import annotations
import __future__

import ast
import copy
import functools
import linecache
import warnings
from collections.abc import Iterator, Mapping
from types import CodeType
from typing import Any

_MARK = "rushlight\0"  # begins the constants that make way for functions
_TEXTS = frozenset(("__str__", "__repr__", "__format__"))  # which Python asks for texts
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_FUTURE = __future__.annotations.compiler_flag


class _Ways(ast.NodeTransformer):
    """Leads texts and calls by way of ours."""

    def __init__(self, left: frozenset[str]) -> None:
        self._left = left  # functions that are exchanged by their names
        self._inside = ""  # the function that a node stands in

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        """A function: what some give must be a text."""
        before, self._inside = self._inside, node.name
        self.generic_visit(node)
        self._inside = before
        return node

    def visit_Return(self, node: ast.Return) -> Any:
        """What a function gives."""
        self.generic_visit(node)
        if self._inside in _TEXTS and node.value is not None:
            node.value = _call("given_back", node.value, node.value)
        return node

    def visit_Expr(self, node: ast.Expr) -> Any:
        """A statement: the call in it gives nothing to anybody."""
        if isinstance(node.value, ast.Call):
            node.value = self._called(node.value, "stated")
            return node
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> Any:
        """A call whose result is used."""
        return self._called(node, "used")

    def _called(self, node: ast.Call, way: str) -> ast.Call:
        self.generic_visit(node)
        if not (isinstance(node.func, ast.Name) and node.func.id in self._left):
            node.func = _call(way, node.func, node.func)
        return node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> Any:
        """An f-string."""
        self.generic_visit(node)
        return _call("joined", node, *node.values)

    def visit_FormattedValue(self, node: ast.FormattedValue) -> Any:
        """A value in it."""
        self.generic_visit(node)
        spec = node.format_spec or ast.copy_location(ast.Constant(""), node)
        conversion = ast.copy_location(ast.Constant(node.conversion), node)
        return _call("formatted", node, node.value, conversion, spec)

    def visit_BinOp(self, node: ast.BinOp) -> Any:
        """`"text" % values`."""
        self.generic_visit(node)
        left = node.left
        text = isinstance(left, ast.Constant) and type(left.value) is str
        return _call("modulo", node, left, node.right) if text and _is_mod(node) else node

    def visit_Compare(self, node: ast.Compare) -> Any:
        """`text in "..."` takes nothing but a text."""
        self.generic_visit(node)
        if isinstance(node.ops[0], (ast.In, ast.NotIn)):
            node.left = _call("known", node.left, node.left)
        return node


def _is_mod(node: ast.BinOp) -> bool:
    return isinstance(node.op, ast.Mod)


def _call(way: str, at: Any, *args: Any) -> Any:
    mark = ast.copy_location(ast.Constant(_MARK + way), at)
    return ast.copy_location(ast.Call(mark, list(args), []), at)


def rewritten(code: CodeType, left: frozenset[str], helpers: Mapping[str, Any]) -> CodeType:
    """A function's code with its texts and calls led by way of ours; the same if that fails."""
    found = _again(code, left)
    return code if found is None else _filled(found, helpers)


@functools.lru_cache(256)
def _again(code: CodeType, left: frozenset[str]) -> CodeType | None:
    """The code compiled with our ways in it, from the statement of its file that it stands in."""
    try:
        statements, imports = _parsed("".join(linecache.getlines(code.co_filename)))
        for statement in statements:
            if _first_line(statement) <= code.co_firstlineno <= (statement.end_lineno or 0):
                other = _Ways(left).visit(copy.deepcopy(statement))
                old = list(codes_in(_compiled([*imports, statement], code)))
                new = list(codes_in(_compiled([*imports, other], code)))
                found = [k for k, one in enumerate(old) if one == code]
                if len(old) == len(new) and len(found) == 1:
                    made = new[found[0]]
                    return made if made.co_freevars == code.co_freevars else None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        pass
    return None


@functools.lru_cache(8)
def _parsed(text: str) -> tuple[list[ast.stmt], list[ast.stmt]]:
    """The statements of a file, and its imports: calls through imported modules are told apart."""
    body = ast.parse(text).body
    outer = [x for x in body if not isinstance(x, _DEFINITIONS)]
    found: list[ast.stmt] = [
        x for one in outer for x in ast.walk(one) if isinstance(x, (ast.Import, ast.ImportFrom))
    ]
    return body, found


def _first_line(statement: ast.stmt) -> int:
    decorators = getattr(statement, "decorator_list", ())
    return min([statement.lineno, *(x.lineno for x in decorators)])


def _compiled(body: list[ast.stmt], code: CodeType) -> CodeType:
    tree, flags = ast.Module(body, []), code.co_flags & _FUTURE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a constant is called
        return compile(tree, code.co_filename, "exec", flags, dont_inherit=True)


def codes_in(code: CodeType) -> Iterator[CodeType]:
    """A code object and all inside it."""
    yield code
    for part in code.co_consts:
        if isinstance(part, CodeType):
            yield from codes_in(part)


def _filled(code: CodeType, helpers: Mapping[str, Any]) -> CodeType:
    """The code with functions in the places of their names."""
    constants: list[Any] = []
    for x in code.co_consts:
        if isinstance(x, CodeType):
            constants.append(_filled(x, helpers))
        elif type(x) is str and x.startswith(_MARK):
            constants.append(helpers[x.removeprefix(_MARK)])
        else:
            constants.append(x)
    return code.replace(co_consts=tuple(constants))
