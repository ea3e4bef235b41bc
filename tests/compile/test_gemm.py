"""Generated products against NumPy in float64, on every instruction set this machine has."""

from __future__ import annotations

import ctypes
import itertools
import math
import mmap
import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rushlight.compile.records import replace

pytest.importorskip("llvmlite")
sys.path.insert(0, str(Path(__file__).parent))

from dots import contiguous, plan_dot

from rushlight.compile.code import llvm
from rushlight.compile.code.emit import Module, vector
from rushlight.compile.code.targets import SETS as KNOWN
from rushlight.compile.kernels.runtime import aligned
from rushlight.compile.products import gemm as products
from rushlight.compile.products import gemm_search
from rushlight.compile.products.gemm import Gemm, emit_gemm, plan_gemm, scratch_bytes
from rushlight.compile.products.gemm_plan import tile_shapes
from rushlight.compile.products.tiles import Tile, emit_tile, unrolled

# Sets whose code this LLVM makes; the tiles of x86-64 are assembly, which only its own takes.
# What avx512bf16 makes of float32 and float64 is what avx512 makes; pairs are in test_pairs.
SETS = [
    name for name in KNOWN
    if (name == "neon" or llvm.target().triple.startswith("x86_64")) and name != "avx512bf16"
]  # fmt: skip


def targets():
    """The sets that this processor can run."""
    if not llvm.available():
        return []
    found = []
    for name in SETS:
        try:
            found.append(llvm._chosen(name))
        except RuntimeError:
            continue
    return found or [llvm.target()]


TARGETS = {target.name: target for target in targets()}
each_target = pytest.mark.parametrize("name", TARGETS)


class Product:
    """A compiled product: `run` gives what lies in C after it."""

    def __init__(self, gemm: Gemm, target, epilogue=None, touched=()):
        self.gemm, module = gemm, Module(target)
        self.calls = emit_gemm(module, "product", gemm, target, 3, epilogue, (4, 5), touched)
        self.code = llvm.compile(module.text(), target) if self.calls else None
        self.scratch = aligned(scratch_bytes(gemm, target) + 64)
        self.scratch[:] = 0xFF  # NaN: what was not packed must not be read

    def run(self, *buffers, split=None, threads=1):
        """Each call in one piece, or in the pieces that `split(units)` gives, on some threads."""
        arrays = [*buffers[:3], self.scratch, *buffers[3:]]
        table = np.array([x.ctypes.data for x in arrays], np.int64)
        kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
        for call in self.calls:
            kernel = kind(self.code.address(call.name))
            pieces = split(call.units) if split else [(0, call.units)]
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(kernel, *zip(*((table.ctypes.data, *piece) for piece in pieces))))


def laid_out(rng, shape, order, dtype, gap=0):
    """An array whose axes lie in memory in `order`, with `gap` unused elements after each row."""
    sizes = [shape[axis] for axis in order]
    room = [*sizes[:-1], sizes[-1] + gap] if sizes else []
    base = aligned(max(1, math.prod(room)) * np.dtype(dtype).itemsize).view(dtype)
    base[:] = rng.standard_normal(base.size)
    whole = base[: math.prod(room)].reshape(room)
    view = whole[..., : sizes[-1]] if sizes else whole
    return base, view.transpose(np.argsort(order)) if sizes else view


