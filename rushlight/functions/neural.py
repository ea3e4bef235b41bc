"""The fused ops as names for `nn.functional`, their in-place twins, and the masks of dropout.

`nn.functional` is written over the public names alone; this module is the one door through which
it reaches the ops that have no public name of their own.
"""

# ruff: noqa: F401 (names imported to be found here)
from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from math import prod
from typing import Any

import numpy as np

from ..core import dtypes, elsewhere, inplace
from ..core.dispatch import (
    named,
    not_implemented,
    refuse,
    result_type,
    scalar_type_name,
    whole,
    write_out,
)
from ..core.errors import DTypeError, ShapeError, Unfollowed, fail
from ..core.inplace import in_place, is_value, memory
from ..core.memory import dense_like
from ..core.numbers import number
from ..core.shapes import broadcast, dimension, dimensions, required_dim
from ..core.state import STATE, WATCHED
from ..core.tape import LEAF, mark_written, tick
from ..core.tensor import EAGER_TYPES, Tensor, wrap
from ..core.values import Value, outside, refuses, settled, some
from ..ops import contract
from ..ops import structure as s
from ..ops.contract import c_name
from ..ops.distance import pair_norms
from ..ops.elementwise import where
from ..ops.fused import softmax as soft
from ..ops.fused.activations import (
    elu,
    gelu,
    gelu_tanh,
    hardshrink,
    hardsigmoid,
    hardswish,
    hardtanh,
    leaky_relu,
    log_sigmoid,
    mish,
    prelu,
    silu,
    softplus,
    softshrink,
    threshold,
)
from ..ops.fused.convolution import (
    convolution,
    convolution_bias,
    convolution_data,
    convolution_weight,
    output_size,
)
from ..ops.fused.ctc import ctc
from ..ops.fused.embedding import check_rows, embedding
from ..ops.fused.grid_places import cubic
from ..ops.fused.grids import grid_read
from ..ops.fused.losses import (
    huber,
    logit_loss,
    mean_squared_error,
    probability_loss,
    self_information,
    smooth_l1,
)
from ..ops.fused.nll import cross_entropy, nll
from ..ops.fused.norms import affine, root_mean_square, standardise
from ..ops.fused.patches import (
    fold,
    map_dim,
    pad_constant,
    padding_places,
    take_slices,
    unfold,
)
from ..ops.fused.pooling import (
    flat_places,
    max_pool,
    pooled_maxima,
    put_flat,
    spread_pool,
    sum_pool,
    take_flat,
    window_argmax,
)
from ..ops.placing import take
from ..ops.reduce import row_starts
from ..ops.structure import reshape
from ..ops.transcendental import relu
from .drawing import engine_of
from .reduction import put

__all__ = ["log_softmax", "softmax"]

relu_, elu_, threshold_, hardtanh_, leaky_relu_, hardsigmoid_, hardswish_, silu_, mish_ = map(
    in_place, (relu, elu, threshold, hardtanh, leaky_relu, hardsigmoid, hardswish, silu, mish)
)


_INT64 = np.dtype(np.int64)


