"""Derivatives of functions: Jacobians, Hessians, their products with vectors; in reverse mode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.names import explain_missing as _explain_missing
from ..core.tensor import Tensor, wrap
from ..ops.structure import as_shape, clone, reshape, stack
from .backward import grad
from .jacobians import jacfwd, jacrev
from .modes import enable_grad
from .transforms import grad as grad_of

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

Result = Any
_explain_missing(
    __name__,
    {
        name: ("rushlight.autograd.functional_steps", name)
        for name in (
            "_as_tuple", "_construct_standard_basis_for", "_grad_postprocess", "_tuple_postprocess",
        )
    },
)  # fmt: skip


def _tuple(values: Any, what: str, name: str) -> tuple[tuple[Tensor, ...], bool]:
    """The tensors as a tuple, and whether they were given as one."""
    given = values if isinstance(values, tuple) else (values,)
    for place, x in enumerate(given):
        if isinstance(x, Tensor):
            continue
        found = (
            f"the value at index {place} has type {type(x)}"
            if isinstance(values, tuple) else f"the given {what} has type {type(values)}"
        )  # fmt: skip
        raise TypeError(
            f"The {what} given to {name} must be either a Tensor or a tuple of Tensors but {found}."
        )
    return given, isinstance(values, tuple)


def _prepare(inputs: Any, name: str, create: bool) -> tuple[tuple[Tensor, ...], bool]:
    """Inputs that record: cut from their past, or with `create` as views that keep it."""
    given, several = _tuple(inputs, "inputs", name)
    return tuple(_recording(x, create) for x in given), several


def _recording(x: Tensor, create: bool) -> Tensor:
    if create and x._entry is not None:
        return as_shape(x, x._array.shape)
    fresh = clone(x) if create else _bare(x)
    fresh.requires_grad = True
    return fresh


def _call(
    func: Callable[..., Any], xs: tuple[Tensor, ...], name: str
) -> tuple[tuple[Tensor, ...], bool]:
    return _tuple(func(*xs), "outputs of the user-provided function", name)


def _settle(values: Any, create: bool) -> Any:
    """Without `create` the results carry no history."""
    if isinstance(values, tuple):
        return tuple(_settle(one, create) for one in values)
    return values if create else _bare(values)


def _pack(values: tuple[Any, ...], several: bool) -> Any:
    return values if several else values[0]


# What strict mode refuses, by the pass in which it is seen: a gradient that is missing, and one
# that has no history where a graph is wanted. `{}` is the place.
_NOT_STRICT = "This is not allowed in strict mode"
_NO_JACOBIAN = (
    "The jacobian of the user-provided function is independent of input {}."
    f" {_NOT_STRICT} when create_graph=True."
)
_NO_HESSIAN = (
    "The hessian of the user-provided function is independent of input {}."
    f" {_NOT_STRICT} when create_graph=True."
)
_STAGES = {
    "back": (
        f"The output of the user-provided function is independent of input {{}}. {_NOT_STRICT}.",
        _NO_JACOBIAN,
    ),
    "forward": (
        "The gradient with respect to the input is independent of entry {} in the grad_outputs when"
        " using the double backward trick to compute forward mode gradients."
        f" {_NOT_STRICT}.",
        _NO_JACOBIAN,
    ),
    "vhp": (
        f"The jacobian of the user-provided function is independent of input {{}}. {_NOT_STRICT}.",
        _NO_HESSIAN,
    ),
    "hvp": (
        "The hessian of the user-provided function is independent of entry {} in the grad_jacobian."
        f" {_NOT_STRICT} as it prevents from using the double backward trick to replace forward"
        " mode AD.",
        _NO_HESSIAN,
    ),
    "slopes": (
        f"The output of the user-provided function is independent of input {{}}. {_NOT_STRICT}.",
        "The gradient with respect to input {} is independent of the inputs of the user-provided"
        f" function. {_NOT_STRICT}.",
    ),
    "jacobian": (
        f"The output of the user-provided function is independent of input {{}}. {_NOT_STRICT}.",
        "While computing the hessian, found that the jacobian of the user-provided function with"
        f" respect to input {{}} is independent of the input. {_NOT_STRICT}. You should ensure that"
        " your function is twice differentiable and that the jacobian depends on the inputs (this"
        " would be violated by a linear function for example).",
    ),
}


def _gradients(
    ys: tuple[Tensor, ...], xs: tuple[Tensor, ...], vs: tuple[Any, ...] | None, create: bool,
    refused: tuple[str, str] | None = None,
) -> tuple[Tensor, ...]:  # fmt: skip
    """Gradients with zeros for what is independent, unless that is refused (`_STAGES`)."""
    wanted = [(y, None if vs is None else v) for y, v in zip(ys, vs or ys) if y._entry is not None]
    found: tuple[Any, ...] = (None,) * len(xs)
    if wanted:
        roots, seeds = [y for y, _ in wanted], None if vs is None else [v for _, v in wanted]
        found = grad(roots, xs, seeds, retain_graph=True, create_graph=create, allow_unused=True)
    if refused is not None:
        missing, fixed = refused
        for place, g in enumerate(found):
            if g is None:
                raise RuntimeError(missing.format(place))
            if create and fixed and g._entry is None:
                raise RuntimeError(fixed.format(place))
    return tuple(_filled(x, 0) if g is None else g for g, x in zip(found, xs))


def _bare(x: Any) -> Tensor:
    """The values without a history; of a class that keeps its own they stay that class's."""
    array = x._array
    return array.met() if getattr(type(array), "shell", False) else wrap(array)


