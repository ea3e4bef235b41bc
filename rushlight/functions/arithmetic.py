"""torch's sums, differences and quotients with factors of their own (alpha, value, weight)."""

from __future__ import annotations

from typing import Any

from ..core import dtypes
from ..core.dispatch import (
    named,
    refuse,
    result_type,
    scalar,
    scalar_type_name,
    wrap_array,
    write_out,
)
from ..core.errors import DTypeError
from ..core.numbers import held
from ..core.operands import refuse_bools
from ..core.random_places import c_name
from ..core.tensor import Tensor
from ..ops import elementwise as e
from ..ops.structure import cast
from .arguments import combination, reordered

__all__ = [
    "add", "addcdiv", "addcmul", "div", "divide", "float_power", "lerp", "rsub", "sub",
    "subtract", "true_divide",
]  # fmt: skip


def into(result: Any, out: Any, read: tuple[Any, ...] = ()) -> Any:
    """The result, written into the caller's `out` if there is one."""
    return result if out is None else write_out(result, out, read)


def add(input: Any, other: Any, *late: Any, alpha: Any = 1, out: Any = None) -> Any:
    """input + alpha * other, broadcast and promoted.

    Args: other, a tensor or a number; alpha, a factor that has no part in the result's type.
    Shapes: those of the operands broadcast together.
    Raises: RuntimeError for shapes that do not broadcast, or an alpha that the result's type has
    not.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.add.html

    >>> import rushlight as torch
    >>> torch.add(torch.tensor([1, 2]), 3, alpha=2)
    tensor([7, 8])
    """
    if late:
        other, alpha = reordered("add", "alpha", (other, *late))
    if isinstance(alpha, (Tensor, bool)) or alpha != 1:
        if _halves(input, other):
            return _in_float32(e.add, input, other, alpha, out)
        other = _scaled(input, other, alpha)
    return e.add(input, other, out=out)


def _floats(a: Any, b: Any) -> bool:
    """Whether both are tensors of float32, or of float64: then there is no type to settle."""
    return alike(a, b) and a._array.dtype.char in "fd"


def _halves(input: Any, other: Any) -> bool:
    """Whether both are tensors of one half-precision type."""
    if _floats(input, other) or not (isinstance(input, Tensor) and isinstance(other, Tensor)):
        return False
    return input.dtype is other.dtype and input.dtype in (dtypes.float16, dtypes.bfloat16)


def _in_float32(op: Any, input: Tensor, other: Tensor, alpha: Any, out: Any) -> Any:
    """op(input, alpha * other), rounded to half precision once; alpha itself is rounded too."""
    rounded = alpha if isinstance(alpha, Tensor) else float(scalar(alpha, input.dtype))
    result = op(input.float(), e.mul(other.float(), rounded)).to(input.dtype)
    return result if out is None else write_out(result, out)


def _scaled(input: Any, other: Any, alpha: Any) -> Any:
    """alpha * other in the type of the result, which alpha has no part in."""
    if type(alpha) in (float, int) and _floats(input, other):
        held(alpha, other._array.dtype)
        return e.mul(other, alpha)
    kind = result_type(input, other)
    if isinstance(alpha, Tensor):
        return e.mul(other, alpha) if isinstance(other, Tensor) else other * alpha
    _check_alpha(alpha, kind)
    if not isinstance(other, Tensor):
        return bool(other and alpha) if kind is dtypes.bool_ else other * alpha
    if kind is dtypes.bool_:
        return e.mul(other, bool(alpha))
    return e.mul(cast(other, kind) if other.dtype.category < kind.category else other, alpha)


def _check_alpha(alpha: Any, kind: dtypes.dtype) -> None:
    if isinstance(alpha, bool) and kind is not dtypes.bool_:
        raise RuntimeError("Boolean alpha only supported for Boolean results.")
    if isinstance(alpha, (float, complex)) and kind.category < dtypes.FLOAT:
        raise RuntimeError(
            "For integral input tensors, argument alpha must not be a floating point number."
        )
    if isinstance(alpha, complex) and not kind.is_complex:
        raise RuntimeError(
            "For non-complex input tensors, argument alpha must not be a complex number."
        )
    held(alpha, kind.numpy)


