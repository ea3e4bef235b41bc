"""The class of nested tensors, and what functions do to them."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ... import functions as f
from ...core import dtypes
from ...core.dispatch import named
from ...core.overrides import disabled
from ...core.shapes import Size
from ...core.tensor import Tensor, new, wrap
from ...ops.structure import reshape as view

# Functions of single elements, which work on all parts at once.
_EACH = frozenset(
    """
abs add sub mul div true_divide neg negative exp expm1 log log1p log2 sqrt rsqrt reciprocal sin cos
tan tanh sigmoid silu relu relu_ gelu elu selu leaky_relu softplus hardswish hardsigmoid square pow
__pow__ __rsub__ __rtruediv__ __rpow__ clamp clip sign floor ceil round eq ne lt le gt ge __eq__
__ne__ __lt__ __le__ __gt__ __ge__ isnan isinf isfinite logical_not logical_and logical_or where
maximum minimum remainder fmod atan2 clone detach contiguous to float double half bfloat16 int long
bool dropout dropout_ alpha_dropout zeros_like ones_like empty_like full_like rand_like randn_like
masked_fill nan_to_num erf sgn cpu type mish logsigmoid bitwise_not bitwise_and bitwise_or __and__
__or__ __xor__ threshold hardtanh relu6 celu
""".split()
)
_INNER = frozenset("linear layer_norm rms_norm embedding".split())  # of the last dimensions alone
_PARTS = frozenset("matmul bmm scaled_dot_product_attention".split())
_SUMS = frozenset("sum mean amax amin max min prod var std any all argmax argmin".split())

_counter = itertools.count(1)


class NestedInt:
    """The size of the dimension in which parts differ: equal to that of tensors made of this one.

    It is told apart by where the parts begin, and has no number.
    """

    def __init__(self, offsets: Tensor) -> None:
        self.offsets, self.number = offsets, next(_counter)

    def __repr__(self) -> str:
        return f"j{self.number}"


class NestedTensor(Tensor):
    """Parts of different sizes, as one tensor. `torch.nested` has what makes them.

    >>> import rushlight as torch
    >>> x = torch.nested.nested_tensor([torch.ones(2, 3), torch.ones(1, 3)], layout=torch.jagged)
    >>> x.sum(dim=1)
    tensor([[2., 2., 2.],
            [1., 1., 1.]])
    """

    __slots__ = ()
    _flat: Tensor  # jagged: the values
    _starts: Tensor
    _ragged: int
    _int: NestedInt
    _parts: tuple[Tensor, ...] | None  # strided

    @staticmethod
    def _over(values: Tensor, offsets: Tensor, ragged: int, known: Any = None) -> NestedTensor:
        made = new(NestedTensor)
        made._array, made._entry = values._array, values._entry
        made.__dict__.update(_flat=values, _starts=offsets, _ragged=ragged, _parts=None,
                             _int=known or NestedInt(offsets))  # fmt: skip
        return made

    def _like(self, values: Tensor, ragged: int | None = None) -> NestedTensor:
        """Other values with parts that begin where these do."""
        at = self._ragged if ragged is None else ragged
        return NestedTensor._over(values, self._starts, at, self._int)

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        with disabled():
            return _handled(func, args, kwargs or {})

    @property
    def layout(self) -> Any:
        """`torch.jagged` or `torch.strided`."""
        return dtypes.strided if self._parts is not None else dtypes.jagged

    @property
    def is_nested(self) -> bool:
        """True."""
        return True

    @property
    def ndim(self) -> int:
        """The dimensions of a part, and the batch."""
        return self._pieces()[0].ndim + 1 if self._parts is not None else self._flat.ndim + 1

    def dim(self) -> int:
        """`ndim`."""
        return self.ndim

    def __len__(self) -> int:
        return len(self._pieces())

    def values(self) -> Tensor:
        """The parts one after another; of strided ones all elements in a row."""
        if self._parts is not None:
            return f.cat([f.reshape(one, (-1,)) for one in self._parts])
        return _noted(self._flat, "NestedGetValuesBackward0")

    def offsets(self) -> Tensor:
        """Where the parts begin in `values`, and where the last one ends."""
        return self._starts

    def lengths(self) -> Tensor | None:
        """None: parts stand one after another, without holes."""
        return None

    def unbind(self, dim: int = 0) -> tuple[Tensor, ...]:
        """The parts."""
        if dim != 0:
            raise RuntimeError("NestedTensor can only be unbound along dimension 0")
        node = "UnbindBackwardAutogradNestedTensor0"
        parts = self._pieces()
        return tuple(parts if self._parts is None else (_noted(one, node) for one in parts))

    def _pieces(self) -> Sequence[Tensor]:
        if self._parts is not None:
            return self._parts
        ends: Any = self._starts._array.tolist()
        return [
            f.narrow(self._flat, self._ragged - 1, i, j - i) for i, j in itertools.pairwise(ends)
        ]

    def size(self, dim: int | None = None) -> Any:
        """The sizes; in the jagged layout one of them is no number."""
        if self._parts is not None:
            return _strided_size(self._parts, dim)
        sizes: list[Any] = [self._starts.shape[0] - 1, *self._flat.shape]
        sizes[self._ragged] = self._int
        return tuple.__new__(Size, sizes) if dim is None else sizes[dim]

    @property
    def shape(self) -> Any:
        """`size()`."""
        return self.size()

    def numel(self) -> int:
        """How many elements all parts have."""
        return sum(one.numel() for one in self._pieces())

    def is_contiguous(self, memory_format: Any = None) -> bool:
        """Whether values stand in the order of dimensions."""
        return self._parts is not None or self._ragged == 1

    def to_padded_tensor(self, padding: float, output_size: Any = None) -> Tensor:
        """All parts in one tensor; see `torch.nested.to_padded_tensor`."""
        parts = self._pieces()
        most = [max(sizes) for sizes in zip(*(one.shape for one in parts))]
        wanted = most if output_size is None else list(output_size)[1:]
        if any(n < least for n, least in zip(wanted, most)):
            raise RuntimeError(
                "Value in output_size is less than NestedTensor padded size. Truncation is not"
                " supported."
            )
        rows = []
        for one in parts:
            row = f.full(tuple(wanted), padding, dtype=one.dtype)
            row[tuple(slice(0, n) for n in one.shape)] = one
            rows.append(row)
        return f.stack(rows)

    def requires_grad_(self, requires_grad: bool = True) -> NestedTensor:
        """Let gradients be collected in `grad`."""
        for one in self._parts if self._parts is not None else (self._flat,):
            one.requires_grad_(requires_grad)
        self._entry = (self._parts[0] if self._parts else self._flat)._entry
        return self

    @property
    def grad(self) -> Any:
        """The gradients of the parts, as a nested tensor."""
        if self._parts is None:
            return None if self._flat.grad is None else self._like(self._flat.grad)
        found = [one.grad for one in self._parts]
        return None if found[0] is None else strided(found)

    def __repr__(self) -> str:  # type: ignore[override]  # no tensor_contents
        if self._parts is not None:
            inner = ",\n".join(f"  {str(one.detach()).replace(chr(10), chr(10) + '  ')}"
                               for one in self._parts)  # fmt: skip
            return f"nested_tensor([\n{inner}\n])"
        sizes = ", ".join(map(str, self.size()))
        grad = ", requires_grad=True" if self._flat.requires_grad and self._flat.is_leaf else ""
        grad = f", grad_fn={self._flat.grad_fn}" if self._flat.grad_fn else grad
        whole = self.is_contiguous()
        return f"NestedTensor(size=({sizes}), offsets={self._starts}{grad}, contiguous={whole})"

    def __deepcopy__(self, memo: dict[int, Any]) -> NestedTensor:
        if self._parts is not None:
            return strided([copy.deepcopy(one, memo) for one in self._parts])
        return self._like(copy.deepcopy(self._flat, memo))

    def __reduce_ex__(self, protocol: Any) -> Any:
        if self._parts is not None:
            return strided, (list(self._parts),)
        return NestedTensor._over, (self._flat, self._starts, self._ragged)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, int):
            return self._pieces()[key]
        if isinstance(key, tuple) and key and isinstance(key[0], int):
            return self._pieces()[key[0]][key[1:]]
        raise RuntimeError("nested tensors are indexed by the number of a part first")


def _noted(x: Tensor, node: str) -> Tensor:
    """A tensor that was computed, as given back by the node of this name."""
    return x if x._entry is None or x.is_leaf else named(view(x, x.shape), node)


def _strided_size(parts: Sequence[Tensor], dim: int | None) -> int:
    if dim is None:
        raise RuntimeError(
            "Internal error: NestedTensorImpl doesn't support sizes. Please file an issue."
        )
    dim = dim % (parts[0].ndim + 1)
    sizes = {len(parts)} if dim == 0 else {one.shape[dim - 1] for one in parts}
    if len(sizes) > 1:
        raise RuntimeError(f"Given dimension {dim} is irregular and does not have a size.")
    return sizes.pop()


def strided(parts: Sequence[Tensor]) -> NestedTensor:
    """Parts as they are."""
    made = new(NestedTensor)
    first = parts[0] if parts else f.zeros(0)
    made._array, made._entry = first._array, first._entry
    made.__dict__.update(_parts=tuple(parts))
    return made


def jagged(parts: Sequence[Tensor], ragged: int | None = None) -> NestedTensor:
    """Parts one after another, along the one dimension in which they differ (1, if in none)."""
    if ragged is None:
        differ = [d for d, sizes in enumerate(zip(*(one.shape for one in parts)))
                  if len(set(sizes)) > 1]  # fmt: skip
        if len(differ) > 1:
            raise RuntimeError(
                "No valid ragged structure found: parts of a jagged nested tensor may differ in"
                " one dimension only"
            )
        ragged = differ[0] + 1 if differ else 1
    ends = np.cumsum([0, *(one.shape[ragged - 1] for one in parts)])
    return NestedTensor._over(f.cat(list(parts), ragged - 1), wrap(ends), ragged)


def _handled(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    owner, name = getattr(func, "__self__", None), getattr(func, "__name__", "")
    first = next((x for x in _nested_in((args, kwargs))), None)
    assert first is not None
    if isinstance(owner, property):  # what the class does not say itself
        flat = first._parts[0] if first._parts else first._flat
        return func(flat, *args[1:])
    rule = _RULES.get(name)
    if rule is not None:
        return rule(func, *args, **kwargs)
    if name in _EACH or name in _INNER:
        return _at_once(func, first, args, kwargs)
    if name in _PARTS:
        return _by_part(func, first, args, kwargs)
    if name in _SUMS:
        return _reduced(func, *args, **kwargs)
    return NotImplemented


def _nested_in(values: Any) -> list[NestedTensor]:
    if isinstance(values, NestedTensor):
        return [values]
    if isinstance(values, dict):
        values = tuple(values.values())
    if not isinstance(values, (tuple, list)):
        return []
    return [x for one in values for x in _nested_in(one)]


def _swapped(values: Any, change: Callable[[NestedTensor], Any]) -> Any:
    if isinstance(values, NestedTensor):
        return change(values)
    if type(values) in (tuple, list):
        return type(values)(_swapped(one, change) for one in values)
    return values


def _at_once(func: Any, first: NestedTensor, args: Any, kwargs: dict[str, Any]) -> Any:
    """All values at once, where the parts of all operands begin at the same places."""
    both = _nested_in((args, kwargs))
    if any(one._parts is not None for one in both):
        return _by_part(func, first, args, kwargs)
    if any(not np.array_equal(one._starts._array, first._starts._array) for one in both):
        raise RuntimeError(
            "cannot call binary pointwise function with inputs of shapes"
            f" {tuple(both[0].size())} and {tuple(both[-1].size())}"
        )
    plain = [x for x in args if isinstance(x, Tensor) and not isinstance(x, NestedTensor)]
    if any(one.ndim > first._flat.ndim - first._ragged for one in plain) and func.__name__ in _EACH:
        return _by_part(func, first, args, kwargs)  # something for each part
    given = {key: _swapped(one, lambda x: x._flat) for key, one in kwargs.items()}
    return first._like(func(*_swapped(args, lambda x: x._flat), **given))


def _by_part(func: Any, first: NestedTensor, args: Any, kwargs: dict[str, Any]) -> Any:
    """Part by part; a dense operand with a batch gives each part its own."""
    rank, count = first.ndim, len(first)
    found = []
    for i in range(count):

        def pick(x: Any, i: int = i) -> Any:
            if isinstance(x, NestedTensor):
                return x._pieces()[i]
            if isinstance(x, Tensor) and x.ndim == rank:
                return x[0 if x.shape[0] == 1 else i]
            return x

        given = {key: pick(one) for key, one in kwargs.items()}
        found.append(func(*map(pick, args), **given))
    return _joined(found, first)


def _joined(parts: Sequence[Tensor], like: NestedTensor) -> NestedTensor:
    if like._parts is not None:
        return strided(parts)
    made = jagged(parts, like._ragged)
    return like._like(made._flat)


def _inner_dim(x: NestedTensor, dim: int) -> int:
    """A dimension of the whole as one of its parts. Raises RuntimeError for the batch."""
    dim = dim + x.ndim if dim < 0 else dim
    if dim == 0:
        raise RuntimeError("this function does not work on the batch dimension of nested tensors")
    return dim - 1


def _reduced(func: Any, x: NestedTensor, dim: Any = None, keepdim: bool = False,
             **named: Any) -> Any:  # fmt: skip
    if dim is None:
        return func(x.values(), **named)
    dims = [dim] if isinstance(dim, int) else list(dim)
    inner = [_inner_dim(x, one) for one in dims]
    of = inner[0] if isinstance(dim, int) else tuple(inner)
    parts = [func(one, of, keepdim, **named) for one in x._pieces()]
    gone = x._parts is None and x._ragged - 1 in inner
    if gone:
        return f.stack(parts)
    return strided(parts) if x._parts is not None else x._like(func(x._flat, of, keepdim, **named))


def _softmax(func: Any, x: NestedTensor, dim: int = -1, *rest: Any, **named: Any) -> NestedTensor:
    at = _inner_dim(x, dim)
    if x._parts is None and at != x._ragged - 1:
        return x._like(func(x._flat, at, *rest, **named))
    return _joined([func(one, at, *rest, **named) for one in x._pieces()], x)


def _transpose(func: Any, x: NestedTensor, dim0: int, dim1: int) -> NestedTensor:
    first, second = _inner_dim(x, dim0), _inner_dim(x, dim1)
    if x._parts is not None:
        return strided([func(one, first, second) for one in x._parts])
    moves = {first: second, second: first}
    ragged = moves.get(x._ragged - 1, x._ragged - 1) + 1
    return x._like(func(x._flat, first, second), ragged)


def _along(func: Any, x: NestedTensor, *args: Any, **named: Any) -> Any:
    """Functions whose first number, or `dim`, is an inner dimension behind the ragged one."""
    if "dim" in named:
        dim = named["dim"] = _inner_dim(x, named["dim"])
    else:
        place = 1 if func.__name__ in ("chunk", "split") else 0
        dim = _inner_dim(x, args[place])
        args = (*args[:place], dim, *args[place + 1 :])
    if x._parts is None and dim > x._ragged - 1:
        found = func(x._flat, *args, **named)
        return tuple(map(x._like, found)) if isinstance(found, tuple) else x._like(found)
    return _joined([func(one, *args, **named) for one in x._pieces()], x)


def _unsqueeze(func: Any, x: NestedTensor, dim: int) -> NestedTensor:
    dim = dim + x.ndim + 1 if dim < 0 else dim
    if x._parts is None:
        return x._like(func(x._flat, dim - 1), x._ragged + (dim <= x._ragged))
    return strided([func(one, dim - 1) for one in x._parts])


def _flatten(func: Any, x: NestedTensor, start_dim: int = 0, end_dim: int = -1) -> NestedTensor:
    first, last = _inner_dim(x, start_dim), _inner_dim(x, end_dim)
    if x._parts is None and first > x._ragged - 1:
        return x._like(func(x._flat, first, last))
    return _joined([func(one, first, last) for one in x._pieces()], x)


def _reshape(func: Any, x: NestedTensor, *sizes: Any) -> NestedTensor:
    shape = list(sizes[0] if len(sizes) == 1 and not isinstance(sizes[0], int) else sizes)
    if x._parts is None:
        shape[x._ragged] = -1 if isinstance(shape[x._ragged], NestedInt) else shape[x._ragged]
    free = [i for i, n in enumerate(shape) if isinstance(n, int) and n == -1]
    rest = shape[1:]
    if len(free) > 1:
        raise RuntimeError("only one dimension of a nested tensor's view can be inferred")
    return _joined([func(one, rest) for one in x._pieces()], x)


def _cat(func: Any, xs: Sequence[NestedTensor], dim: int = 0) -> Any:
    if dim == 0:
        return _joined([part for x in xs for part in x._pieces()], xs[0])
    at = _inner_dim(xs[0], dim)
    return _joined([func(list(parts), at) for parts in zip(*(x._pieces() for x in xs))], xs[0])


def _backward(func: Any, x: NestedTensor, gradient: Any = None, *rest: Any, **named: Any) -> None:
    if gradient is None:
        raise RuntimeError("grad can be implicitly created only for scalar outputs")
    whole = x._flat if x._parts is None else x.values()
    whole.backward(gradient.values(), *rest, **named)


_RULES: dict[str, Callable[..., Any]] = {
    "softmax": _softmax, "log_softmax": _softmax, "transpose": _transpose,
    "swapaxes": _transpose, "unsqueeze": _unsqueeze, "flatten": _flatten, "reshape": _reshape,
    "view": _reshape, "cat": _cat, "backward": _backward,
    **dict.fromkeys("unflatten chunk split narrow squeeze cumsum".split(), _along),
}  # fmt: skip