def _filled(x: Any, number: int) -> Tensor:
    """One number in a tensor's form, which a class with values of its own makes itself."""
    array = x._array
    if getattr(type(array), "shell", False):
        return x.detach().clone().fill_(number)
    return wrap(np.full_like(array, number))


def _must_depend(ys: tuple[Tensor, ...]) -> None:
    for place, y in enumerate(ys):
        if y._entry is None:
            raise RuntimeError(
                f"Output {place} of the user-provided function does not require gradients. The"
                " outputs must be computed in a differentiable manner from the input when running"
                " in strict"
                " mode."
            )


def _strategy(strategy: str, vectorize: bool) -> None:
    if strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError(
            'Expected strategy to be either "forward-mode" or "reverse-mode". Hint: If your'
            ' function has more outputs than inputs, "forward-mode" tends to be more performant.'
            " Otherwise,"
            ' prefer to use "reverse-mode".'
        )
    if strategy == "forward-mode" and not vectorize:
        raise NotImplementedError(
            "Computing Jacobian using forward-AD or forward-over-reverse Hessian isonly implemented"
            " for `vectorize=True`."
        )


def jacobian(
    func: Callable[..., Any], inputs: Any, create_graph: bool = False, strict: bool = False,
    vectorize: bool = False, strategy: str = "reverse-mode",
) -> Result:  # fmt: skip
    """The matrix of d(output)/d(input), of shape `output.shape + input.shape`; tuples nest.

    Source: https://pytorch.org/docs/stable/generated/torch.autograd.functional.jacobian.html

    >>> import rushlight as torch
    >>> torch.autograd.functional.jacobian(lambda x: x ** 2, torch.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    _strategy(strategy, vectorize)
    if vectorize:
        if strict:
            raise RuntimeError(_NO_STRICT if strategy == "reverse-mode" else _NO_STRICT_FORWARD)
        return _vectorized(func, inputs, create_graph, strategy)
    with enable_grad():
        xs, several_in = _prepare(inputs, "jacobian", create_graph)
        ys, several_out = _call(func, xs, "jacobian")
        if strict:
            _must_depend(ys)
        rows = tuple(_rows(y, xs, create_graph, strict, place) for place, y in enumerate(ys))
        table = tuple(_pack(_settle(row, create_graph), several_in) for row in rows)
    return _pack(table, several_out)


_NO_STRICT = (
    "torch.autograd.functional.jacobian: `strict=True` and `vectorized=True` are not supported"
    " together. Please either set `strict=False` or `vectorize=False`."
)
_NO_STRICT_FORWARD = (
    'torch.autograd.functional.jacobian: `strict=True` and `strategy="forward-mode"` are not'
    ' supported together (yet). Please either set `strict=False` or `strategy="reverse-mode"`.'
)


def _vectorized(func: Callable[..., Any], inputs: Any, create: bool, strategy: str) -> Result:
    """The Jacobian by one batched pass: over the outputs, or forward over the inputs."""
    given, several = _tuple(inputs, "inputs", "jacobian")
    places = tuple(range(len(given)))
    xs = given if create else tuple(map(_bare, given))

    def checked(*values: Tensor) -> Any:
        y = func(*values)
        _tuple(y, "outputs of the user-provided function", "jacobian")
        return y

    transform = jacrev if strategy == "reverse-mode" else jacfwd
    table = transform(checked, places)(*xs)
    rows = table if table and isinstance(table[0], tuple) else (table,)
    found = tuple(_settle(_pack(row, several), create) for row in rows)
    return found if rows is table else found[0]


def _slope_of(func: Callable[..., Any], xs: tuple[Tensor, ...], several: bool) -> Any:
    """The gradient of a scalar function at values that a transform may have changed."""
    places = tuple(range(len(xs)))

    def value(*values: Tensor) -> Tensor:
        return reshape(_scalar(func, values, "hessian", False), ())

    found = grad_of(value, places)(*xs)
    return found if several else found[0]


def _rows(
    y: Tensor, xs: tuple[Tensor, ...], create: bool, strict: bool, place: int
) -> tuple[Tensor, ...]:
    """The Jacobian of one output: a gradient per element, stacked."""

    missing = (
        f"Output {place} of the user-provided function is independent of input {{}}. {_NOT_STRICT}."
    )
    count = y._array.size
    flat = reshape(y, (count,))
    refused = (missing, "") if strict else None  # of a whole block below
    columns = [_gradients((flat[i],), xs, None, create, refused) for i in range(count)]
    result = []
    for k, x in enumerate(xs):
        shape = (*y._array.shape, *x._array.shape)
        if not count:
            result.append(wrap(np.zeros(shape, x._array.dtype)))
            continue
        block = reshape(stack([column[k] for column in columns], 0), shape)
        if strict and create and block._entry is None:
            raise RuntimeError(_NO_JACOBIAN.format(k))
        result.append(block)
    return tuple(result)


def _scalar(func: Callable[..., Any], xs: tuple[Tensor, ...], name: str, strict: bool) -> Tensor:
    """The value of a function that must have one output of one element."""
    ys, several = _call(func, xs, name)
    if strict:
        _must_depend(ys)
    if several:
        raise RuntimeError(f"The function given to {name} should return a single Tensor")
    if ys[0]._array.size != 1:
        raise RuntimeError(
            f"The Tensor returned by the function given to {name} should contain a single element"
        )
    return ys[0]


def hessian(
    func: Callable[..., Any], inputs: Any, create_graph: bool = False, strict: bool = False,
    vectorize: bool = False, outer_jacobian_strategy: str = "reverse-mode",
) -> Result:  # fmt: skip
    """The second derivatives of a scalar function, of shape `input.shape * 2`; tuples nest.

    Source: https://pytorch.org/docs/stable/generated/torch.autograd.functional.hessian.html

    >>> import rushlight as torch
    >>> torch.autograd.functional.hessian(lambda x: (x**3).sum(), torch.tensor([1.0]))
    tensor([[6.]])
    """
    _, several = _tuple(inputs, "inputs", "hessian")
    _strategy(outer_jacobian_strategy, vectorize)
    if vectorize and strict:
        reverse = outer_jacobian_strategy == "reverse-mode"
        raise RuntimeError(_NO_STRICT if reverse else _NO_STRICT_FORWARD)

    def slope(*xs: Tensor) -> Any:
        y = _scalar(func, xs, "hessian", strict)
        found = _gradients((y,), xs, None, True)
        for place, g in enumerate(found):
            if strict and g._entry is None:
                raise RuntimeError(_STAGES["jacobian"][1].format(place))
        return found if several else found[0]

    if not vectorize:
        return jacobian(slope, inputs, create_graph=create_graph, strict=strict)
    return _vectorized(
        lambda *xs: _slope_of(func, xs, several), inputs, create_graph, outer_jacobian_strategy
    )


def _vector(
    v: Any, likes: tuple[Tensor, ...], several: bool, whose: str, name: str
) -> tuple[Tensor, ...]:
    """The vector for `likes`, which are a tuple where `several`; ones for a single number."""
    if v is None:
        if len(likes) != 1 or likes[0]._array.size != 1:
            raise RuntimeError(
                f"The vector v can only be None if {whose} a single Tensor with a single element."
            )
        return (_filled(likes[0], 1),)
    vs, _ = _tuple(v, "v", name)
    if len(vs) != len(likes):
        raise RuntimeError(
            f"v is a tuple of invalid length: should be {len(likes)} but got {len(vs)}."
            if several else "The given v should contain a single Tensor."
        )  # fmt: skip
    for place, (one, like) in enumerate(zip(vs, likes)):
        if one._array.shape != like._array.shape:
            entry = f"Entry {place} in v" if several else "v"
            raise RuntimeError(
                f"{entry} has invalid size: should be {like.shape} but got {one.shape}."
            )
    return vs


_RETURNS = "the user-provided function returns"
_TAKES = "the input to the user-provided function is"


def vjp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:  # fmt: skip
    """(func(inputs), v times the Jacobian).

    Arguments: `v`, one for each output (None where that is a single number); `create_graph`:
    results have history; `strict`: refuse inputs that the result does not depend on.
    Raises: RuntimeError without `v` for other outputs.
    Source: https://pytorch.org/docs/stable/generated/torch.autograd.functional.vjp.html

    >>> import rushlight as torch
    >>> torch.autograd.functional.vjp(lambda x: x**2, torch.tensor([3.0]), torch.ones(1))[1]
    tensor([6.])
    """
    with enable_grad():
        xs, several_in = _prepare(inputs, "vjp", create_graph)
        ys, several_out = _call(func, xs, "vjp")
        if strict:
            _must_depend(ys)
        vs = _vector(v, ys, several_out, _RETURNS, "vjp")
        found = _gradients(ys, xs, vs, create_graph, _STAGES["back"] if strict else None)
    return (
        _settle(_pack(ys, several_out), create_graph),
        _settle(_pack(found, several_in), create_graph),
    )


def jvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:  # fmt: skip
    """(func(inputs), the Jacobian times v), by differentiating v -> v J, which is linear.

    Source: https://pytorch.org/docs/stable/generated/torch.autograd.functional.jvp.html

    >>> import rushlight as torch
    >>> torch.autograd.functional.jvp(lambda x: x**2, torch.tensor([3.0]), torch.ones(1))[1]
    tensor([6.])
    """
    with enable_grad():
        xs, several_in = _prepare(inputs, "jvp", create_graph)
        vs = _vector(v, xs, several_in, _TAKES, "jvp")
        ys, several_out = _call(func, xs, "jvp")
        if strict:
            _must_depend(ys)
        probes = tuple(_recording(_filled(y, 0), False) for y in ys)
        rows = _gradients(ys, xs, probes, True, _STAGES["slopes"] if strict else None)
        found = _gradients(rows, probes, vs, create_graph, _STAGES["forward"] if strict else None)
    return (
        _settle(_pack(ys, several_out), create_graph),
        _settle(_pack(found, several_out), create_graph),
    )


def _second(
    name: str, func: Callable[..., Any], inputs: Any, v: Any, create: bool, strict: bool
) -> tuple[Any, Any]:
    with enable_grad():
        xs, several = _prepare(inputs, name, create)
        vs = _vector(v, xs, several, _TAKES, name)
        y = _scalar(func, xs, name, strict)
        slopes = _gradients((y,), xs, None, True, _STAGES["jacobian"] if strict else None)
        found = _gradients(slopes, xs, vs, create, _STAGES[name] if strict else None)
    return _settle(y, create), _settle(_pack(found, several), create)


def vhp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:  # fmt: skip
    """(func(inputs), v times the Hessian).

    Arguments: `v`, one for each input (None where there is a single number); `create_graph`:
    results have history; `strict`: refuse inputs that the result does not depend on.
    Raises: RuntimeError for a result that is no single number, or without `v`.
    Source: https://pytorch.org/docs/stable/generated/torch.autograd.functional.vhp.html

    >>> import rushlight as torch
    >>> x, v = torch.tensor([1.0, 2.0]), torch.tensor([1.0, 1.0])
    >>> torch.autograd.functional.vhp(lambda x: (x ** 3).sum(), x, v)
    (tensor(9.), tensor([ 6., 12.]))
    """
    return _second("vhp", func, inputs, v, create_graph, strict)


def hvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:  # fmt: skip
    """(func(inputs), the Hessian times v); the Hessian is symmetric, so this is `vhp`.

    Source: https://pytorch.org/docs/stable/generated/torch.autograd.functional.hvp.html

    >>> import rushlight as torch
    >>> torch.autograd.functional.hvp(lambda x: (x**3).sum(), torch.ones(1), torch.ones(1))[1]
    tensor([6.])
    """
    return _second("hvp", func, inputs, v, create_graph, strict)
