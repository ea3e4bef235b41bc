"""Every pointwise op, dtype and lane count against NumPy; last digits of the smooth functions."""

from __future__ import annotations

import ctypes
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("llvmlite")
sys.path.insert(0, str(Path(__file__).parent))

from emitted import (
    ARITY,
    FLOATS,
    OPS,
    SMOOTH,
    WHOLE,
    Module,
    cast,
    compiled,
    erf_and_erfc,
    kernel,
    kernels,
    run,
    ulps,
)  # fmt: skip

from rushlight.compile.code import llvm
from rushlight.compile.code.emit import I64, PTR, vector
from rushlight.compile.code.scalar import Emitter
from rushlight.compile.middle import interpret
from rushlight.compile.middle.graph import POINTWISE
from tests.compile.test_gemm import unsaved

LANES = (1, 4, 16)
SPECIAL = [
    0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, math.inf, -math.inf, math.nan, 1e-40, -1e-40,
    1e-45, 2.0**-126, 3.4e38, -3.4e38, 88.72283, 88.723, -103.97, -104.5, 1e22, 4.0, -3.0, 1e10,
]  # fmt: skip
NARROW = np.finfo(np.longdouble).nmant <= np.finfo(np.float64).nmant
wider = pytest.mark.skipif(NARROW, reason="long double is no wider, and no measure")
MEASURED = ["float32", pytest.param("float64", marks=wider)]
WIDER = {"float32": np.float64, "float64": np.longdouble}


