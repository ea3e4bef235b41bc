"""Expressions run on values: `eval`, `bind` and its executor, TensorFlow-1's `Session`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..autograd.symbolic.derivative import gradients
from ..autograd.symbolic.evaluation import evaluate, fed, fed_all
from ..autograd.symbolic.expressions import VARIABLE, Expr, variables
from ..autograd.symbolic.simplify import simplified
from ..autograd.symbolic.values import symbol as _symbol
from ..core.errors import fail
from ..core.tensor import Tensor, wrap
from .building import expression_of


def _outputs(value: Any) -> list[Expr]:
    many = value if isinstance(value, (list, tuple)) else [value]
    return [expression_of(x) for x in many]


def evaluated(expression: Any, values: Mapping[str, Any] | None = None, **named: Any) -> Any:
    """The value of an expression (a list: of each), given its variables by name.

    Values are tensors (whose gradients are recorded), arrays or numbers.
    Raises: KeyError for a variable without value, ValueError and TypeError for one that does not
    fit its declaration.

    >>> import rushlight as torch
    >>> a, b = torch.sym.var("a", (2,)), torch.sym.var("b", (2,))
    >>> (a + b).eval(a=[1.0, 2.0], b=torch.ones(2))
    tensor([2., 3.])
    """
    outputs = _outputs(expression)
    found = evaluate(outputs, fed_all(outputs, {**(values or {}), **named}))
    return found if isinstance(expression, (list, tuple)) else found[0]


class Executor:
    """An expression bound to values, MXNet's way: `forward`, `backward`, `outputs`, `grad_dict`.

    >>> import rushlight as torch
    >>> a, b = torch.sym.var("a"), torch.sym.var("b")
    >>> c = a * b
    >>> ex = c.bind(a=torch.tensor([2.0, 3.0]), b=torch.tensor([4.0, 5.0]))
    >>> ex.forward()
    [tensor([ 8., 15.])]
    >>> ex.backward(torch.ones(2))
    >>> ex.grad_dict["a"]
    tensor([4., 5.])
    """

    def __init__(self, expression: Any, values: Mapping[str, Any]) -> None:
        self.expressions = _outputs(expression)
        self.inputs = [x for x in variables(self.expressions) if x.op == VARIABLE]
        fed_all(self.expressions, values)
        self.arg_dict = {x.name: fed(x, values[x.name]) for x in self.inputs}
        self.grad_dict: dict[str, Tensor] = {}
        self.outputs: list[Tensor] = []
        self._gradients: list[list[Expr]] | None = None

    def forward(self, **values: Any) -> list[Tensor]:
        """Compute the outputs, with new values for some variables if given."""
        for name, value in values.items():
            if name not in self.arg_dict:
                raise fail(KeyError, f"the expression has no variable {name}",
                           f"it has {', '.join(self.arg_dict)}")  # fmt: skip
            self.arg_dict[name] = value if isinstance(value, Tensor) else wrap(np.asarray(value))
        self.outputs = evaluate(self.expressions, self._feed())
        return self.outputs

    def backward(self, *seeds: Any) -> None:
        """Fill `grad_dict` by evaluating the gradient's graph; a seed per output (scalars: 1)."""
        if self._gradients is None:
            self._gradients = [self._graph(y, place) for place, y in enumerate(self.expressions)]
        feed = self._feed()
        one_list = len(seeds) == 1 and isinstance(seeds[0], (list, tuple))
        flat = list(seeds[0]) if one_list else list(seeds)
        for place, y in enumerate(self.expressions):
            given = flat[place] if place < len(flat) else None
            if given is None and y.shape != ():
                raise ValueError(f"output {place} has shape {list(y.shape)}: give its gradient")
            array = np.ones((), y.dtype) if given is None else given
            feed[_seed(y, place)] = array if isinstance(array, Tensor) else wrap(np.asarray(array))
        total: dict[str, Tensor] = {}
        for graph in self._gradients:
            for x, g in zip(self.inputs, evaluate(graph, feed)):
                total[x.name] = total[x.name] + g if x.name in total else g
        self.grad_dict = total

    def _graph(self, y: Expr, place: int) -> list[Expr]:
        return simplified(gradients(y, self.inputs, _seed(y, place)))[0]

    def _feed(self) -> dict[Expr, Tensor]:
        fed_all(self.expressions, self.arg_dict)
        return {x: self.arg_dict[x.name] for x in self.inputs}


