"""The IR builder: loops, branches, masks, lanes and memory, run as machine code."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("llvmlite")

from rushlight.compile.code import llvm
from rushlight.compile.code.emit import (
    F32,
    F64,
    I64,
    PTR,
    Function,
    Module,
    constant,
    lanes_of,
    literal,
    vector,
)  # fmt: skip
from rushlight.compile.products.packing import quotient


def build(write: Any, count: int) -> Any:
    """A function of `count` pointers and a number n, called with arrays and n."""
    module = Module(llvm.target())
    names = [(f"p{k}", PTR) for k in range(count)]
    f = module.function("k", [*names, ("n", I64)])
    write(f, *f.arguments)
    code = llvm.compile(module.text())
    native = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * count, ctypes.c_int64)(code.address("k"))

    def run(*arrays: np.ndarray, n: int) -> Any:
        native(*(a.ctypes.data for a in arrays), n)
        return code

    return run


@pytest.mark.parametrize("lanes", [1, 4, 16])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "uint8", "bool"])
def test_vectors_with_a_masked_tail(dtype: str, lanes: int):
    kind = vector(dtype, lanes)

    def write(f: Function, x: Any, y: Any, total: Any, n: Any) -> None:
        def body(index: Any, mask: Any, carried: Any) -> list[Any]:
            v = f.load(kind, x, index, mask)
            f.store(v, y, index, mask)
            return [f.bit_or(carried[0], v) if dtype == "bool" else f.add(carried[0], v)]

        (sums,) = f.vectors(0, n, lanes, body, [constant(0, kind)])
        f.store(f.reduce("sum", sums), total)

    run = build(write, 3)
    for n in (0, 1, 3, 16, 37, 64):
        x = (np.arange(n) % 5).astype(dtype)
        y, total = np.full(n + 2, 1, dtype), np.zeros(1, dtype)
        run(x, y, total, n=n)
        assert np.array_equal(y[:n], x) and (y[n:] == 1).all()
        assert total[0] == (x.any() if dtype == "bool" else x.sum(dtype=dtype))


def test_constant_bounds_fold_away_what_is_not_needed():
    module = Module(llvm.target())
    for name, stop in (("even", 32), ("odd", 35), ("few", 7)):
        f = module.function(name, [("x", PTR)])
        x = f.arguments[0]

        def body(index: Any, mask: Any, _: Any, f: Function = f, x: Any = x) -> None:
            f.store(constant(1.0, F32.wide(16)), x, index, mask)

        f.vectors(0, stop, 16, body)
    even, odd, few = (module.functions[name].text() for name in ("even", "odd", "few"))
    assert "masked" not in even and "br i1" in even
    assert odd.count("masked.store") == 1
    assert "br i1" not in few and few.count("masked.store") == 1


def test_a_loop_of_one_turn_is_its_body():
    def write(f: Function, x: Any, n: Any) -> None:
        with f.loop(3, 8, 5, carry=[f.constant(0, I64)]) as once:
            with f.loop(0, n, carry=once.carried) as loop:
                loop.next(f.add(loop.carried[0], f.mul(loop.index, once.index)))
            once.next(f.add(loop.results[0], f.mul(once.index, once.index)))
        f.store(once.results[0], x, f.sub(once.index, 3))
        assert sum(": " not in line and line.endswith(":") for line in f.lines) == 2

    out = np.zeros(1, np.int64)
    for n in (0, 1, 5):
        build(write, 1)(out, n=n)
        assert out[0] == 3 * n * (n - 1) // 2 + 9


def test_numbers_of_either_kind_fold():
    f = Module().function("k", [("n", I64)])
    (n,), two, none = f.arguments, f.constant(2, I64), f.constant(0, I64)
    assert f.mul(two, 21).name == "42" and f.sub(1, two).name == "-1"
    assert f.mul(n, none).name == f.mul(0, n).name == "0"
    assert f.add(none, n) is n and f.select(f.compare("<", two, 3), n, two) is n
    assert not f.lines


@given(st.integers(1, 5000), st.integers(1, 1 << 20), st.data())
def test_quotients(by: int, below: int, data: Any):
    value = data.draw(st.integers(0, below - 1))
    f = Module().function("k", [("n", I64)])
    found = quotient(f, f.arguments[0], by, below)
    registers: dict[str, int] = {"%n": value}
    for line in f.lines:
        name, _, op, _, x, y = line.replace(",", "").split()
        x = registers[x]
        registers[name] = {"mul": x * int(y), "lshr": x >> int(y), "udiv": x // int(y)}[op]
    assert (found if isinstance(found, int) else registers[found.name]) == value // by


def test_nested_loops_carry_values():
    def write(f: Function, y: Any, n: Any) -> None:
        with f.loop(0, n, carry=[constant(0, I64)]) as outer:
            with f.loop(0, outer.index, carry=outer.carried) as inner:
                inner.next(f.add(inner.carried[0], f.mul(inner.index, outer.index)))
            outer.next(*inner.results)
        f.store(outer.results[0], y)

    run = build(write, 1)
    for n in (0, 1, 5, 9):
        y = np.zeros(1, np.int64)
        run(y, n=n)
        assert y[0] == sum(i * j for i in range(n) for j in range(i))


def test_a_loop_wants_all_its_values():
    f = Module().function("k", [])
    told = pytest.raises(ValueError, match="carries 1 values, next")
    with told, f.loop(0, 4, carry=[constant(0, I64)]) as loop:
        loop.next(loop.index, loop.index)


def test_branches():
    def write(f: Function, y: Any, n: Any) -> None:
        big = f.compare(">", n, 10)
        (value,) = f.branch(big, lambda: [f.mul(n, 2)], lambda: [f.add(n, 100)])
        f.store(value, y)
        with f.if_(big):
            f.store(constant(7, I64), y, 1)

    run = build(write, 1)
    for n, wanted in ((3, [103, 0]), (11, [22, 7])):
        y = np.zeros(2, np.int64)
        run(y, n=n)
        assert y.tolist() == wanted


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "uint8"])
@pytest.mark.parametrize("lanes", [1, 4, 8, 16])
def test_reductions_of_lanes(dtype: str, lanes: int):
    kind = vector(dtype, lanes)
    names = ["sum", "prod", "max", "min"]

    def write(f: Function, x: Any, y: Any, n: Any) -> None:
        v = f.load(kind, x)
        for k, name in enumerate(names):
            f.store(f.reduce(name, v), y, k)

    x = np.random.default_rng(lanes).integers(1, 4, lanes).astype(dtype)
    y = np.zeros(4, dtype)
    run = build(write, 2)
    run(x, y, n=0)
    assert y.tolist() == [x.sum(dtype=dtype), x.prod(dtype=dtype), x.max(), x.min()]
    if kind.kind == "f" and lanes > 1:
        x[lanes // 2] = np.nan
        run(x, y, n=0)
        assert np.isnan(y).all()


def test_gather_scatter_shuffle_and_steps():
    kind = F32.wide(8)

    def write(f: Function, x: Any, index: Any, y: Any, n: Any) -> None:
        places = f.load(kind.of("int64"), index)
        v = f.gather(kind, x, places)
        f.store(f.shuffle(v, None, range(7, -1, -1)), y)
        f.scatter(f.splat(constant(5.0, F32), 8), y, f.add(places, 8))
        f.store(f.extract(v, 3), y, 30)
        f.store(f.steps(kind, 2), y, 40)

    x = np.arange(20, dtype="f")
    index = np.array([3, 1, 4, 1, 5, 9, 2, 6])
    y = np.zeros(48, "f")
    build(write, 3)(x, index, y, n=0)
    assert y[:8].tolist() == index[::-1].tolist()
    assert set(np.nonzero(y[8:30] == 5)[0]) == set(index.tolist())
    assert y[30] == 1 and y[40:].tolist() == list(range(0, 16, 2))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8", "bool"])
@pytest.mark.parametrize("masked", [False, True])
def test_lanes_at_known_places(dtype: str, masked: bool):
    """Known places, of all lanes or of some, go one by one below vectors of 512 bits."""
    kind = vector(dtype, 4)
    there = [True, False, True, True] if masked else [True] * 4

    def write(f: Function, x: Any, y: Any, n: Any) -> None:
        mask = lanes_of(there, vector("bool", 4)) if masked else None
        places = f.steps(I64.wide(4), 3)
        found = f.gather(kind, f.at(x, n, kind), places, mask)
        f.store(found, y)
        f.scatter(found, f.at(y, 4, kind), places, mask)

    x = (np.arange(16) % 2 if dtype == "bool" else np.arange(1, 17)).astype(dtype)
    y = np.full(16, 1 if dtype == "bool" else 99, dtype)
    wanted = y.copy()
    wanted[:4] = np.where(there, x[2:12:3], 0)
    for lane, here in enumerate(there):
        if here:
            wanted[4 + 3 * lane] = x[2 + 3 * lane]
    code = build(write, 2)(x, y, n=2)
    assert y.tolist() == wanted.tolist()
    alone = "masked.gather" not in code.ir and "masked.scatter" not in code.ir
    assert alone == (llvm.target().bits < 512)


def test_constant_arrays_and_stack():
    def write(f: Function, y: Any, n: Any) -> None:
        data = f.module.array(np.array([1.5, -2.0, np.inf, 1e-45], "f"))
        again = f.module.array(np.array([1.5, -2.0, np.inf, 1e-45], "f"))
        assert data is again
        room = f.stack(F32, 4)
        f.store(f.load(F32.wide(4), data), room)
        f.store(f.load(F32.wide(4), room), y)

    y = np.zeros(4, "f")
    build(write, 1)(y, n=0)
    assert y.tolist() == np.array([1.5, -2.0, np.inf, 1e-45], "f").tolist()


@pytest.mark.parametrize(
    ("number", "kind", "spelt"),
    [(1.0, F32, "0x3FF0000000000000"), (-0.0, F64, "0x8000000000000000"),
     (300, vector("uint8"), "44"), (255, vector("uint8"), "-1"), (True, vector("bool"), "true"),
     (1e39, F32, "0x7FF0000000000000"), (0.1, F32, "0x3FB99999A0000000")],
)  # fmt: skip
def test_numbers_are_spelt_by_their_bits(number: Any, kind: Any, spelt: str):
    assert literal(number, kind) == spelt


def test_zeros_of_both_signs_are_two_constants():
    assert constant(0.0, F32).name != constant(-0.0, F32).name
    assert constant(1, F32).name == constant(1.0, F32).name
    assert lanes_of([1, 2], I64.wide(2)).name == "<i64 1, i64 2>"


def test_addresses_of_constants_fold():
    f = Module().function("k", [("x", PTR)])
    x = f.arguments[0]
    assert f.at(x, 0, F32) is x
    assert f.add(x_index := constant(3, I64), 0) is x_index
    assert f.mul(1, x_index) is x_index and f.add(2, 3) == 5
    assert not f.lines
