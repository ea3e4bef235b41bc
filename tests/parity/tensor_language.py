"""A small language of cases: each is a Python expression that both libraries evaluate.

`x(3, 4)` makes a tensor of the case's data type (recording gradients if it is floating), `n` one of
integers, `b` a mask, `p` positive numbers, `k(...)` a tensor of given values. A line may begin
with the data types it is to be tried with: `[f64 i64] torch.sum(x(3, 4), 1)`.
"""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import numpy as np

KINDS = {
    "f64": "float64", "f32": "float32", "f16": "float16", "i64": "int64", "i32": "int32",
    "u8": "uint8", "b": "bool", "c128": "complex128", "c64": "complex64",
}  # fmt: skip
TOLERANCE = {
    "float64": 1e-8,
    "float32": 2e-5,
    "float16": 4e-3,
    "complex128": 1e-8,
    "complex64": 2e-5,
}
FAMILIES = ("assembly", "placing", "reduction", "sorting", "special")


def cases(family: str) -> list[tuple[str, str]]:
    """(data type, expression) of every case of a family."""
    found = []
    for line in (Path(__file__).parent / f"tensor_{family}.txt").read_text().splitlines():
        kinds = ["f64"]
        if line.startswith("["):
            head, _, line = line[1:].partition("] ")
            kinds = head.split()
        if line.strip() and not line.startswith("#"):
            found += [(kind, line.strip()) for kind in kinds]
    return found


def steps(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Distinct-looking numbers in [0, 1), the same everywhere."""
    places = np.arange(prod(shape), dtype=np.int64)
    return ((places * 7919 + seed * 104729 + 331) % 1009 / 1009).reshape(shape)


class Makers:
    """The names an expression may use, for one library."""

    def __init__(self, torch: Any, kind: str) -> None:
        self.torch, self.kind, self.count = torch, KINDS[kind], 0
        self.leaves: list[Any] = []

    def _wrap(self, array: np.ndarray, grad: bool) -> Any:
        tensor = self.torch.from_numpy(np.ascontiguousarray(array).reshape(array.shape))
        if grad and array.dtype.kind in "fc":
            self.leaves.append(tensor.requires_grad_())
        return tensor

    def _next(self, shape: tuple[int, ...]) -> np.ndarray:
        self.count += 1
        return steps(shape, self.count)

    def x(self, *shape: int, low: float = -2.0, high: float = 2.0, grad: bool = True) -> Any:
        """Numbers in [low, high) of the case's data type."""
        values = low + (high - low) * self._next(shape)
        kind = np.dtype(self.kind)
        if kind.kind == "b":
            values = values > (low + high) / 2
        elif kind.kind in "iu":
            values = np.floor(values * 3) if kind.kind == "i" else np.floor(np.abs(values) * 3)
        elif kind.kind == "c":
            values = values + 1j * steps(shape, self.count + 50)
        return self._wrap(np.asarray(values).astype(kind), grad)

    def p(self, *shape: int, low: float = 0.3, high: float = 2.0) -> Any:
        """Positive numbers."""
        return self.x(*shape, low=low, high=high)

    def n(self, *shape: int, high: int = 3) -> Any:
        """Integers in [0, high)."""
        return self._wrap(np.floor(self._next(shape) * high).astype(np.int64), False)

    def b(self, *shape: int) -> Any:
        """A mask."""
        return self._wrap(self._next(shape) > 0.45, False)

    def k(self, values: Any, dtype: str = "") -> Any:
        """A tensor of given values, in the case's data type unless told."""
        return self._wrap(np.array(values, KINDS.get(dtype, dtype) or self.kind), True)

    def names(self) -> dict[str, Any]:
        nan, inf = float("nan"), float("inf")
        return {
            "torch": self.torch,
            "x": self.x,
            "p": self.p,
            "n": self.n,
            "b": self.b,
            "k": self.k,
            "nan": nan,
            "inf": inf,
            "wrote": wrote,
        }


def wrote(tensor: Any, method: str, *args: Any, **kwargs: Any) -> Any:
    """A method that works in place, called on a copy of the tensor; gives the copy."""
    target = tensor.clone()
    result = getattr(target, method)(*args, **kwargs)
    assert result is target, f"{method} did not return its tensor"
    return target


def tensors(value: Any, kind: type) -> list[Any]:
    """All tensors in a result, in order."""
    if isinstance(value, kind):
        return [value]
    if isinstance(value, (tuple, list)):
        return [tensor for part in value for tensor in tensors(part, kind)]
    return []


def _numbers(tensor: Any) -> list[Any]:
    array = np.ascontiguousarray(tensor.detach().numpy())
    if array.dtype.kind == "c":
        array = np.stack([array.real, array.imag], -1)
    if array.dtype.kind == "f":
        digits = {8: 11, 4: 8, 2: 5}[array.dtype.itemsize]
        return [float(f"{value:.{digits}g}") for value in array.reshape(-1).tolist()]
    return [int(value) for value in array.reshape(-1).tolist()]


def _strides(tensor: Any) -> list[int]:
    """Strides where they mean anything: of dimensions longer than one, of filled tensors."""
    if not tensor.numel():
        return []
    return [step for step, size in zip(tensor.stride(), tensor.shape) if size > 1]


def _described(tensor: Any) -> dict[str, Any]:
    node = tensor.grad_fn
    return {
        "dtype": str(tensor.dtype).removeprefix("torch."), "shape": list(tensor.shape),
        "stride": _strides(tensor), "node": None if node is None else type(node).__name__,
        "values": _numbers(tensor),
    }  # fmt: skip


def _gradients(torch: Any, found: list[Any], leaves: list[Any]) -> list[Any]:
    outputs = [tensor for tensor in found if tensor.requires_grad]
    if not outputs or not leaves:
        return []
    seeds = []
    for place, tensor in enumerate(outputs):
        values = np.asarray(2 * steps(tuple(tensor.shape), 77 + place) - 1)
        seeds.append(torch.from_numpy(values.astype(str(tensor.dtype).removeprefix("torch."))))
    grads = torch.autograd.grad(outputs, leaves, seeds, allow_unused=True)
    return [None if g is None else _numbers(g) for g in grads]


def answer(torch: Any, kind: str, expression: str) -> dict[str, Any]:
    """What a library makes of a case: its tensors and gradients, a plain value, or an error."""
    makers = Makers(torch, kind)
    try:
        result = eval(expression, makers.names())
    except Exception as error:
        lines = str(error).splitlines() or [""]
        return {"error": type(error).__name__, "text": lines[0]}
    found = tensors(result, torch.Tensor)
    if not found:
        return {"value": repr(result)}
    described = [_described(tensor) for tensor in found]
    try:
        gradients = _gradients(torch, found, makers.leaves)
    except (NotImplementedError, RuntimeError):
        gradients = None
    fields = list(getattr(result, "_fields", ())) or [
        name
        for name in dir(type(result))
        if name in ("values", "indices", "min", "max", "hist", "mantissa")
        and not isinstance(result, torch.Tensor)
    ]
    return {"out": described, "grads": gradients,
            "named": "values" in fields or "min" in fields or "hist" in fields}  # fmt: skip
