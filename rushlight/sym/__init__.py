"""Explicit graphs and symbolic derivatives: formulas first, values later.

`var` makes variables; the ordinary functions of tensors make expressions of them, whose shapes and
types are known at once. `grad`, `jacobian` and `hessian` give formulas; `eval`, `bind`, `compile`
and `Session` run them; `save` and `load` keep them as data.
"""

from typing import Any as _Any

from ..autograd.symbolic import Expression, Step, SymbolicError, text
from ..autograd.symbolic.sympy_door import from_sympy, to_sympy
from .building import (
    Steps,
    derivative,
    described,
    from_function,
    grad,
    hessian,
    jacobian,
    latex,
    placeholder,
    simplify,
    steps,
    var,
    variables_of,
    vars,
)
from .graphs import Program, compiled, from_graph, graph_of, trace
from .parsing import parse
from .running import Executor, Session, bind, evaluated
from .saving import dumps, load, loads, save


def _attach() -> None:
    """The verbs of this module as methods of expressions."""
    methods: dict[str, _Any] = {
        "eval": evaluated, "bind": bind, "compile": compiled, "graph": graph_of,
        "simplify": simplify, "steps": steps, "latex": latex, "described": described,
        "variables": variables_of,
        "_repr_latex_": lambda self: f"${latex(self)}$",
    }  # fmt: skip
    for name, method in methods.items():
        setattr(Expression, name, method)


_attach()
