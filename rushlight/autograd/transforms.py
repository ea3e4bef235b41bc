"""Derivatives as functions of functions: `grad`, `vjp`, `jvp`, `linearize` of `torch.func`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.dispatch import FLOATS
from ..core.tensor import Tensor, new, wrap
from ..core.trees import flatten, map_leaves, unflatten
from .dual import Dual
from .dual_short import begun
from .levels import begin, end
from .recording import Recorded

Function = Callable[..., Any]
Argnums = int | tuple[int, ...]


def name_of(function: Any) -> str:
    return getattr(function, "__name__", type(function).__name__)


def wraps(function: Function, wrapped: Function) -> Function:
    """`functools.wraps` that leaves objects without a name alone."""
    names = [one for one in functools.WRAPPER_ASSIGNMENTS if hasattr(function, one)]
    return functools.update_wrapper(wrapped, function, names, ())


def only_tensors(leaves: list[Any], what: str) -> None:
    for leaf in leaves:
        if not isinstance(leaf, Tensor):
            raise RuntimeError(
                f"{what}: expected f(*primals) to return only tensors, got unsupported type"
                f" {type(leaf)}"
            )


def check_outputs(leaves: list[Any], what: str) -> None:
    """torch's errors for a function that returns nothing, or other things than tensors."""
    if not leaves or (len(leaves) == 1 and leaves[0] is None):
        raise RuntimeError(
            f"{what}: Expected f to be a function that has non-empty output (got output = {leaves})"
        )
    only_tensors(leaves, what)


def with_aux(result: Any, what: str) -> tuple[Any, Any]:
    if not (isinstance(result, tuple) and len(result) == 2):
        raise RuntimeError(
            f"{what}: output of function f should be a tuple: (output, aux) if has_aux is True"
        )
    return result


def vjp(func: Function, *primals: Any, has_aux: bool = False) -> Any:
    """(func(*primals), a function from the gradient of the output to those of the inputs).

    Inputs and outputs may be trees of tensors; with `has_aux` func returns (output, anything) and
    the anything is returned third.
    Source: https://pytorch.org/docs/stable/generated/torch.func.vjp.html

    >>> import rushlight as torch
    >>> y, pull = torch.func.vjp(torch.sin, torch.tensor([0.0, 1.0]))
    >>> pull(torch.ones(2))
    (tensor([1.0000, 0.5403]),)
    """
    return vjp_of(func, primals, range(len(primals)), has_aux)[:-1] if not has_aux else vjp_of(
        func, primals, range(len(primals)), True
    )  # fmt: skip


def vjp_of(func: Function, args: Any, places: Any, has_aux: bool, **kwargs: Any) -> Any:
    """`vjp` by the arguments at some places: (output, pull, aux); pull gives one per place."""
    leaves, spec = flatten(tuple(args[place] for place in places))
    for leaf in leaves:
        if not isinstance(leaf, Tensor):
            raise ValueError(f"Thing passed to transform API must be Tensor, got {type(leaf)}")

    def flat(*xs: Tensor) -> Any:
        given = list(args)
        for place, x in zip(places, unflatten(xs, spec)):
            given[place] = x
        return func(*given, **kwargs)

    recorded = Recorded(flat, leaves)
    result, aux = with_aux(recorded.result, "vjp(f, *primals)") if has_aux else (
        recorded.result, None)  # fmt: skip
    outputs, out_spec = flatten(result)
    check_outputs(outputs, "vjp(f, *primals)")
    settled = unflatten(recorded.settle(outputs), out_spec)

    def pull(cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None) -> Any:
        given, given_spec = flatten(cotangents)
        if given_spec != out_spec:
            raise RuntimeError(
                "Expected pytree structure of cotangents to be the same as pytree structure of"
                f" outputs to the function. cotangents: {_short(given_spec)}, primal output:"
                f" {_short(out_spec)}"
            )
        for place, (g, y) in enumerate(zip(given, outputs)):
            if g._array.shape != y._array.shape:
                raise RuntimeError(
                    f"Mismatch in shape: grad_output[{place}] has a shape of {g.shape} and"
                    f" output[{place}] has a shape of {y.shape}."
                )
        return unflatten(recorded.pull(given, retain_graph), spec)

    return settled, pull, map_leaves(recorded.aux, aux) if has_aux else None


def _short(spec: Any) -> str:
    """A spec as torch prints it in the message about cotangents."""
    if spec.type is None:
        return "*"
    parts = [_short(one) for one in spec.children_specs]
    if spec.type is tuple:
        return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"
    if spec.type is list:
        return f"[{', '.join(parts)}]"
    return str(spec)