def steps(array):
    return tuple(s // array.itemsize for s in array.strides)


def check(spec, a_shape, b_shape, target, dtype="float32", orders=(None, None), gaps=(0, 0),
          accumulate=False, epilogue=None, after=None, others=(), c_strides=None,
          touches=False):  # fmt: skip
    rng = np.random.default_rng(len(spec) + sum(a_shape) + 7 * sum(b_shape))
    left, right = (
        laid_out(rng, shape, order or range(len(shape)), dtype, gap)
        for shape, order, gap in zip((a_shape, b_shape), orders, gaps)
    )
    (a_base, a), (b_base, b) = left, right
    exact = np.einsum(spec, a.astype(np.float64), b.astype(np.float64))
    c_base = np.full(max(1, exact.size) if c_strides is None else 1 + sum(
        (n - 1) * s for n, s in zip(exact.shape, c_strides)), 0.25, dtype)  # fmt: skip
    strides = contiguous(exact.shape) if c_strides is None else c_strides
    c = np.lib.stride_tricks.as_strided(c_base, exact.shape, [s * c_base.itemsize for s in strides])
    gemm = plan_dot(spec, a.shape, steps(a), b.shape, steps(b), dtype, strides,
                    accumulate=accumulate)  # fmt: skip
    Product(gemm, target, epilogue, [gemm.c] * touches).run(a_base, b_base, c_base, *others)
    answer = c.copy()
    exact = exact + 0.25 if accumulate else exact
    exact = after(exact) if after else exact
    size = np.einsum(spec, abs(a).astype(np.float64), abs(b).astype(np.float64)) + 1
    if c_strides is not None:  # what lies between its elements is left alone
        c[...] = 0.25
        assert (c_base == 0.25).all()
        c[...] = answer
    worst = np.max(abs(c - exact) / (size + abs(exact)), initial=0)
    assert worst < 8 * np.finfo(dtype).eps, (worst, plan_gemm(gemm, target))
    return c


SIZES = [
    (1, 1, 1), (1, 1, 100), (10, 1, 2), (1, 37, 50), (41, 1, 19), (3, 5, 7), (16, 16, 16),
    (17, 33, 19), (64, 64, 32), (31, 10, 97), (10, 97, 31), (5, 5, 0), (29, 50, 1100),
    (29, 70, 1700),
]  # fmt: skip


@each_target
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_sizes_and_transposes(name, size):
    m, n, k = size
    for ta, tb, tc in itertools.product((False, True), repeat=3):
        a, b = ("ki" if ta else "ik"), ("jk" if tb else "kj")
        shape = {"i": m, "j": n, "k": k}
        check(
            f"{a},{b}->{'ji' if tc else 'ij'}", [shape[x] for x in a], [shape[x] for x in b],
            TARGETS[name], accumulate=ta and tb,
        )  # fmt: skip


@each_target
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("spec", [
    "bik,bkj->bij", "bik,bjk->bij", "bki,bkj->bij", "bhik,bhjk->bhij", "bik,kj->bij",
    "bsi,bso->io", "bi,bi->b", "bi,b->bi", "i,j->ij", "i,i->", "bshd,bthd->bhst",
    "bhst,bthd->bshd", "xik,kyj->xiyj", "abk,kcd->cadb",
])  # fmt: skip
def test_einsums(name, dtype, spec):
    sizes = dict(zip("bhikjsotdxyac", (3, 2, 9, 18, 21, 7, 11, 6, 5, 2, 3, 4, 2)))
    first, second = spec.split("->")[0].split(",")
    check(spec, [sizes[x] for x in first], [sizes[x] for x in second], TARGETS[name], dtype)


@each_target
def test_views_with_gaps_and_foreign_orders(name):
    for orders in itertools.product([(0, 1, 2), (1, 0, 2), (2, 1, 0), (0, 2, 1)], repeat=2):
        check("bik,bkj->bij", (3, 20, 35), (3, 35, 18), TARGETS[name], orders=orders, gaps=(3, 1))


@each_target
def test_a_result_with_steps_leaves_the_rest_alone(name):
    check("ik,kj->ij", (13, 9), (9, 21), TARGETS[name], c_strides=(50, 2))
    check("ik,kj->ij", (13, 9), (9, 21), TARGETS[name], c_strides=(50, 2), accumulate=True)


@each_target
def test_large_blocks_long_sums_and_collisions(name):
    for m, n, k in ((130, 300, 1029), (64, 1024, 1024), (200, 10, 784), (1024, 70, 64)):
        for a, b in (("ik", "kj"), ("ik", "jk"), ("ki", "kj")):
            shape = {"i": m, "j": n, "k": k}
            check(f"{a},{b}->ij", [shape[x] for x in a], [shape[x] for x in b], TARGETS[name])


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 40), st.integers(1, 40), st.integers(0, 40), st.integers(1, 3),
    st.sampled_from(["bik", "ikb", "kbi", "bki"]), st.sampled_from(["bkj", "jbk", "kj", "jk"]),
    st.sampled_from(["bij", "ijb", "jbi"]), st.sampled_from(sorted(TARGETS)), st.booleans(),
)  # fmt: skip
def test_random_products(m, n, k, batch, a, b, c, name, wide):
    shape = {"i": m, "j": n, "k": k, "b": batch}
    sizes = [[shape[x] for x in part] for part in (a, b)]
    check(f"{a},{b}->{c}", *sizes, TARGETS[name], "float64" if wide else "float32")