def sub(input: Any, other: Any, *late: Any, alpha: Any = 1, out: Any = None) -> Any:
    """input - alpha * other, broadcast and promoted.

    Args: other, a tensor or a number; alpha, a factor that has no part in the result's type.
    Shapes: those of the operands broadcast together.
    Raises: RuntimeError for bools, shapes that do not broadcast, or an alpha that the result's type
    has not.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.sub.html

    >>> import rushlight as torch
    >>> torch.sub(torch.tensor([1, 2]), 3)
    tensor([-2, -1])
    """
    if late:
        other, alpha = reordered("sub", "alpha", (other, *late))
    if isinstance(alpha, (Tensor, bool)) or alpha != 1:
        if _halves(input, other):
            return _in_float32(e.sub, input, other, alpha, out)
        refuse_bools(input, other)
        other = _scaled(input, other, alpha)
    try:
        return e.sub(input, other, out=out)
    except TypeError:  # NumPy's, for two of bools
        refuse_bools(input, other)
        raise


subtract = sub


def rsub(input: Any, other: Any, *, alpha: Any = 1) -> Any:
    """other - alpha * input: `sub` with its operands exchanged.

    Raises: TypeError where the input is a number, RuntimeError as `sub` does.

    >>> import rushlight as torch
    >>> torch.rsub(torch.tensor([1.0, 2.0]), 10)
    tensor([9., 8.])
    """
    if not isinstance(input, Tensor):
        raise combination("rsub", (input, other), {})
    node = f"RsubBackward{int(not isinstance(other, Tensor))}"
    return named(sub(other, input, alpha=alpha), node)


def div(input: Any, other: Any, *, rounding_mode: str | None = None, out: Any = None) -> Any:
    """input / other as real numbers, or rounded down ('floor') or towards zero ('trunc').

    Args: other, a tensor or a number; rounding_mode, None, "floor" or "trunc".
    Shapes: those of the operands broadcast together.
    Types: promoted together; without a rounding mode, whole numbers count as the default float
    type.
    Raises: RuntimeError for another rounding mode, for shapes that do not broadcast, and for whole
    numbers by zero where they are rounded.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.div.html

    >>> import rushlight as torch
    >>> torch.div(torch.tensor([7, -7]), 2, rounding_mode="floor")
    tensor([ 3, -4])
    """
    if rounding_mode is None:
        return e.div(input, other, out=out)
    ops = {"floor": e.floor_quotient, "trunc": e.trunc_divide}
    if rounding_mode not in ops:
        raise RuntimeError(
            "div expected rounding_mode to be one of None, 'trunc', or 'floor' but found"
            f" '{rounding_mode}'"
        )
    return ops[rounding_mode](input, other, out=out)


divide = true_divide = div


def alike(a: Any, b: Any) -> bool:
    """Whether both are tensors of one data type, which nothing promotes."""
    tensors = isinstance(a, Tensor) and isinstance(b, Tensor)
    return tensors and a._array.dtype is b._array.dtype


def typed(value: Any, kind: dtypes.dtype) -> Tensor:
    """A number or tensor as a tensor of a type that can hold it."""
    if isinstance(value, Tensor):
        return cast(value, kind)
    if kind not in (dtypes.float16, dtypes.bfloat16):  # whose numbers go by way of double
        held(value, kind.numpy)
    return wrap_array(scalar(value, kind))


def lerp(input: Any, end: Any, weight: Any, *, out: Any = None) -> Any:
    """input + weight (end - input): the input at weight 0, the end at weight 1.

    Args: end, a tensor; weight, a number or a tensor.
    Shapes: those of all tensors broadcast together.
    Raises: RuntimeError for tensors of unlike types, TypeError for an end that is a number.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.lerp.html

    >>> import rushlight as torch
    >>> torch.lerp(torch.tensor([0.0]), torch.tensor([10.0]), 0.25)
    tensor([2.5000])
    """
    if type(weight) is float and _floats(input, end):
        return into(e.lerp(input, end, weight), out)
    if not isinstance(end, Tensor):
        raise TypeError("lerp() ends at a tensor")
    for name, x in (("end", end), ("weight", weight)):
        if isinstance(x, Tensor) and x.dtype is not input.dtype and (name == "end" or x.ndim):
            raise DTypeError(
                f"expected dtype {c_name(input._array.dtype)} for `{name}` but got dtype"
                f" {c_name(x._array.dtype)}"
            )
    if not isinstance(weight, Tensor) and _halves(input, end):
        return into(e.lerp(input.float(), end.float(), weight).to(input.dtype), out)
    if not isinstance(weight, Tensor):
        refuse(input, "bool int uint8", "lerp_kernel_scalar")
    y = e.lerp(input, end, weight)
    return into(named(y, "LerpBackward1") if isinstance(weight, Tensor) else y, out)


