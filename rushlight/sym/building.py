"""Variables, functions as formulas, gradients and simplification: the words of `rushlight.sym`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from ..autograd.symbolic import derivative as _derivative
from ..autograd.symbolic import jacobian as _jacobian
from ..autograd.symbolic.expressions import VARIABLE, Expr, variables
from ..autograd.symbolic.latex import Latex
from ..autograd.symbolic.simplify import Step, simplified
from ..autograd.symbolic.simplify import simplify as _simplify
from ..autograd.symbolic.text import Printer, shared
from ..autograd.symbolic.values import Expression, SymbolicError, symbol, wrap
from ..core import dtypes
from ..core.errors import fail
from ..core.tensor import Tensor
from .parsing import parse


def var(name: str, shape: Sequence[int] | None = None, dtype: Any = None) -> Expression:
    """A named value to be given later; every function of tensors can be written over it.

    `shape` is a tuple of sizes (`()` for a number). Without one the variable stands for a value of
    any shape, and only elementwise ops can be written over it. `dtype` is the default type unless
    given. The same name, shape and dtype give the same variable.

    >>> import rushlight as torch
    >>> sym = torch.sym
    >>> X, w, y = sym.var("X", (5, 3)), sym.var("w", (3,)), sym.var("y", (5,))
    >>> loss = ((X @ w - y) ** 2).sum()
    >>> loss, loss.shape
    (||X w - y||^2, torch.Size([]))
    >>> sym.grad(loss, w)
    2 X^T (X w - y)
    """
    return symbol(name, shape, dtype)


def vars(names: str, shape: Sequence[int] | None = (), dtype: Any = None) -> list[Expression]:
    """Several variables at once, by default plain numbers.

    Arguments: `names`, apart by blanks or commas; `shape` and `dtype` of all of them.

    >>> import rushlight as torch
    >>> w, x, b = torch.sym.vars("w x b")
    >>> torch.sym.grad(1 / (torch.exp(-(w * x + b)) + 1), w)
    x*exp(-(w*x + b))/(exp(-(w*x + b)) + 1)**2
    """
    return [symbol(name, shape, dtype) for name in names.replace(",", " ").split()]


def placeholder(dtype: Any = None, shape: Any = None, name: str | None = None) -> Expression:
    """TensorFlow 1's spelling of `var`, with its order of arguments.

    Arguments: `dtype`; `shape`, None for any; `name`, made up if None.

    >>> import rushlight as torch
    >>> a = torch.sym.placeholder(torch.float32, shape=(2,), name="a")
    >>> with torch.sym.Session() as session:
    ...     session.run(a * 2, feed_dict={a: [1.0, 2.0]})
    tensor([2., 4.])
    """
    if name is None:
        _COUNT[0] += 1
        name = f"Placeholder_{_COUNT[0]}"
    return symbol(name, shape, dtype)


_COUNT = [0]


def expression_of(value: Any) -> Expr:
    """The formula inside a symbolic tensor, or a refusal."""
    array = value._array if isinstance(value, Tensor) else value
    if isinstance(array, Expr):
        return array
    raise fail(
        TypeError, f"expected a symbolic expression, not {type(value).__name__}",
        "sym.var makes variables; functions of them are expressions",
    )  # fmt: skip


def _listed(values: Any) -> tuple[list[Any], bool]:
    several = isinstance(values, (list, tuple))
    return (list(values), True) if several else ([values], False)


def from_function(function: Callable[..., Any], *values: Any, **named: Any) -> Any:
    """What a Python function computes, as an expression (or a tuple of them).

    Each argument is given as a shape, as an expression, or as an example tensor whose shape and
    type count; arguments not given are numbers. Python control flow that depends on values raises
    SymbolicError, naming the line.

    >>> import rushlight as torch
    >>> def energy(x, A):
    ...     return x @ A @ x
    >>> torch.sym.from_function(energy, x=(3,), A=(3, 3))
    x^T A x
    """
    target = getattr(function, "forward", function)  # of a module
    names = [
        p.name for p in inspect.signature(target).parameters.values()
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        and (p.default is p.empty or p.name in named)
    ]  # fmt: skip
    given = {**dict(zip(names, values)), **named}
    unknown = [name for name in given if name not in names]
    if unknown:
        raise TypeError(f"{_name_of(function)} has no argument {unknown[0]!r}")
    found = function(**{name: _argument(name, given.get(name, ())) for name in names})
    for one in found if isinstance(found, (tuple, list)) else (found,):
        if not (isinstance(one, Tensor) and isinstance(one._array, Expr)):
            raise fail(
                SymbolicError, f"{_name_of(function)} did not return an expression, but {one!r}",
                "its result must depend on its arguments through tensor functions",
            )  # fmt: skip
    return found


def _name_of(function: Any) -> str:
    return getattr(function, "__name__", type(function).__name__)


def _argument(name: str, value: Any) -> Any:
    if isinstance(value, Tensor):
        if isinstance(value._array, Expr):
            return value
        return symbol(name, tuple(value._array.shape), value.dtype)
    if isinstance(value, (tuple, list)) and all(isinstance(n, int) for n in value):
        return symbol(name, tuple(value))
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], dtypes.dtype):
        return symbol(name, *value)
    return value


def grad(output: Any, wrt: Any, seed: Any = None, simplify: bool = True) -> Any:
    """The gradient of a scalar expression by a variable or a list of them: expressions again.

    The rules are those `backward` runs. `seed` (of the output's shape) stands for the gradient of
    the output; without one the output must be a scalar. `simplify=False` leaves the formula as the
    rules gave it. Differentiate again for higher derivatives.

    Raises: SymbolicError for an output that is not a scalar.

    >>> import rushlight as torch
    >>> x, A = torch.sym.var("x", (3,)), torch.sym.var("A", (3, 3))
    >>> torch.sym.grad(x @ A @ x, [x, A])
    [(A + A^T) x, x x^T]
    """
    targets, several = _listed(wrt)
    start = None if seed is None else expression_of(seed)
    found = _derivative.gradients(expression_of(output), [expression_of(x) for x in targets], start)
    if simplify:
        found, _ = simplified(found)
    wrapped = [wrap(x) for x in found]
    return wrapped if several else wrapped[0]


def jacobian(output: Any, wrt: Any) -> Expression:
    """The matrix of d output_i / d wrt_j as a formula, for scalars and vectors.

    Raises: SymbolicError for matrices: ask for the gradient of a scalar there.

    >>> import rushlight as torch
    >>> z = torch.sym.var("z", (4,))
    >>> s = torch.softmax(z, 0)
    >>> torch.sym.jacobian(s, z)
    diag(softmax(z)) - softmax(z) softmax(z)^T
    """
    return wrap(_jacobian.jacobian(expression_of(output), expression_of(wrt)))


def hessian(output: Any, wrt: Any) -> Expression:
    """The matrix of second derivatives of a scalar by a vector, as a formula.

    >>> import rushlight as torch
    >>> X, w, y = torch.sym.var("X", (5, 3)), torch.sym.var("w", (3,)), torch.sym.var("y", (5,))
    >>> torch.sym.hessian(((X @ w - y) ** 2).sum(), w)
    2 X^T X
    """
    return wrap(_jacobian.hessian(expression_of(output), expression_of(wrt)))


def derivative(source: Any, wrt: Any, **shapes: Any) -> Expression:
    """The derivative of a formula in text, of a Python function or of an expression.

    `wrt` is a variable or its name; `shapes` gives the shapes of variables that are not numbers.

    >>> import rushlight as torch
    >>> torch.sym.derivative("1/(exp(-(w*x+b))+1)", "w")
    x*exp(-(w*x + b))/(exp(-(w*x + b)) + 1)**2
    >>> torch.sym.derivative("sum((X @ w - y)**2)", "w", X=(5, 3), w=(3,), y=(5,))
    2 X^T (X w - y)
    """
    if isinstance(source, str):
        output = parse(source, shapes)
    elif isinstance(source, Tensor):
        output = source
    else:
        output = from_function(source, **shapes)
    return grad(output, _by_name(output, wrt) if isinstance(wrt, str) else wrt)


def _by_name(output: Any, name: str) -> Expression:
    known = variables([expression_of(output)])
    for x in known:
        if x.name == name:
            return wrap(x)
    raise fail(
        KeyError, f"{name} is not in the expression",
        f"its variables are {', '.join(x.name for x in known) or 'none'}",
    )  # fmt: skip


def simplify(expression: Any) -> Expression:
    """The simplest form that the rules lead to; equal wherever both are defined.

    Arguments: an expression of any shape. `steps` lists the rules that were applied.

    >>> import rushlight as torch
    >>> (x,) = torch.sym.vars("x")
    >>> torch.sym.simplify(torch.sin(x) ** 2 + torch.cos(x) ** 2 + x * x / x)
    x + 1
    """
    return wrap(_simplify(expression_of(expression)))


class Steps(list[Step]):
    """The rules that a simplification applied, in order; prints as one line each.

    >>> import rushlight as torch
    >>> (x,) = torch.sym.vars("x")
    >>> len(torch.sym.steps(x + 0 + x))
    2
    """

    def __repr__(self) -> str:
        width = len(str(len(self)))
        return "\n".join(f"{place:>{width}}. {step}" for place, step in enumerate(self, 1))

    __str__ = __repr__


def steps(expression: Any) -> Steps:
    """Every rule that simplifying applies: the part it changes, before and after.

    >>> import rushlight as torch
    >>> (x,) = torch.sym.vars("x")
    >>> torch.sym.steps(x + 0 + x)
    1. x + 0  ->  x    [x + 0 = x]
    2. x + x  ->  2*x    [collect like terms]
    """
    _, found = simplified([expression_of(expression)])
    return Steps(step for step in found if step.visible)


def latex(expression: Any) -> str:
    r"""The formula as LaTeX, without dollar signs.

    >>> import rushlight as torch
    >>> X, w = torch.sym.var("X", (5, 3)), torch.sym.var("w", (3,))
    >>> torch.sym.latex(X.T @ (X @ w))
    'X^{\\top} X w'
    """
    return Latex()(expression_of(expression))


def described(expression: Any, name: str = "", form: str = "text") -> str:
    """The formula with names for parts that occur more than once, one per line.

    >>> import rushlight as torch
    >>> W, x = torch.sym.var("W", (3, 3)), torch.sym.var("x", (3,))
    >>> print(torch.sym.described(torch.sym.grad(torch.tanh(W @ x).sum(), x)))
    W^T (1 - tanh(W x)**2)
    """
    printer = {"text": Printer, "latex": Latex}[form]
    whole, parts = shared(expression_of(expression))
    lines = [(f"{name} = " if name else "") + printer()(whole)]
    lines += [f"  where {label} = {printer()(part)}" for label, part in parts]
    return "\n".join(lines)


def variables_of(*expressions: Any) -> list[Expression]:
    """The variables that expressions read, in order of first use.

    >>> import rushlight as torch
    >>> a, b, c = torch.sym.vars("a b c")
    >>> torch.sym.variables_of(b * a + 1, c)
    [b, a, c]
    """
    found = variables([expression_of(x) for x in expressions])
    return [wrap(x) for x in found if x.op == VARIABLE]
