"""Random core graphs and inputs for them."""

from __future__ import annotations

import numpy as np

from rushlight.compile.middle.graph import Graph, Node

SIZES = [1, 1, 2, 3, 4, 5, 7, 8, 13, 16, 17, 31, 32, 33, 47, 64, 65, 97]
FLOATS = ["float32", "float32", "float32", "float64"]
SMOOTH = "neg abs exp tanh sigmoid sin cos sign floor sqrt_abs log_abs erf".split()


class Builder:
    """Grows a graph op by op; every value stays of moderate size."""

    def __init__(self, seed: int, empty: bool = False) -> None:
        self.rng = np.random.default_rng(seed)
        self.values: list[Node] = []
        self.inputs: list[Node] = []
        self.arrays: list[np.ndarray] = []
        self.sizes = [*SIZES, 0] if empty else SIZES
        self.dtype = np.dtype(self.pick(FLOATS))

    def pick(self, things):
        return things[int(self.rng.integers(len(things)))]

    def value(self, dtype=None) -> Node:
        found = [v for v in self.values if dtype is None or v.dtype == dtype]
        recent = found[-6:] if self.rng.random() < 0.7 else found
        return self.pick(recent) if recent else self.input(dtype=dtype)

    def add(self, op, inputs, params, shape, dtype) -> Node:
        node = Node(op, inputs, params, tuple(int(n) for n in shape), np.dtype(dtype))
        self.values.append(node)
        return node

    def input(self, shape=None, dtype=None) -> Node:
        if shape is None:
            shape = [self.pick(self.sizes) for _ in range(self.rng.integers(0, 4))]
            while int(np.prod(shape)) > 20000:
                shape = [max(1, n // 2) for n in shape]
        dtype = np.dtype(dtype or self.dtype)
        if dtype.kind == "f":
            array = self.rng.standard_normal(shape).astype(dtype)
            if self.rng.random() < 0.05 and array.size:
                array.reshape(-1)[int(self.rng.integers(array.size))] = self.pick(
                    [np.nan, np.inf, -np.inf, 0.0]
                )
        elif dtype.kind == "b":
            array = self.rng.random(shape) < 0.5
        else:
            array = self.rng.integers(-9, 10, shape).astype(dtype)
        self.arrays.append(np.asarray(array))
        node = self.add("input", (), (f"x{len(self.inputs)}",), shape, dtype)
        self.inputs.append(node)
        return node

    def number(self, value, dtype) -> Node:
        return self.add("constant", (), (np.asarray(value, dtype),), (), dtype)

    # -- ops -----------------------------------------------------------------------------------
    def unary(self) -> Node:
        x = self.value()
        if x.dtype.kind != "f":
            return self.cast()
        op = self.pick(SMOOTH)
        if op.endswith("_abs"):
            x = self.add("abs", (x,), (), x.shape, x.dtype)
            op = op[:-4]
            if op == "log":
                one = self.number(1.5, x.dtype)
                x = self.add("add", (x, one), (), x.shape, x.dtype)
        if op == "exp":
            x = self.add("min", (x, self.number(3, x.dtype)), (), x.shape, x.dtype)
        return self.add(op, (x,), (), x.shape, x.dtype)

    def cast(self) -> Node:
        x = self.value()
        to = np.dtype(self.pick(["float32", "float64", "int64", "int32"]))
        if x.dtype.kind == "f" and to.kind == "i":  # what nan becomes is nobody's business
            good = self.add("isfinite", (x,), (), x.shape, bool)
            x = self.add("where", (good, x, self.number(0, x.dtype)), (), x.shape, x.dtype)
        return self.add("cast", (x,), (), x.shape, to)

    def partner(self, x: Node) -> Node:
        """A value that broadcasts with x."""
        same = [v for v in self.values if v.dtype == x.dtype and fits(v.shape, x.shape)]
        if same and self.rng.random() < 0.7:
            return self.pick(same[-8:])
        keep = int(self.rng.integers(0, x.ndim + 1))
        shape = [n if self.rng.random() < 0.7 else 1 for n in x.shape[x.ndim - keep :]]
        return self.input(shape, x.dtype)

    def binary(self) -> Node:
        x = self.value()
        y = self.partner(x)
        shape = np.broadcast_shapes(x.shape, y.shape)
        if self.rng.random() < 0.5:
            x, y = y, x
        if x.dtype == bool:
            return self.add(self.pick(["and", "or", "xor"]), (x, y), (), shape, bool)
        if self.rng.random() < 0.2:
            return self.add(self.pick("eq lt ge".split()), (x, y), (), shape, bool)
        ops = "add sub mul max min".split()
        return self.add(self.pick(ops), (x, y), (), shape, x.dtype)

    def where(self) -> Node:
        x = self.value()
        y = self.partner(x)
        shape = np.broadcast_shapes(x.shape, y.shape)
        masks = [v for v in self.values if v.dtype == bool and fits(v.shape, shape)]
        mask = self.pick(masks) if masks else self.input(shape, bool)
        shape = np.broadcast_shapes(shape, mask.shape)
        return self.add("where", (mask, x, y), (), shape, x.dtype)

    def reduce(self) -> Node:
        x = self.value()
        if not x.ndim or 0 in x.shape:
            return self.unary()
        dims = tuple(d for d in range(x.ndim) if self.rng.random() < 0.6)
        keep = bool(self.rng.random() < 0.5)
        shape = reduced(x.shape, dims, keep)
        op = self.pick(["sum", "sum", "max", "min"])
        if x.dtype.kind == "f" and self.rng.random() < 0.1:
            op = "prod"
        return self.add("reduce_" + op, (x,), (dims, keep), shape, x.dtype)

    def arg(self) -> Node:
        x = self.value()
        if not x.ndim or 0 in x.shape or x.dtype == bool:
            return self.unary()
        dim, keep = int(self.rng.integers(x.ndim)), bool(self.rng.random() < 0.5)
        op = self.pick(["argmax", "argmin"])
        return self.add(op, (x,), (dim, keep), reduced(x.shape, (dim,), keep), np.int64)

    def dot(self) -> Node:
        x = self.value(self.dtype)
        if x.ndim < 1 or x.ndim > 3:
            return self.binary()
        letters = "bik"[3 - x.ndim :]
        n = self.pick([1, 2, 5, 10, 17, 32])
        if x.ndim == 3 and self.rng.random() < 0.5:
            y = self.input((x.shape[0], x.shape[2], n), self.dtype)
            spec, out = "bik,bkj->bij", (*x.shape[:2], n)
        else:
            turned = self.rng.random() < 0.5
            y = self.input((n, x.shape[-1]) if turned else (x.shape[-1], n), self.dtype)
            spec = f"{letters},{'jk' if turned else 'kj'}->{letters[:-1]}j"
            out = (*x.shape[:-1], n)
        return self.add("dot", (x, y), (spec,), out, self.dtype)

    def move(self) -> Node:
        x = self.value()
        kind = self.pick("reshape permute slice flip expand pad cat strided".split())
        return getattr(self, "_" + kind)(x)

    def _reshape(self, x: Node) -> Node:
        factors = [p for n in x.shape for p in prime_factors(n)] if x.size else [0]
        shape: list[int] = []
        for p in factors:
            if shape and self.rng.random() < 0.5:
                shape[-1] *= p
            else:
                shape.append(p)
        if self.rng.random() < 0.3:
            shape.insert(int(self.rng.integers(len(shape) + 1)), 1)
        return self.add("reshape", (x,), (tuple(shape),), shape, x.dtype)

    def _permute(self, x: Node) -> Node:
        dims = tuple(int(d) for d in self.rng.permutation(x.ndim))
        return self.add("permute", (x,), (dims,), [x.shape[d] for d in dims], x.dtype)

    def _slice(self, x: Node) -> Node:
        starts, stops, steps = [], [], []
        for n in x.shape:
            start = int(self.rng.integers(0, max(n, 1)))
            starts.append(start)
            stops.append(int(self.rng.integers(start, n + 1)) if n else 0)
            if stops[-1] == start and n and 0 not in self.sizes:
                stops[-1] = start + 1
            steps.append(int(self.rng.integers(1, 4)))
        shape = [len(range(*b)) for b in zip(starts, stops, steps)]
        params = (tuple(starts), tuple(stops), tuple(steps))
        return self.add("slice", (x,), params, shape, x.dtype)

    def _flip(self, x: Node) -> Node:
        dims = tuple(d for d in range(x.ndim) if self.rng.random() < 0.5)
        return self.add("flip", (x,), (dims,), x.shape, x.dtype)

    def _expand(self, x: Node) -> Node:
        if x.size > 4000:
            return self._flip(x)
        shape = tuple(self.pick([2, 3, 5]) if n == 1 else n for n in x.shape)
        if self.rng.random() < 0.4:
            shape = (self.pick([1, 2, 3]), *shape)
        return self.add("expand", (x,), (shape,), shape, x.dtype)

    def _pad(self, x: Node) -> Node:
        if not x.ndim:
            return self._flip(x)
        lows = tuple(int(self.rng.integers(0, 3)) for _ in x.shape)
        highs = tuple(int(self.rng.integers(0, 3)) for _ in x.shape)
        shape = [n + a + b for n, a, b in zip(x.shape, lows, highs)]
        return self.add("pad", (x,), (lows, highs, 1), shape, x.dtype)

    def _cat(self, x: Node) -> Node:
        if not x.ndim or x.size > 8000:
            return self._flip(x)
        dim = int(self.rng.integers(x.ndim))
        others = [
            v for v in self.values if v.dtype == x.dtype and v.ndim == x.ndim
            and v.shape[:dim] + v.shape[dim + 1 :] == x.shape[:dim] + x.shape[dim + 1 :]
            and v.size < 8000
        ]  # fmt: skip
        parts = [x, *(self.pick(others) for _ in range(int(self.rng.integers(1, 3))))]
        total = sum(part.shape[dim] for part in parts)
        shape = (*x.shape[:dim], total, *x.shape[dim + 1 :])
        return self.add("cat", parts, (dim,), shape, x.dtype)

    def _strided(self, x: Node) -> Node:
        if x.size < 4:
            return self._flip(x)
        n = int(self.rng.integers(1, x.size // 2 + 1))
        shape, strides = (2, n), (int(self.rng.integers(0, x.size - n - 1 + 1)), 1)
        if strides[0] + n > x.size:
            strides = (0, 1)
        offset = int(self.rng.integers(0, x.size - strides[0] - n + 1))
        if self.rng.random() < 0.5 or strides[0] < n:
            return self.add("strided", (x,), (shape, strides, offset), shape, x.dtype)
        value = self.input(shape, x.dtype)
        return self.add("replace", (x, value), (shape, strides, offset), x.shape, x.dtype)

    def take(self) -> Node:
        x = self.value()
        dims = [d for d, n in enumerate(x.shape) if n]
        if not dims or x.size > 8000:
            return self.binary()
        dim = self.pick(dims)
        shape = self.pick([(), (3,), (5,), (2, 4), (17,)])
        indices = self.input(shape, np.int64)
        self.arrays[-1] = np.asarray(self.rng.integers(0, x.shape[dim], shape))
        out = (*x.shape[:dim], *shape, *x.shape[dim + 1 :])
        return self.add("take", (x, indices), (dim,), out, x.dtype)

    def scatter(self) -> Node:
        x = self.value(self.dtype)
        dims = [d for d, n in enumerate(x.shape) if n]
        if not dims or x.size > 8000:
            return self.binary()
        dim = self.pick(dims)
        shape = self.pick([(3,), (5,), (2, 4), (17,)])
        indices = self.input(shape, np.int64)
        self.arrays[-1] = np.asarray(self.rng.integers(0, x.shape[dim], shape))
        source = self.input((*x.shape[:dim], *shape, *x.shape[dim + 1 :]), x.dtype)
        return self.add("scatter_add", (x, indices, source), (dim,), x.shape, x.dtype)

    def iota(self) -> Node:
        x = self.value()
        if not x.ndim:
            return self.unary()
        dim = int(self.rng.integers(x.ndim))
        return self.add("iota", (), (dim,), x.shape, np.int64)

    def softmax(self) -> Node:
        x = self.value(self.dtype)
        if not x.ndim or 0 in x.shape:
            return self.unary()
        shape = (*x.shape[:-1], 1)
        last = (x.ndim - 1,)
        top = self.add("reduce_max", (x,), (last, True), shape, x.dtype)
        low = self.add("sub", (x, top), (), x.shape, x.dtype)
        e = self.add("exp", (low,), (), x.shape, x.dtype)
        total = self.add("reduce_sum", (e,), (last, True), shape, x.dtype)
        if self.rng.random() < 0.5:
            return self.add("div", (e, total), (), x.shape, x.dtype)
        log = self.add("log", (total,), (), shape, x.dtype)
        return self.add("sub", (low, log), (), x.shape, x.dtype)

    def graph(self, length: int) -> tuple[Graph, list[np.ndarray]]:
        """A graph of about `length` ops with a few outputs, and its inputs."""
        self.input()
        ops = (
            "unary unary binary binary binary where reduce reduce arg dot move move move take"
            " scatter iota softmax cast"
        ).split()
        for _ in range(length):
            if self.value().size > 30000:
                self.input()
            getattr(self, self.pick(ops))()
        count = int(self.rng.integers(1, 5))
        outputs = [self.pick(self.values[-10:]) for _ in range(count)]
        return Graph(self.inputs, outputs), self.arrays


def fits(shape, other) -> bool:
    try:
        return int(np.prod(np.broadcast_shapes(shape, other))) < 20000
    except ValueError:
        return False


def reduced(shape, dims, keep):
    if keep:
        return tuple(1 if d in dims else n for d, n in enumerate(shape))
    return tuple(n for d, n in enumerate(shape) if d not in dims)


def prime_factors(n: int) -> list[int]:
    found, p = [], 2
    while n > 1:
        while n % p == 0:
            found.append(p)
            n //= p
        p += 1
    return found