def addcmul(
    input: Any, tensor1: Any, tensor2: Any, *late: Any, value: Any = 1, out: Any = None
) -> Any:
    """input + value * tensor1 * tensor2.

    Args: tensor1 and tensor2, the factors; value, a number (default 1).
    Shapes: those of all three broadcast together.
    Raises: TypeError for factors that are no tensors, RuntimeError for shapes that do not
    broadcast.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.addcmul.html

    >>> import rushlight as torch
    >>> torch.addcmul(torch.zeros(2), torch.ones(2), torch.tensor([2.0, 4.0]), value=2)
    tensor([4., 8.])
    """
    if not (late or (isinstance(tensor1, Tensor) and isinstance(tensor2, Tensor))):
        raise TypeError("addcmul() multiplies tensors")
    if late:
        tensor1, tensor2, value = reordered("addcmul", "value", (tensor1, tensor2, *late))
    if isinstance(value, Tensor):
        return into(e.add(input, e.mul(value, e.mul(tensor1, tensor2))), out)
    if type(value) is float and result_type(input, tensor1, tensor2).category < dtypes.FLOAT:
        value = int(value)
    return into(e.addcmul(input, tensor1, tensor2, value), out)


_WHOLE_ADDCDIV = (
    "Integer division with addcdiv is no longer supported, and in a future  release addcdiv will"
    " perform a true division of tensor1 and tensor2. The historic addcdiv behavior can be"
    " implemented as (input + value * torch.trunc(tensor1 / tensor2)).to(input.dtype) for integer"
    " inputs and as (input + value * tensor1 / tensor2) for float inputs. The future addcdiv"
    " behavior is just the latter implementation: (input + value * tensor1 / tensor2), for all"
    " dtypes."
)


def addcdiv(
    input: Any, tensor1: Any, tensor2: Any, *late: Any, value: Any = 1, out: Any = None
) -> Any:
    """input + value * tensor1 / tensor2.

    Args: tensor1 and tensor2, dividend and divisor; value, a number (default 1).
    Shapes: those of all three broadcast together.
    Raises: RuntimeError where both are whole numbers or shapes do not broadcast, TypeError for a
    dividend or divisor that is no tensor.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.addcdiv.html

    >>> import rushlight as torch
    >>> torch.addcdiv(torch.zeros(2), torch.ones(2), torch.tensor([2.0, 4.0]), value=2)
    tensor([1.0000, 0.5000])
    """
    if not (late or (isinstance(tensor1, Tensor) and isinstance(tensor2, Tensor))):
        raise TypeError("addcdiv() divides tensors")
    if late:
        tensor1, tensor2, value = reordered("addcdiv", "value", (tensor1, tensor2, *late))
    if isinstance(value, Tensor):
        return into(e.add(input, e.mul(value, e.div(tensor1, tensor2))), out)
    if not _floats(tensor1, tensor2) and result_type(tensor1, tensor2).category < dtypes.FLOAT:
        raise RuntimeError(_WHOLE_ADDCDIV)
    return into(e.addcdiv(input, tensor1, tensor2, value), out)


def float_power(input: Any, exponent: Any, *, out: Any = None) -> Any:
    """input ** exponent in double precision (complex128 for complex numbers).

    Args: input and exponent, of which one at least is a tensor.
    Shapes: those of the operands broadcast together.
    Raises: TypeError for two numbers, RuntimeError for an `out` of another type.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.float_power.html

    >>> import rushlight as torch
    >>> torch.float_power(torch.tensor([2, 3]), 2)
    tensor([4., 9.], dtype=torch.float64)
    """
    if not isinstance(input, Tensor) and not isinstance(exponent, Tensor):
        raise combination("float_power", (input, exponent), {})
    kind = result_type(input, exponent)
    wide = dtypes.complex128 if kind.is_complex else dtypes.float64
    if isinstance(out, Tensor) and out.dtype is not wide:
        raise DTypeError(
            f"the output given to float_power has dtype {scalar_type_name(out.dtype)} but the"
            f" operation's result requires dtype {scalar_type_name(wide)}"
        )
    base, power = (typed(x, wide) if isinstance(x, Tensor) else x for x in (input, exponent))
    return into(e.pow(base, power), out)