def goes_by(node: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A formula that torch has as one step: its result is nobody's view and bears this name."""

    def wrapped(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            found = function(*args, **kwargs)
            result = found[0] if type(found) is tuple else found
            for x in (*args, *kwargs.values()) if kwargs else args:
                if x is result:
                    result = found = s.clone(result)
                    break
            whole(result, node)
            return found

        return call

    return wrapped


def softmax(
    input: Tensor, dim: Any = None, dtype: Any = None, *, axis: Any = None, out: Any = None
) -> Tensor:
    """e^x over its sum along `dim`.

    Raises IndexError for a dimension out of range.
    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.softmax.html

    >>> import rushlight as torch
    >>> torch.softmax(torch.tensor([0.0, 0.0]), 0)
    tensor([0.5000, 0.5000])
    """
    if dim is None or axis is not None:
        dim = required_dim("softmax", dim, axis)
    if dtype is not None:
        input = s.cast(input, dtype)
    y = soft.softmax(input, dimension(dim, input._array.ndim))
    return y if out is None else write_out(y, out)


def log_softmax(
    input: Tensor, dim: Any = None, dtype: Any = None, *, axis: Any = None, out: Any = None
) -> Tensor:
    """The logarithm of `softmax`, without its loss of precision.

    Arguments: `dim`; `dtype`, what the input is turned into first. Raises: IndexError for a
    dimension that is not there, NotImplementedError for whole numbers.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.log_softmax.html

    >>> import rushlight as torch
    >>> torch.log_softmax(torch.tensor([0.0, 0.0]), 0)
    tensor([-0.6931, -0.6931])
    """
    if dim is None or axis is not None:
        dim = required_dim("log_softmax", dim, axis)
    if dtype is not None:
        input = s.cast(input, dtype)
    y = soft.log_softmax(input, dimension(dim, input._array.ndim))
    return y if out is None else write_out(y, out)


def linear(input: Tensor, weight: Tensor, bias: Any = None) -> Tensor:
    """input weight^T + bias.

    Shapes: input (*, in), weight (out, in), bias (out), result (*, out). Raises RuntimeError naming
    the sizes that differ.
    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.linear.html

    >>> import rushlight as torch
    >>> torch.nn.functional.linear(torch.ones(1, 2), torch.ones(3, 2))
    tensor([[2., 2., 2.]])
    """
    if bias is not None and bias._array.shape == weight._array.shape[:-1]:
        return contract.linear_bias(input, weight, bias)
    if weight._array.ndim == 1 and input._array.ndim:
        y = contract.matmul(input, weight)
        return y if bias is None else y + bias
    if bias is None:
        hint = ["uint8 image: x.float() / 255"] if input.dtype is dtypes.uint8 else []
        contract.same_types(input._array, weight._array, *hint)
        return contract.linear(input, weight)
    width = bias._array.shape
    if width and width[-1] not in (1, weight._array.shape[0]):
        rows, size = prod(input._array.shape[:-1]), weight._array.shape[0]
        raise fail(
            ShapeError,
            f"The expanded size of the tensor ({size}) must match the existing size ({width[-1]})"
            f" at non-singleton dimension 1.  Target sizes: [{rows}, {size}].  Tensor sizes:"
            f" {list(width)}",
            f"the weight has {size} rows, the bias {width[-1]} numbers",
        )
    return contract.linear_bias(input, weight, bias)


def has_derivative(x: Tensor) -> bool:
    """Whether what is computed from a tensor may be differentiated, backwards or forwards."""
    return (STATE.grad and x._entry is not None) or inplace.is_value(x)


def turned(x: Tensor) -> Tensor:
    """x with its last two dimensions exchanged."""
    ndim = x._array.ndim
    return s.transpose(x, ndim - 2, ndim - 1)


def type_name(x: Tensor) -> str:
    """The name of a tensor's data type in torch's messages, such as `Float`."""
    return scalar_type_name(x.dtype)


def dropout_noise(like: Tensor, shape: tuple[int, ...], p: float) -> Tensor:
    """0 with probability p, else 1 / (1 - p), drawn as torch draws it (0 < p < 1)."""
    if is_value(like) and like._array.absent:
        return elsewhere.finished(shape, like._array.dtype)
    # torch draws in the order of memory, but inside transforms row by row
    out = None if STATE.transforms else _laid_out(like, shape)
    noise = wrap(
        engine_of(None).dropout_noise(
            None if out is not None else shape, like._array.dtype, p, out=out
        )
    )
    return like._array.drawn(noise) if is_value(like) else noise


def _laid_out(like: Tensor, shape: tuple[int, ...]) -> Any:
    """Memory for draws that follow the order of a tensor that is not row-major; else None."""
    a = like._array
    if is_value(like):
        return None  # the samples of a batch have no order of their own
    return None if a.flags.c_contiguous or shape != a.shape else dense_like(a)


def bernoulli_noise(like: Tensor, shape: tuple[int, ...], p: float) -> Tensor:
    """1 with probability p, else 0."""
    if is_value(like) and like._array.absent:
        return elsewhere.finished(shape, like._array.dtype)
    out = _laid_out(like, shape)
    return wrap(
        engine_of(None).bernoulli(None if out is not None else shape, like._array.dtype, p, out=out)
    )


def negative_slopes(input: Tensor, low: float, high: float) -> Tensor:
    """For `rrelu`: a uniform slope where input <= 0 (drawn for those alone), 1 elsewhere."""
    return wrap(engine_of(None).slopes(input._array, low, high))


def inner_view(x: Any, shape: tuple[int, ...]) -> Any:
    """x (or None) under another shape for an op's own use: nobody else gets to see the view.

    So it need not be known to x, which has to tell of writes to all others.
    """
    if x is None or x._array.shape == shape:
        return x
    a, entry = x._array, x._entry
    if type(x) not in EAGER_TYPES or type(a) is not np.ndarray or WATCHED[0]:
        return s.reshape(x, shape)
    if entry is None or not STATE.grad:
        return wrap(a.reshape(shape))
    if not a.flags.c_contiguous:
        return s.reshape(x, shape)
    parents = (x if entry is LEAF else entry,)
    return wrap(
        a.reshape(shape),
        [s.as_shape.primitive, parents, None, None, (shape,), shape, tick(), None],
    )


def running_scale(
    mean: Tensor, variance: Tensor, weight: Any, bias: Any, eps: float
) -> tuple[Tensor, Tensor]:
    """What x is multiplied by and what is added to be normed by known statistics."""
    if all(map(unrecorded, (mean, variance, weight, bias))):
        try:
            return _arrays_of_running_scale(mean, variance, weight, bias, eps)
        except RuntimeWarning:  # a remark of NumPy's that a filter has made an error: ops know how
            pass
    scale = (variance + eps).rsqrt()  # one number per channel, so few operations are what counts
    if weight is not None:
        scale = scale * weight
    return scale, -mean * scale if bias is None else bias - mean * scale


def _arrays_of_running_scale(
    mean: Tensor, variance: Tensor, weight: Any, bias: Any, eps: float
) -> tuple[Tensor, Tensor]:
    a, middle = variance._array, mean._array
    scale = np.reciprocal(np.sqrt(a + number(eps, a.dtype)))
    if weight is not None:
        scale = scale * weight._array
    shift = (-middle if bias is None else middle) * scale
    return wrap(scale), wrap(shift if bias is None else bias._array - shift)


def unrecorded(x: Any) -> bool:
    """Whether x is None, or a plain tensor of floats whose uses nobody writes down."""
    if x is None:
        return True
    a = x._array
    plain = type(x) in EAGER_TYPES and type(a) is np.ndarray and a.dtype.char in "fd"
    return plain and (x._entry is None or not STATE.grad) and not WATCHED[0]


def one_hot(labels: Tensor, classes: int) -> Tensor | None:
    """Zeros with a 1 at each label, which are in range; None where the numbers are not at hand."""
    a = labels._array
    if type(labels) not in EAGER_TYPES or type(a) is not np.ndarray:
        return None
    y = np.zeros((*a.shape, classes), np.int64)
    starts = row_starts if a.size <= 4096 else row_starts.__wrapped__
    y.put(starts(a.size, classes) + (a if a.ndim == 1 else a.reshape(-1)), 1)
    return wrap(y)


def update_running(running: Tensor, batch: Tensor, factor: float, share: float = 1.0) -> None:
    """running = (1 - factor) running + factor (share batch), in place and off the tape."""
    a, seen = running._array, batch._array
    if type(a) is not np.ndarray or type(seen) is not np.ndarray:
        if inplace.is_value(running) or inplace.is_value(batch):
            _update_values(running, batch.detach() * share if share != 1.0 else batch, factor)
            return
        if not isinstance(seen, np.ndarray):
            return  # of a symbolic expression, which has no values to keep
    if STATE.tracer is not None:
        a = memory(running)
    kept, added, scaled = _rates(factor, share, a.dtype, seen.dtype)
    if share != 1.0:
        seen = seen * scaled
    a *= kept
    a += seen.reshape(a.shape) * added
    mark_written(a)


@lru_cache(64)
def _rates(factor: float, share: float, kind: np.dtype, other: np.dtype) -> tuple[np.ndarray, ...]:
    """The numbers of a running mean, as arrays."""
    return number(1 - factor, kind), number(factor, other), number(share, other)


def _update_values(running: Tensor, batch: Tensor, factor: float) -> None:
    """The same inside a transform, where the statistics may be one per sample or per model."""
    if isinstance(batch._array, Value) and not isinstance(running._array, Value):
        try:
            batch = wrap(batch._array.values("running statistics"))
        except Unfollowed:
            raise fail(
                RuntimeError,
                "Batch norm got a batched tensor as input while the running_mean or running_var,"
                " which will be updated in place, were not batched.\nPlease see"
                " https://pytorch.org/docs/main/func.batch_norm.html for options for fixing this",
                "torch.func.replace_all_batch_norm_modules_(net) does without running statistics",
            ) from None
        update_running(running, batch, factor)
        return
    new = running * (1 - factor) + s.reshape(batch, running._array.shape) * factor
    inplace.store(running, new)


@lru_cache(4)
def _causal_array(rows: int, columns: int, kind: np.dtype) -> np.ndarray:
    hidden = np.triu(np.full((rows, columns), -np.inf, kind), 1)
    hidden.flags.writeable = False
    return hidden


def causal_mask(rows: int, columns: int, kind: Any) -> Tensor:
    """-inf above the diagonal, 0 elsewhere: what is added to scores."""
    make = _causal_array if rows * columns <= 1 << 20 else _causal_array.__wrapped__
    return wrap(make(rows, columns, kind.numpy))


def labels_of(target: Tensor) -> Tensor:
    """Class labels as int64, or torch's error for other types."""
    if target._array.dtype is _INT64 or target.dtype is dtypes.int64:
        return target
    if target.dtype is dtypes.uint8:
        return s.cast(target, dtypes.int64)
    raise fail(
        RuntimeError,
        f"expected target dtype to be Long or Byte, but got {scalar_type_name(target.dtype)}",
        "class labels are whole numbers: use target.long()",
    )


def same_type(first: Tensor, second: Tensor, *notes: str) -> None:
    """torch's error when two tensors differ in data type."""
    if first.dtype is not second.dtype:
        a, b = scalar_type_name(first.dtype), scalar_type_name(second.dtype)
        raise fail(DTypeError, f"expected scalar type {a} but found {b}", *notes)


def holds_tensor(x: Any) -> bool:
    """Whether x is a tensor of this framework."""
    return isinstance(x, Tensor)
