"""torch's names of arguments, where the functions inside go by others.

What users call is a copy of the function inside (`gates.py`). In the copy's code, arguments have
the names that torch takes them by; nothing is done at a call.
"""

from __future__ import annotations

from types import CellType, FunctionType
from typing import Any

from .calls import the_long_way, two
from .operands import of_tensors

# Of a function, its method and its in-place twin: `ours=torch's`.
_TABLE = """
cholesky_inverse L=input
cholesky_solve B=input L=input2
det A=input
heaviside other=values
linalg.cholesky A=input
linalg.cholesky_ex A=input
linalg.cond A=input
linalg.eig A=input
linalg.eigh A=input
linalg.eigvals A=input
linalg.eigvalsh A=input
linalg.householder_product A=input
linalg.ldl_factor A=input
linalg.ldl_factor_ex A=input
linalg.lstsq A=input B=b
linalg.matrix_exp A=input
linalg.matrix_norm A=input
linalg.matrix_power A=input
linalg.norm A=input
linalg.pinv A=input
linalg.solve_triangular A=input
linalg.tensorinv A=input
linalg.tensorsolve A=input B=other
linalg.vector_norm x=input
lu_solve b=input
matrix_exp A=input
matrix_power A=input
nn.functional.one_hot tensor=input
orgqr A=input tau=input2
ormqr tau=input2 other=input3
pow other=exponent
smm mat=mat2
special.airy_ai input=x
special.chebyshev_polynomial_t input=x other=n
special.chebyshev_polynomial_u input=x other=n
special.chebyshev_polynomial_v input=x other=n
special.chebyshev_polynomial_w input=x other=n
special.hermite_polynomial_h input=x other=n
special.hermite_polynomial_he input=x other=n
special.laguerre_polynomial_l input=x other=n
special.legendre_polynomial_p input=x other=n
special.scaled_modified_bessel_k0 input=x
special.scaled_modified_bessel_k1 input=x
special.shifted_chebyshev_polynomial_t input=x other=n
special.shifted_chebyshev_polynomial_u input=x other=n
special.shifted_chebyshev_polynomial_v input=x other=n
special.shifted_chebyshev_polynomial_w input=x other=n
special.spherical_bessel_j0 input=x
swapaxes dim0=axis0 dim1=axis1
triangular_solve b=input
unfold dimension_=dimension
unsafe_split tensor=input
"""
_SPELLED = {
    path: dict(pair.split("=") for pair in pairs)
    for path, *pairs in map(str.split, _TABLE.strip().splitlines())
}


def spelled(function: Any, path: str) -> Any:
    """The function, or one that does the same with torch's names of arguments.

    >>> from rushlight.core.spelling import spelled
    >>> def power(input, other):
    ...     return input**other
    >>> spelled(power, "Tensor.pow")(3, exponent=2)
    9
    """
    if type(function) is not FunctionType:
        return function
    method = path.startswith("Tensor.")
    names = _SPELLED.get(path.removeprefix("Tensor.").rstrip("_")) or _SPELLED.get(
        path.removeprefix("Tensor.")
    )
    code = function.__code__
    if not method and "." not in path and code.co_varnames[:1] == ("self",):
        names = {"self": "input", **(names or {})}  # methods that are functions too
    if "short" in code.co_freevars and of_tensors(function):
        function = _strict(function)
    if not names or names.keys().isdisjoint(code.co_varnames):
        return function
    return _renamed(function, names)


def _strict(function: FunctionType) -> FunctionType:
    """The same op for users, who may give it no numbers, though the library does.

    The cells of its closure say what it does with them.
    """
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or ()))
    short = two(function.__dict__["primitive"], _of_tensors, {})
    cells.update(short=CellType(short), long_way=CellType(_of_tensors))
    return _twin(function, function.__code__, tuple(cells.values()))


def _of_tensors(prim: Any, input: Any, other: Any, params: tuple[Any, ...], out: Any) -> Any:
    """The long way of ops that torch has for tensors alone: numbers are refused."""
    for name, place, x in (("input", 1, input), ("other", 2, other)):
        if type(x) in (bool, int, float, complex):
            said = f"argument '{name}' (position {place}) must be Tensor, not {type(x).__name__}"
            raise TypeError(f"{prim.name}(): {said}")
    return the_long_way(prim, input, other, params, out)


def _renamed(function: FunctionType, names: dict[str, str]) -> FunctionType:
    """Another function object, with other names for what it has by name."""
    code = function.__code__
    code = code.replace(
        co_varnames=tuple(names.get(name, name) for name in code.co_varnames),
        co_cellvars=tuple(names.get(name, name) for name in code.co_cellvars),
    )
    twin = _twin(function, code, function.__closure__)
    twin.__annotations__ = {
        names.get(name, name): kind for name, kind in function.__annotations__.items()
    }
    return twin


def _twin(function: FunctionType, code: Any, closure: Any) -> FunctionType:
    twin = FunctionType(
        code, function.__globals__, function.__name__, function.__defaults__, closure
    )  # fmt: skip
    twin.__kwdefaults__, twin.__doc__ = function.__kwdefaults__, function.__doc__
    twin.__dict__.update(function.__dict__)
    twin.__module__, twin.__qualname__ = function.__module__, function.__qualname__
    twin.__annotations__ = function.__annotations__
    return twin