def argument_places(argnums: Argnums, count: int) -> tuple[int, ...]:
    """The arguments to differentiate by, counted from the front; torch's errors."""
    several = isinstance(argnums, tuple)
    if not several and not isinstance(argnums, int):
        raise RuntimeError(f"argnums must be int or Tuple[int, ...], got: {type(argnums)}")
    given = argnums if isinstance(argnums, tuple) else (argnums,)
    if not given:
        raise RuntimeError("argnums must be non-empty")
    for one in given:
        if not isinstance(one, int):
            raise RuntimeError(f"argnums must be int or Tuple[int, ...], got: {argnums}")
        if not -count <= one < count:
            raise RuntimeError(f"Got argnum={one}, but only {count} positional inputs")
    places = tuple(one % count for one in given)
    if len(set(places)) != len(places):
        raise RuntimeError(f"argnums elements must be unique, got {argnums}")
    return places


def grad_and_value(func: Function, argnums: Argnums = 0, has_aux: bool = False) -> Function:
    """A function that gives (gradient, value) of a scalar-valued `func`.

    Source: https://pytorch.org/docs/stable/generated/torch.func.grad_and_value.html

    >>> import rushlight as torch
    >>> torch.func.grad_and_value(lambda x: (x ** 2).sum())(torch.tensor([3.0]))
    (tensor([6.]), tensor(9.))
    """

    def gradient(*args: Any, **kwargs: Any) -> Any:
        return _grad_and_value(func, argnums, has_aux, args, kwargs)

    return wraps(func, gradient)


def _grad_and_value(func: Function, argnums: Argnums, has_aux: bool, args: Any, kwargs: Any) -> Any:
    places = argument_places(argnums, len(args))
    what = "grad_and_value(f)(*args)"
    kept: list[Any] = []

    def checked(*given: Any, **named: Any) -> Any:
        y = func(*given, **named)
        if has_aux:
            y, aux = with_aux(y, what)
            kept.append(aux)
        if not isinstance(y, Tensor):
            raise RuntimeError(f"{what}: Expected f(*args) to return a Tensor, got {type(y)}")
        if y._array.ndim:
            raise RuntimeError(
                f"{what}: Expected f(*args) to return a scalar Tensor, got tensor with"
                f" {y._array.ndim} dims. Maybe you wanted to use the vjp or jacrev APIs instead?"
            )
        if y._array.dtype.kind == "c":
            raise RuntimeError(
                f"grad can be implicitly created only for real scalar outputs but got {y.dtype}"
            )
        return (y, kept[-1]) if has_aux else y

    value, pull, aux = vjp_of(checked, args, places, has_aux, **kwargs)
    found = pull(wrap(np.ones((), value._array.dtype)), retain_graph=False)
    gradient = found if isinstance(argnums, tuple) else found[0]
    return gradient, ((value, aux) if has_aux else value)


def grad(func: Function, argnums: Argnums = 0, has_aux: bool = False) -> Function:
    """A function that gives the gradient of a scalar-valued `func` by some of its arguments.

    Arguments may be trees of tensors. With `has_aux` func returns (value, anything), and the result
    is (gradient, anything). Functions may be nested: grad(grad(f)), vmap(grad(f)).
    Source: https://pytorch.org/docs/stable/generated/torch.func.grad.html

    >>> import rushlight as torch
    >>> torch.func.grad(torch.func.grad(lambda x: x ** 3))(torch.tensor(2.0))
    tensor(12.)
    """

    def gradient(*args: Any, **kwargs: Any) -> Any:
        found, value = _grad_and_value(func, argnums, has_aux, args, kwargs)
        return (found, value[1]) if has_aux else found

    return wraps(func, gradient)


def _begun(level: Any, primals: Any, tangents: Any) -> list[Any]:
    """The arguments of a function in `jvp`: trees of dual tensors."""
    what = "jvp(f, primals, tangents)"
    if not isinstance(primals, tuple):
        raise RuntimeError(
            f"{what}: Expected primals to be a tuple. E.g. it should be valid to call f(*primals)."
        )
    xs, spec = flatten(primals)
    ts, tangent_spec = flatten(tangents)
    if spec != tangent_spec:
        raise RuntimeError(
            f"{what}: Expected primals and tangents to have the same python structure. For"
            " example, if primals is a tuple of 3 tensors, tangents also must be. Got primals with"
            f" structure {spec} and tangents with structure {tangent_spec}"
        )
    for name, values in (("primals", xs), ("tangents", ts)):
        if not values:
            raise RuntimeError(f"{what}: Expected {name} to contain at least one Tensor.")
        for one in values:
            if not isinstance(one, Tensor):
                raise RuntimeError(
                    f"{what}: Expected {name} to only contain Tensors, got {type(one)}"
                )
    duals = []
    for x, t in zip(xs, ts):
        dual = begun(level, (x,), (t,))
        if dual is None:
            check_tangent(x, t)
            check_kinds(x, t)
            dual = [wrap(Dual(level, x, t))]
        duals += dual
    return unflatten(duals, spec)