def _seed(y: Expr, place: int) -> Expr:
    from_ = None if y.open else y.shape
    return expression_of(_symbol(f"g{place}__", from_, y.dtype))


def bind(expression: Any, values: Mapping[str, Any] | None = None, **named: Any) -> Executor:
    """An `Executor` of one or several expressions on these values.

    >>> import rushlight as torch
    >>> a, b = torch.sym.vars("a b")
    >>> torch.sym.bind(a * b, a=2.0, b=3.0).forward()
    [tensor(6.)]
    """
    return Executor(expression, {**(values or {}), **named})


class Session:
    """TensorFlow 1's way to run a graph: `run(fetches, feed_dict)`.

    >>> import rushlight as torch
    >>> x = torch.sym.placeholder(torch.float32, shape=(), name="x")
    >>> y = x ** 2
    >>> torch.sym.Session().run([y, torch.sym.grad(y, x)], {x: 3.0})
    [tensor(9.), tensor(6.)]
    """

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *error: Any) -> None:
        return None

    def close(self) -> None:
        """Nothing is held open; for programs that call it."""

    def run(self, fetches: Any, feed_dict: Mapping[Any, Any] | None = None) -> Any:
        """The values of one expression, or of a list, tuple or dict of them.

        `feed_dict` maps variables (or their names, or any inner expression) to values.
        """
        given = feed_dict or {}
        by_name = {k: v for k, v in given.items() if isinstance(k, str)}
        inner = {expression_of(k): v for k, v in given.items() if not isinstance(k, str)}
        outputs: list[Expr] = []
        pattern = _flattened(fetches, outputs)
        feed = {x: fed(x, v) if x.op == VARIABLE else _as(v, x) for x, v in inner.items()}
        missing = [x for x in _reached(outputs, feed) if x not in feed]
        unfed = [x.name for x in missing if x.name not in by_name]
        if unfed:
            raise fail(
                KeyError, f"no value was fed for {', '.join(unfed)}",
                "feed_dict={variable: value} gives one for each placeholder that the fetches read",
            )  # fmt: skip
        feed.update({x: fed(x, by_name[x.name]) for x in missing})
        return _filled(pattern, evaluate(outputs, feed))


def _as(value: Any, x: Expr) -> Tensor:
    return value if isinstance(value, Tensor) else wrap(np.asarray(value, x.dtype))


def _reached(outputs: list[Expr], feed: Mapping[Expr, Any]) -> list[Expr]:
    """The variables that the outputs need, given that some inner values are fed."""
    found: dict[Expr, None] = {}
    seen: set[Expr] = set()
    stack = list(reversed(outputs))
    while stack:
        x = stack.pop()
        if x in seen or x in feed:
            continue
        seen.add(x)
        if x.op == VARIABLE:
            found[x] = None
        stack.extend(reversed(x.args))
    return list(found)


def _flattened(fetches: Any, outputs: list[Expr]) -> Any:
    if isinstance(fetches, (list, tuple)):
        return type(fetches)(_flattened(x, outputs) for x in fetches)
    if isinstance(fetches, dict):
        return {name: _flattened(x, outputs) for name, x in fetches.items()}
    outputs.append(expression_of(fetches))
    return len(outputs) - 1


def _filled(pattern: Any, values: list[Tensor]) -> Any:
    if isinstance(pattern, (list, tuple)):
        return type(pattern)(_filled(x, values) for x in pattern)
    if isinstance(pattern, dict):
        return {name: _filled(x, values) for name, x in pattern.items()}
    return values[pattern]