def numbers(dtype: str, count: int = 331, seed: int = 0) -> np.ndarray:
    """Random and special values; the length is no multiple of any lane count."""
    rng = np.random.default_rng(seed)
    kind = np.dtype(dtype)
    if kind.kind == "b":
        return rng.random(count) < 0.5
    if kind.kind != "f":
        info = np.iinfo(kind)
        wild = rng.integers(info.min, info.max, count // 2, kind, endpoint=True)
        mild = rng.integers(max(info.min, -9), 10, count - len(wild)).astype(kind)
        mild[:2] = info.min, info.max
        return rng.permutation(np.concatenate([wild, mild]))
    bits = rng.integers(0, 256, (count // 3) * kind.itemsize, np.uint8).view(kind)
    mild = rng.normal(size=count - len(bits)).astype(kind) * 4
    return rng.permutation(np.concatenate([bits, mild]))


def operands(op: str, dtype: str) -> list[np.ndarray]:
    """As many arrays as the op takes; floats meet every pair of special values."""
    given = [numbers(dtype, seed=k) for k in range(3)]
    if np.dtype(dtype).kind == "f":
        special = np.array(SPECIAL, dtype)
        pairs = [np.repeat(special, len(special)), np.tile(special, len(special))]
        given = [np.concatenate([a, b]) for a, b in zip(given, [*pairs, pairs[0]])]
    if op == "where":
        return [numbers("bool", len(given[0])), given[1], given[2]]
    return given[: ARITY.get(op, 2)]


def test_every_op_of_the_graph_is_tried():
    assert set().union(*OPS.values()) | {"cast", "pair"} == POINTWISE  # for pairs: test_bfloat16


@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("dtype", [*WHOLE, "bool"])
def test_integers_and_bools_are_numpys(dtype: str, lanes: int):
    for op in OPS[np.dtype(dtype).kind]:
        given = operands(op, dtype)
        if op in ("fmod", "floor_div"):
            given[1][given[1] == 0] = 3
        with np.errstate(all="ignore"):
            wanted = interpret.POINTWISE[op](*given)
        found = run(op, *given, lanes=lanes)
        assert np.array_equal(found, wanted), (op, np.nonzero(found != wanted))


@pytest.mark.parametrize("dtype", WHOLE)
def test_division_by_zero_does_not_trap(dtype: str):
    x = numbers(dtype)
    for op in ("fmod", "floor_div"):
        assert run(op, x, np.zeros_like(x), lanes=4).shape == x.shape


@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("dtype", FLOATS)
def test_float_ops_are_numpys_to_the_bit(dtype: str, lanes: int):
    for op in OPS["f"]:
        if (op in SMOOTH and op != "sqrt") or op in ("pow", "normal_cdf"):
            continue
        given = operands(op, dtype)
        with np.errstate(all="ignore"):
            wanted = interpret.POINTWISE[op](*given)
        found = run(op, *given, lanes=lanes)
        same = np.array_equal(found, wanted, equal_nan=found.dtype.kind == "f")
        apart = np.nonzero((found != wanted) & ~((found != found) & (wanted != wanted)))[0]
        assert same, (op, [(*(a[k] for a in given), found[k], wanted[k]) for k in apart[:3]])
        if op in ("neg", "abs", "floor", "ceil", "trunc", "round", "copysign"):
            assert np.array_equal(np.signbit(found), np.signbit(wanted)), op


def exact(op: str, *given: np.ndarray) -> np.ndarray:
    """The function in a wider type."""
    with np.errstate(all="ignore"):
        wide = [x.astype(WIDER[x.dtype.name]) for x in given]
        if op == "normal_cdf":
            half = wide[0] / np.sqrt(wide[0].dtype.type(2))
            return erf_and_erfc(-half.astype(np.longdouble))[1].astype(half.dtype) / 2
        if op in ("erf", "erfc"):
            return erf_and_erfc(wide[0].astype(np.longdouble))[op == "erfc"].astype(wide[0].dtype)
        if op == "rsqrt":
            return 1 / np.sqrt(wide[0])
        if op == "pow":
            return np.power(*wide)
        return interpret.POINTWISE[op](*wide)


def check_last_digits(op: str, given: list[np.ndarray], most: float, **how: Any) -> None:
    wanted = exact(op, *given)
    found = run(op, *given, **how)
    worst = ulps(found, wanted)
    place = int(np.argmax(worst))
    assert worst[place] <= most, (op, worst[place], [x[place] for x in given], found[place])
    with np.errstate(all="ignore"):
        rounded = wanted.astype(found.dtype)
    top = np.finfo(found.dtype).max
    ends = ~np.isfinite(rounded) | ~np.isfinite(found)
    edge = np.isinf(rounded) & (np.abs(found) >= top)  # one last digit from the end
    good = ~ends | edge | (found == rounded) | (np.isnan(found) & np.isnan(rounded))
    assert good.all(), (op, [(*(x[k] for x in given), found[k], rounded[k])
                             for k in np.nonzero(~good)[0][:3]])  # fmt: skip
    signs = np.isnan(found) | (np.signbit(found) == np.signbit(rounded))
    assert signs.all(), (op, [x[~signs][:3] for x in given])


def sweep(dtype: str, op: str) -> np.ndarray:
    """All magnitudes by their bits, the usual range densely, both sides of 1."""
    rng = np.random.default_rng(len(op))
    count = 40_000 if op not in ("erf", "erfc") else 10_000
    kind = np.dtype(dtype)
    bits = rng.integers(0, 256, count * kind.itemsize, np.uint8).view(kind)
    parts = [bits, rng.uniform(-110, 110, count), rng.uniform(-6, 6, count),
             rng.uniform(-1, 1, count), 1 + rng.uniform(-0.01, 0.01, count)]  # fmt: skip
    parts.append(SPECIAL)
    if dtype == "float64":
        parts += [rng.uniform(-760, 720, count)]
    with np.errstate(all="ignore"):
        return np.concatenate([np.asarray(part, kind) for part in parts])


BOUND = {"float32": dict.fromkeys(SMOOTH, 1.0), "float64": dict.fromkeys(SMOOTH, 2.0)}
BOUND["float64"] |= dict.fromkeys("exp log tanh sigmoid sin cos".split(), 1.0)
BOUND["float64"]["erf"] = 1.0 if llvm.target().fma else 1.25


@pytest.mark.parametrize("op", [op for op in SMOOTH if op not in ("atan2", "sqrt")])
@pytest.mark.parametrize("dtype", MEASURED)
def test_last_digits(dtype: str, op: str):
    most = BOUND[dtype][op] if op != "rsqrt" else 1.5
    check_last_digits(op, [sweep(dtype, op)], most)


@pytest.mark.parametrize("op", ["log1p", "expm1", "tanh", "log2"])
def test_last_digits_close_to_a_zero(op: str):
    """Every 61st float32 from 2^-29 to 2^-1 on both sides of where the function is 0."""
    start, stop = (np.float32(2.0**k).view(np.int32) for k in (-29, -1))
    x = np.arange(start, stop, 61, np.int32).view(np.float32)
    x = np.concatenate([x, -x]) + np.float32(op == "log2")
    check_last_digits(op, [x], 1.0)
    check_last_digits(op, [x[::9]], 1.0, lanes=4)


@pytest.mark.parametrize("op", ["tanh", "sigmoid"])
def test_last_digits_where_pieces_meet(op: str):
    """Every float32 beside a quarter of a power of two, and beside odd multiples of ln 2 / 32."""
    edges = [2.0**power * (1 + part / 4) for power in range(-5, 4) for part in range(4)]
    edges += [10.0, *np.arange(1, 300, 2) * np.log(2) / 32]
    bits = np.array(edges, np.float32).view(np.int32)[:, None] + np.arange(-40, 40, dtype=np.int32)
    x = bits.ravel().view(np.float32)
    check_last_digits(op, [np.concatenate([x, -x])], 0.9 if llvm.target().bits == 512 else 1.0)


@pytest.mark.parametrize("dtype", MEASURED)
def test_normal_distribution(dtype: str):
    x = sweep(dtype, "erf")
    wanted, found = exact("normal_cdf", x), run("normal_cdf", x)
    with np.errstate(all="ignore"):
        gap = np.abs(found - wanted)
    assert np.nanmax(gap) <= {"float32": 2.0**-22, "float64": 2.0**-52}[dtype]
    assert np.array_equal(np.isnan(found), np.isnan(x))
    assert not found[x < -40].any() and (found[x > 40] == 1).all()


@pytest.mark.parametrize("dtype", MEASURED)
@pytest.mark.parametrize("op", ["pow", "atan2"])
def test_last_digits_of_two(op: str, dtype: str):
    rng = np.random.default_rng(5)
    x, y = sweep(dtype, op), rng.permutation(sweep(dtype, op))
    with np.errstate(all="ignore"):
        x, y = x.astype(float), y.astype(float)
    mild = 2.0 ** rng.uniform(-25, 25, 30_000), rng.uniform(-40, 40, 30_000)
    near = 1 + rng.uniform(-0.1, 0.1, 30_000), rng.uniform(-3000, 3000, 30_000)
    whole = rng.uniform(-9, 9, 30_000), np.rint(rng.uniform(-30, 30, 30_000))
    first = np.concatenate([x, mild[0], near[0], whole[0], np.repeat(SPECIAL, len(SPECIAL))])
    second = np.concatenate([y, mild[1], near[1], whole[1], np.tile(SPECIAL, len(SPECIAL))])
    most = 2.0 if (op, dtype) == ("atan2", "float64") else 1.0
    with np.errstate(all="ignore"):
        given = [first.astype(dtype), second.astype(dtype)]
    check_last_digits(op, given, most)


@pytest.mark.parametrize("lanes", [1, 4])
@pytest.mark.parametrize("dtype", MEASURED)
def test_lanes_do_not_change_the_functions(dtype: str, lanes: int):
    for op in [*SMOOTH, "pow"]:
        given = operands(op, dtype)
        most = 2.0 if dtype == "float64" or op == "rsqrt" else 1.0
        check_last_digits(op, given, most, lanes=lanes)


@pytest.mark.parametrize("name", ["avx2", "sse"])
@pytest.mark.parametrize("dtype", MEASURED)
def test_smaller_processors_give_the_same_digits(dtype: str, name: str):
    if not llvm.target().triple.startswith("x86_64"):
        return
    target = llvm.named(name)
    for op in [*SMOOTH, "pow"]:
        most = 2.0 if dtype == "float64" or op == "rsqrt" else 1.0
        check_last_digits(op, operands(op, dtype), most, target=target, lanes=target.lanes(dtype))


@pytest.mark.parametrize("dtype", [*WHOLE, *FLOATS, "bool"])
def test_casts_are_numpys(dtype: str):
    x = numbers(dtype)
    if x.dtype.kind == "f":
        x = np.concatenate([x, np.array(SPECIAL, dtype)])
    for to in [*WHOLE, *FLOATS, "bool"]:
        given = x
        if x.dtype.kind == "f" and np.dtype(to).kind in "iu":  # C leaves the rest open
            given = x[np.abs(x) < (120 if np.dtype(to).itemsize < 4 else 2e9)]
            given = given[given >= 0] if to == "uint8" else given
        with np.errstate(all="ignore"):
            wanted = given.astype(to)
        for lanes in (1, 16):
            assert np.array_equal(
                cast(given, to, lanes), wanted, equal_nan=wanted.dtype.kind == "f"
            )


def test_casts_out_of_range_are_the_processors():
    x = np.array([np.nan, np.inf, -np.inf, 3e9, -3e9, 1e30] * 3, "f")
    if llvm.target().triple.startswith("x86_64"):
        assert (cast(x, "int32") == np.iinfo(np.int32).min).all()
        assert (cast(x, "int64")[[0, 1, 2, 5]] == np.iinfo(np.int64).min).all()


def test_text_is_made_in_a_moment():
    calls = [0]

    def count(*_):
        calls[0] += 1

    sys.setprofile(count)
    try:
        module = Module(llvm.target())
        kernel(module, "k", "tanh", "float32", 16)
        module.text()
    finally:
        sys.setprofile(None)
    assert calls[0] < 10_000  # Python's and C's, and as many ends of them: a millisecond


def test_kernels_do_not_spill():
    code = llvm.assembly(kernels("float32", 16, llvm.target()).ir, unsaved(llvm.target()))
    if llvm.target().name == "avx512":
        for op in ("exp", "log", "tanh", "sigmoid", "erf"):
            body = code.split(f"\nk_{op}:")[1].split("\n\tretq")[0]
            assert body.count("(%rsp)") <= 4, op


@pytest.mark.parametrize("dtype", [*FLOATS, *WHOLE])
def test_what_lowering_calls_besides(dtype: str):
    x, y = numbers(dtype, seed=1), numbers(dtype, seed=2)
    y[y == 0] = 3
    with np.errstate(all="ignore"):
        wanted = [np.remainder(x, y), np.minimum(np.maximum(x, 1), 5), np.maximum(x, 0), x > y]
    found = [np.empty_like(x) if k < 3 else np.empty(x.shape, bool) for k in range(4)]
    module = Module(llvm.target())
    f = module.function("k", [*((word, PTR) for word in "xyabcd"), ("n", I64)])
    s = Emitter(f)

    def body(index: Any, mask: Any, _: Any) -> None:
        u, v = (f.load(vector(dtype, 4), p, index, mask) for p in f.arguments[:2])
        made = s.remainder(u, v), s.clamp(u, 1, 5), s.max(u, 0), s.compare(">", u, v)
        for value, place in zip(made, f.arguments[2:6]):
            f.store(value, place, index, mask)

    f.vectors(0, f.arguments[-1], 4, body)
    code = compiled(module, module.target)
    native = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 6, ctypes.c_int64)(code.address("k"))
    native(*(a.ctypes.data for a in [x, y, *found]), len(x))
    for a, b in zip(found, wanted):
        assert np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


def test_powers_that_are_products():
    module = Module(llvm.target())
    f = module.function("k", [("x", PTR)])
    s, x = Emitter(f), f.load(vector("float32", 4), f.arguments[0])
    for power in (2, 0.5, 3, -1, 1, -2, -0.5):
        s.pow(x, power)
    s.pow(x, f.constant(2.0, x.type))
    assert "rushlight_pow" not in module.text()
    s.pow(x, 2.25)
    assert "rushlight_pow" in module.text()
    assert compiled(module, module.target).address("k")