def biased(f, value, place):
    """max(value + bias[column], 0), and the sum before that to a further buffer."""
    kind = value.type
    bias = f.load(vector("ptr"), f.arguments[0], 4)
    kept = f.load(vector("ptr"), f.arguments[0], 5)
    if place.axis == "row":
        value = f.add(value, f.splat(f.load(kind.scalar, bias, place.col), kind.lanes))
    else:
        value = f.add(value, f.load(kind, bias, place.col, place.mask))
    if place.step == 1:
        f.store(value, kept, place.offset, place.mask)
    return f.intrinsic("maxnum", value, f.constant(0.0, kind))


@each_target
@pytest.mark.parametrize("spec", ["ik,kj->ij", "ik,jk->ij", "ki,kj->ij", "ki,kj->ji"])
@pytest.mark.parametrize(
    "size", [(33, 21, 40), (7, 100, 9), (40, 10, 300), (1, 30, 20), (90, 70, 1300)]
)
def test_epilogues_see_every_element_once(name, spec, size):
    shape = dict(zip("ijk", size))
    first, second = spec.split("->")[0].split(",")
    out = [shape[x] for x in spec.split("->")[1]]
    bias = np.arange(shape["j"], dtype=np.float32) - 3
    kept = np.full(out, np.nan, np.float32)
    wide = bias if spec.endswith("ij") else bias[:, None]
    sizes = [[shape[x] for x in part] for part in (first, second)]
    c = check(spec, *sizes, TARGETS[name], epilogue=biased,
              after=lambda y: np.maximum(y + wide, 0), others=(bias, kept))  # fmt: skip
    if not np.isnan(kept).all():
        np.testing.assert_array_equal(np.maximum(kept, 0), c)


@each_target
def test_an_epilogue_that_updates_in_place_runs_once(name):
    def update(f, value, place):
        old = f.load(value.type, f.load(vector("ptr"), f.arguments[0], 2), place.offset, place.mask)
        return f.sub(old, f.mul(value, f.constant(0.5, value.type)))

    for size in ((30, 50, 20), (20, 40, 1600), (270, 250, 150)):
        for spec in ("ki,kj->ij", "ki,kj->ji"):
            m, n, k = size
            check(spec, (k, m), (k, n), TARGETS[name], epilogue=update,
                  after=lambda y: 0.25 - 0.5 * y, touches=True)  # fmt: skip


@each_target
def test_panels_of_what_begins_anywhere_are_packed_where_they_are_used(name):
    target, draw = TARGETS[name], np.random.default_rng(5).standard_normal
    chosen = 0
    for m, n, k in ((270, 250, 150), (300, 128, 300), (250, 270, 220)):
        a, b = draw((k, m), np.float32), draw((k * n + 3,), np.float32)[3:].reshape(k, n)
        gemm = plan_dot("ki,kj->ij", a.shape, steps(a), b.shape, steps(b))
        gemm = replace(gemm, a=replace(gemm.a, lined=False), b=replace(gemm.b, lined=False))
        plan, c = plan_gemm(gemm, target), np.zeros((m, n), np.float32)
        chosen += plan.packs_near and plan.near_panel
        Product(gemm, target).run(a, b, c, threads=2, split=lambda n: [(0, 1), (1, n)])
        np.testing.assert_allclose(c, a.T @ b, rtol=1e-4, atol=1e-4)
    assert chosen or name != "avx512"