def check_kinds(x: Tensor, t: Tensor) -> None:
    """torch's error for whole numbers as a value or as a tangent."""
    for name, one in (("primal", x), ("tangent", t)):
        if one._array.dtype.char not in FLOATS:
            raise ValueError(
                f"Expected {name} to be floating point or complex, but got: {one.dtype!r}"
            )


def check_tangent(x: Tensor, t: Tensor) -> None:
    """torch's error for a tangent that is not shaped as its value."""
    if x._array.shape != t._array.shape:
        raise RuntimeError(
            "Trying to set a forward gradient that has a different size than that of the original"
            f" Tensor, this is not supported. Tensor is of size {list(x._array.shape)} while the"
            f" given forward gradient is of size {list(t._array.shape)}."
        )


def jvp(
    func: Function, primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False
) -> Any:
    """(func(*primals), its derivative in the direction of `tangents`), in one forward pass.

    Source: https://pytorch.org/docs/stable/generated/torch.func.jvp.html

    >>> import rushlight as torch
    >>> torch.func.jvp(torch.sin, (torch.tensor(0.0),), (torch.tensor(2.0),))
    (tensor(0.), tensor(2.))
    """
    level = begin("jvp")
    try:
        duals = begun(level, primals, tangents) or _begun(level, primals, tangents)
        result = func(*duals)
        if isinstance(result, Tensor) and not has_aux:
            return unpacked(level, result, strict)
        result, aux = with_aux(result, "jvp(f, primals, tangents)") if has_aux else (result, None)
        ys, out_spec = flatten(result)
        check_outputs(ys, "jvp(f, primals, tangents)")
        pairs = [unpacked(level, y, strict) for y in ys]
    finally:
        end(level)
    found = tuple(unflatten([pair[i] for pair in pairs], out_spec) for i in (0, 1))
    return (*found, map_leaves(lambda x: primal_of(level, x), aux)) if has_aux else found


def primal_of(level: Any, x: Any) -> Any:
    return unpacked(level, x, False)[0] if isinstance(x, Tensor) else x


def unpacked(level: Any, y: Tensor, strict: bool = False) -> tuple[Tensor, Tensor]:
    """Value and tangent of a tensor, zeros if it has none at this level."""
    value = y._array
    if type(value) is Dual and value.level is level:
        if value.t is not None:  # bare arrays
            primal, tangent = new(Tensor), new(Tensor)
            primal._entry = tangent._entry = None
            primal._array, tangent._array = value.a, value.t
            return primal, tangent
        return value.primal, value.tangent
    if strict:
        raise RuntimeError(
            "jvp(f, primals, tangents, strict=True): The output of f is independent of the inputs."
            " This is not allowed with strict=True."
        )
    return y, wrap(np.zeros(value.shape, value.dtype))


def linearize(func: Function, *primals: Any) -> tuple[Any, Function]:
    """(func(*primals), the linear map of tangents to tangents there), which runs func no more.

    Source: https://pytorch.org/docs/stable/generated/torch.func.linearize.html

    >>> import rushlight as torch
    >>> y, push = torch.func.linearize(torch.sin, torch.tensor(0.0))
    >>> push(torch.tensor(3.0))
    tensor(3.)
    """
    leaves, spec = flatten(primals)
    for x in leaves:
        check_kinds(x, x)
    output, pull, _ = vjp_of(func, primals, range(len(primals)), False)
    _, back, _ = vjp_of(pull, (map_leaves(_ones, output),), (0,), False)

    def push(*tangents: Any) -> Any:
        given, given_spec = flatten(tangents)
        if given_spec != spec:
            raise RuntimeError(
                f"Expected the tangents {given_spec} to have the same argspec as the primals {spec}"
            )
        for place, (t, x) in enumerate(zip(given, leaves)):
            if t._array.shape != x._array.shape:
                raise RuntimeError(
                    f"tangent:{place} with shape {t.shape} in flattened pytree doesn't match the"
                    f" shape {x.shape} of the corresponding primal."
                )
            if t._array.dtype is not x._array.dtype and t.dtype is not x.dtype:
                raise RuntimeError(
                    f"tangent:{place} with dtype {t.dtype} in flattened pytree doesn't match the"
                    f" dtype {x.dtype} of the corresponding primal."
                )
        return back(unflatten(given, spec))[0]

    return output, push


def _ones(y: Tensor) -> Tensor:
    return wrap(np.ones(y._array.shape, y._array.dtype))
