"""The ONNX graph being written: its nodes, its constants, and numbers that follow sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.size_formulas import Dynamic, Polynomial
from .errors import OnnxExporterError, UnsupportedOperatorError, refused


class Constant:
    """A value known when the model is written: an array for every combination of sizes."""

    __slots__ = ("arrays", "name")

    def __init__(self, arrays: Sequence[np.ndarray], name: str = "") -> None:
        self.arrays, self.name = list(arrays), name


class Writer:
    """Nodes in order; `op` adds one and names its outputs."""

    def __init__(self, onnx: Any, dynamic: Dynamic, where: dict[str, tuple[str, int]]) -> None:
        self.onnx, self.dynamic, self.where = onnx, dynamic, where
        self.nodes: list[Any] = []
        self.initializers: dict[str, np.ndarray] = {}
        self.of: Any = None  # the node being written, for errors
        self.users: dict[Any, Any] = {}
        self._known: dict[Any, str] = {}

    def op(self, kind: str, *inputs: Any, outputs: int = 1, **attributes: Any) -> Any:
        """Add a node; the name of its output, or of its outputs."""
        names = [f"{kind.lower()}_{len(self.nodes)}" + f".{k}" * (k > 0) for k in range(outputs)]
        reads = [self.name(x) for x in inputs]
        made = self.onnx.helper.make_node(
            kind, reads, names, name=f"{kind}_{len(self.nodes)}", **attributes
        )
        if getattr(self.of, "line", ""):
            made.doc_string = self.of.line
        self.nodes.append(made)
        return names[0] if outputs == 1 else tuple(names)

    def name(self, x: Any) -> str:
        """The name of an operand: of a value, a constant, an array or a number."""
        if x is None or isinstance(x, str):
            return x or ""  # an operand that is left out has no name
        if not isinstance(x, Constant):
            return self._stored(np.asarray(x))
        first = x.arrays[0]
        if not all(_equal(first, other) for other in x.arrays[1:]):
            return self._varying(x.arrays)
        return self._stored(first, x.name)

    def _stored(self, array: np.ndarray, name: str = "") -> str:
        if name and not _equal(self.initializers.get(name, array), array):
            name = ""  # the same weight, folded into something else
        key = name or (array.dtype.str, array.shape, array.tobytes())
        if key not in self._known:
            self._known[key] = name or f"constant_{len(self.initializers)}"
            self.initializers[self._known[key]] = np.asarray(array, order="C")
        return self._known[key]

    def _varying(self, arrays: list[np.ndarray]) -> str:
        """A constant that is another one at other sizes: one value everywhere, or counting."""
        first = arrays[0]
        shape = self.polynomials(list(zip(*[a.shape for a in arrays])))
        if all(a.size and (a == a.flat[0]).all() for a in arrays):
            values = [a.flat[0].item() for a in arrays]
            scalar: Any = np.asarray(values[0], first.dtype)
            if len(set(values)) > 1:
                scalar = self._number(values, first.dtype)
            return self.op("Expand", scalar, self.dims(shape)) if shape else self.name(scalar)
        if first.ndim == 1 and all(_equal(a, np.arange(len(a), dtype=a.dtype)) for a in arrays):
            return self.cast(self.range(shape[0]), first.dtype)
        raise refused(
            OnnxExporterError, "a constant follows a dynamic size without a formula",
            self.of,
        )  # fmt: skip

    def _number(self, values: list[float], dtype: np.dtype) -> str:
        whole = [round(v) for v in values]
        if whole == values:
            return self.cast(self.scalar(self.polynomial(whole)), dtype)
        inverse = [round(1 / v) if v else 0 for v in values]
        if all(n and abs(v * n - 1) < 1e-6 for v, n in zip(values, inverse)):
            divisor = self.cast(self.scalar(self.polynomial(inverse)), dtype)
            return self.op("Reciprocal", divisor)
        raise refused(
            OnnxExporterError, f"the number {values[0]} follows a dynamic size without a formula",
            self.of,
        )  # fmt: skip

    def made(self, name: str) -> Any:
        """The node whose output has this name; None for an input or a constant."""
        return next((node for node in reversed(self.nodes) if name in node.output), None)

    def readers(self, node: Any) -> int:
        """How many nodes of the model read this one."""
        return len(self.users.get(node, ()))

    # -- sizes

    def polynomial(self, values: Sequence[int]) -> Polynomial:
        """The formula of a number that has these values at the sizes tried."""
        found = self.dynamic.fitted(values)
        if found is None:
            raise refused(
                OnnxExporterError, f"a size is {list(values)} at the sizes tried: no whole formula",
                self.of,
            )  # fmt: skip
        return found

    def polynomials(self, several: Sequence[Sequence[int]]) -> list[Polynomial]:
        """The same for several numbers."""
        return [self.polynomial(values) for values in several]

    def dims(self, sizes: Sequence[Polynomial]) -> str:
        """A tensor of whole numbers that holds the sizes."""
        if all(set(size) <= {()} for size in sizes):
            return self.name(np.array([size.get((), 0) for size in sizes], np.int64))
        return self.op("Concat", *[self._dim(size) for size in sizes], axis=0)

    def scalar(self, size: Polynomial) -> str:
        """A size as a tensor without dimensions."""
        return self.op("Squeeze", self._dim(size), np.array([0]))

    def range(self, size: Polynomial) -> str:
        """0, 1, 2 ... up to a size."""
        return self.op("Range", np.int64(0), self.scalar(size), np.int64(1))

    def _dim(self, size: Polynomial) -> str:
        key = tuple(sorted(size.items()))
        if key not in self._known:
            terms = [self._term(names, factor) for names, factor in sorted(size.items())]
            total = terms[0] if terms else self.name(np.array([0]))
            for term in terms[1:]:
                total = self.op("Add", total, term)
            self._known[key] = total
        return self._known[key]

    def _term(self, names: tuple[str, ...], factor: int) -> str:
        found = None if factor == 1 and names else self.name(np.array([factor]))
        for name in names:
            value, dim = self.where[name]
            size = self.op("Shape", value, start=dim, end=dim + 1)
            found = size if found is None else self.op("Mul", found, size)
        return found or ""

    # -- types

    def cast(self, x: Any, dtype: Any) -> str:
        """The value in another type."""
        return self.op("Cast", x, to=self.kind(dtype))

    def kind(self, dtype: Any) -> int:
        """ONNX's number for a type."""
        try:
            return self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        except (KeyError, ValueError) as error:
            raise refused(UnsupportedOperatorError, f"ONNX has no {dtype}", self.of) from error


def _equal(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()