@each_target
def test_panels_for_later_tiles_are_asked_for(name):
    target, draw = TARGETS[name], np.random.default_rng(5).standard_normal
    asked = 0
    for m, n, k in ((9, 1030, 137), (32, 1030, 137), (40, 137, 1030)):
        a, b = draw((m, k), np.float32), draw((n, k), np.float32)
        gemm = plan_dot("ik,jk->ij", a.shape, steps(a), b.shape, steps(b))
        gemm = replace(gemm, uses=(1, 35))  # so that it is worth packing
        plan, c = plan_gemm(gemm, target), np.zeros((m, n), np.float32)
        module = Module(target)
        emit_gemm(module, "product", gemm, target, 3, shared=(4, 5))
        asked += "ptr %later" in module.text()
        packed = [aligned(plan.packed_bytes(part)) for part in (0, 1)]
        Product(gemm, target).run(a, b, c, *packed)
        np.testing.assert_allclose(c, a @ b.T, rtol=1e-4, atol=1e-4)
    assert asked


@each_target
def test_the_answer_does_not_depend_on_how_units_are_shared_out(name):
    rng = np.random.default_rng(3)
    for m, n, k in ((300, 200, 150), (130, 140, 1300)):
        a, b = (rng.standard_normal(s).astype(np.float32) for s in ((m, k), (n, k)))
        gemm = plan_dot("ik,jk->ij", a.shape, steps(a), b.shape, steps(b))
        product = Product(gemm, TARGETS[name])
        results = []
        for split in (
            None, lambda units: [(n, n + 1) for n in reversed(range(units))],
            lambda units: [(units // 2, units), (0, units // 2), (0, 0)],
        ):  # fmt: skip
            c = np.full((m, n), np.nan, np.float32)
            product.run(a, b, c, split=split, threads=4 if split else 1)
            results.append(c)
        assert results[0].tobytes() == results[1].tobytes() == results[2].tobytes()


def guarded(nbytes, kept=[]):  # noqa: B006  (what it keeps is meant to last)
    """Bytes that end where memory ends: what reads or writes past them does not survive."""
    page = mmap.PAGESIZE
    room = -(-nbytes // page) * page
    place = mmap.mmap(-1, room + page)
    kept.append(place)
    if os.name == "posix":
        end = ctypes.addressof(ctypes.c_char.from_buffer(place)) + room
        assert ctypes.CDLL(None).mprotect(ctypes.c_void_p(end), ctypes.c_size_t(page), 0) == 0
    return np.frombuffer(place, np.uint8, nbytes, room - nbytes)


@each_target
@pytest.mark.parametrize("size", [(3, 5, 7), (17, 33, 19), (10, 97, 31), (29, 50, 1600)], ids=str)
def test_nothing_outside_the_operands_is_touched(name, size):
    rng, shape = np.random.default_rng(1), dict(zip("ijk", size))
    for a, b, c in itertools.product(("ik", "ki"), ("kj", "jk"), ("ij", "ji")):
        arrays = []
        for letters in (a, b, c):
            sizes = [shape[x] for x in letters]
            array = guarded(4 * math.prod(sizes)).view(np.float32).reshape(sizes)
            array[...] = rng.standard_normal(sizes)
            arrays.append(array)
        x, y, z = arrays
        gemm = plan_dot(f"{a},{b}->{c}", x.shape, steps(x), y.shape, steps(y))
        product = Product(gemm, TARGETS[name])
        product.scratch = guarded(max(1, scratch_bytes(product.gemm, TARGETS[name])))
        product.run(x, y, z)
        exact = np.einsum(f"{a},{b}->{c}", x.astype(np.float64), y.astype(np.float64))
        np.testing.assert_allclose(z, exact, rtol=1e-4, atol=1e-4)


def test_special_values_pass_through():
    a, b = np.ones((5, 9), np.float32), np.ones((9, 20), np.float32)
    a[1, 3], b[2, 4], a[4, 0] = np.nan, np.inf, 1e-42
    c = np.zeros((5, 20), np.float32)
    Product(plan_dot("ik,kj->ij", a.shape, steps(a), b.shape, steps(b)), llvm.target()).run(a, b, c)
    np.testing.assert_array_equal(c, a @ b)


def tile_of(target, dtype, rows, vectors, inner, cut, asks=0, keeps=False):
    kind = vector(dtype, target.lanes(dtype))
    w = kind.lanes
    y = tuple(n * 500 for n in range(vectors)) if inner else tuple(range(0, vectors * w, w))
    out = tuple(n * vectors * w for n in range(rows)), tuple(range(0, vectors * w, w))
    x = tuple(n * 504 for n in range(rows))
    loops = ((512, 1, 1 if inner else vectors * w),)
    unroll = unrolled(kind, vectors, rows, keeps)
    return Tile(kind, x, y, loops, out, unroll, inner=inner, cut=cut, adds=cut,
                asks=asks, onward=w * bool(asks), free=bool(asks))  # fmt: skip


def unsaved(target):
    """The target on a system that has functions keep no vectors for who calls them; Windows has."""
    machine = target.triple.split("-")[0]
    return replace(target, triple=f"{machine}-unknown-linux-gnu")


def spills(assembly):
    """References to the stack other than saving general registers."""
    x86, arm = r"v?mov\w*p[sd].*\((?:%rsp|%rbp)\)", r"(?:ld|st)[pu]?r?\s+q\d+.*\[sp\b"
    return re.findall(rf"^\s+(?:{x86}|{arm})", assembly, re.M)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("name", "inner"),  # LLVM saves ten registers of a column of 29 inner sums on ARM
    [case for case in itertools.product(SETS, [False, True]) if case != ("neon", True)],
)
def test_no_tile_spills(name, dtype, inner):
    target = unsaved(llvm.named(name))
    module = Module(target)
    width = 0 if inner else target.lanes(dtype)
    for rows, vectors in tile_shapes(target.registers, target.fma, width):
        for cut, asks in ((False, 0),) if inner else ((False, 0), (True, 0), (False, 2)):
            tile = tile_of(target, dtype, rows, vectors, inner, cut, asks)
            title = f"tile_{rows}x{vectors}{'_cut' * cut}{'_asks' * asks}"
            emit_tile(module, title, tile)
            if target.bits == 256 and not inner:
                tile = tile_of(target, dtype, rows, vectors, inner, cut, asks, keeps=True)
                emit_tile(module, f"{title}_keeps", tile, keeps=vectors * width)
    text = module.text().replace("define internal", "define")
    parts = re.split(r"^(tile_\w+):", llvm.assembly(text, target), flags=re.M)[1:]
    found = {title: len(spills(body)) for title, body in zip(parts[::2], parts[1::2])}
    assert len(found) == len(module.functions)
    assert {title: count for title, count in found.items() if count} == {}


@each_target
@pytest.mark.parametrize("spec", ["ik,kj->ij", "ik,jk->ij", "ki,kj->ij", "ik,kj->ji"])
def test_tall_products_pass_all_panels_tile_by_tile(name, spec):
    size = {"i": 701, "j": 131, "k": 21}
    shapes = [tuple(size[x] for x in part) for part in spec.split("->")[0].split(",")]
    check(spec, *shapes, TARGETS[name])
    gemm = plan_dot(spec, shapes[0], contiguous(shapes[0]), shapes[1], contiguous(shapes[1]))
    assert plan_gemm(gemm, TARGETS[name]).by_rows or "ji" in spec


@pytest.mark.skipif("avx2" not in TARGETS, reason="this processor has no AVX2")
@pytest.mark.parametrize("size", [(32, 300, 256), (33, 87, 130), (64, 40, 31), (130, 100, 90)])
@pytest.mark.parametrize("spec", ["ik,kj->ij", "ki,kj->ij", "bik,bkj->bij", "ik,kj->ji"])
@pytest.mark.parametrize("vectors", [2, 3])
def test_first_tiles_pack_panels_for_the_others(spec, size, vectors, monkeypatch):
    target, shape, kept, passes = TARGETS["avx2"], {**dict(zip("ijk", size)), "b": 3}, [], 0
    shapes = [tuple(shape[x] for x in part) for part in spec.split("->")[0].split(",")]
    cheapest = gemm_search.plan_gemm

    def forced(gemm, target):
        found = replace(cheapest(gemm, target), swapped=False, inner=False, packs_y=True)
        found = replace(found, cut=passes, rows=12 // vectors, vectors=vectors)
        kept.append(found.keeps)
        return found

    monkeypatch.setattr(products, "plan_gemm", forced)
    for cut, gap in ((0, 0), (0, 900), (11, 900)):
        passes = cut
        check(spec, *shapes, target, accumulate=gap == 0, gaps=(0, gap))
    check(spec, *shapes, target, epilogue=lambda f, v, place: f.mul(v, 2.0),
          after=lambda y: 2 * y, gaps=(0, 900))  # fmt: skip
    assert all(kept)


@each_target
@pytest.mark.parametrize("size", [(1, 1000, 300), (1, 130, 64), (700, 1, 65)])
def test_one_row_goes_along_the_other_factor_a_few_rows_at_a_time(name, size):
    m, n, k = size
    target, spec = TARGETS[name], "ik,kj->ij" if m == 1 else "ki,kj->ij"
    shapes = [(m, k) if m == 1 else (k, m), (k, n)]
    check(spec, *shapes, target, accumulate=m == 1)
    plan = plan_gemm(plan_dot(spec, shapes[0], contiguous(shapes[0]), shapes[1],
                              contiguous(shapes[1])), target)  # fmt: skip
    assert plan.x_size == 1 or name != "avx2"
    assert (plan.cut, plan.packs_y) == (8, False) or name != "avx2"


@each_target
def test_results_in_long_rows_are_written_in_long_runs(name):
    target = TARGETS[name]
    check("ki,kj->ij", (16, 61), (16, 4500), target)
    gemm = plan_dot("ki,kj->ij", (16, 61), (61, 1), (16, 4500), (4500, 1))
    plan = plan_gemm(gemm, target)
    assert plan.along and not plan.swapped


@each_target
def test_operands_that_lie_term_by_term_are_packed_by_tiles(name):
    target = TARGETS[name]
    gemm = plan_dot("ki,kj->ij", (1100, 1024), (1024, 1), (1100, 256), (256, 1))
    assert plan_gemm(gemm, target).x_panels
    check("ki,kj->ij", (1100, 1024), (1100, 256), target)


@pytest.mark.parametrize("copies", ["", "rows", "tiles"])
@pytest.mark.parametrize("spec", ["ik,kj->ij", "ki,jk->ij", "bik,kj->bji"])
def test_all_copies_of_rows_give_the_same_product(copies, spec, monkeypatch):
    target = llvm.target()
    size = {"b": 3, "i": 29, "k": 70, "j": 201}  # two heights of tiles, a smaller last panel
    shapes = [tuple(size[x] for x in part) for part in spec.split("->")[0].split(",")]
    cheapest = gemm_search.plan_gemm

    def forced(gemm, target):
        found = replace(cheapest(gemm, target), packs_x=copies, inner=False, swapped=False)
        width = found.type.lanes
        return replace(found, rows=8, vectors=2, packs_y=found.y.free != 1 or width < 8)

    monkeypatch.setattr(products, "plan_gemm", forced)
    check(spec, *shapes, target, accumulate=True, gaps=(5, 0))


def test_small_products_need_no_scratch_and_few_kernels():
    target = llvm.target()
    gemm = plan_dot("ik,kj->ij", (10, 2), (2, 1), (2, 1), (1, 1))
    assert scratch_bytes(gemm, target) == 0
    assert len(emit_gemm(Module(target), "k", gemm, target)) == 1
    assert (
        emit_gemm(
            Module(target), "k", plan_dot("ik,kj->ij", (0, 2), (2, 1), (2, 5), (5, 1)), target
        )
        == []
    )
