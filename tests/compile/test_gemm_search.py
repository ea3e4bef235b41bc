"""The search for a product's plan: what it leaves out could not have been the cheapest."""

from __future__ import annotations

import itertools
import math
import re
from typing import Any

import pytest

from rushlight.compile.code import llvm
from rushlight.compile.code.emit import Module, vector
from rushlight.compile.products import gemm_search as search
from rushlight.compile.products.gemm import emit_gemm
from rushlight.compile.products.gemm_plan import Gemm, Operand, Result

SIZES = [(1, 512, 1024), (32, 256, 256), (256, 10, 784), (10, 784, 256), (1120, 1024, 28)]
LAID = ["nn", "nt", "tn"]
NAMES = ["avx512", "zen5", "avx2", "sse"]


def named(name: str) -> Any:
    """A set of instructions, or AVX-512 as one processor has it."""
    if name == "zen5":
        return search.replace(llvm.named("avx512"), cpu="znver5")
    return llvm.named(name)


def gemm(m: int, n: int, terms: int, laid: str, lined: bool, uses: tuple[int, int]) -> Gemm:
    a = (1, (m,)) if laid[0] == "t" else (terms, (1,))
    b = (terms, (1,)) if laid[1] == "t" else (1, (n,))
    left, right = (
        Operand(slot=slot, free=free, inner=inner, batch=(), offset=0, lined=lined)
        for slot, (free, inner) in enumerate((a, b))
    )
    return Gemm(m=m, n=n, k=(terms,), a=left, b=right,
                c=Result(slot=2, row=n, col=1, batch=(), offset=0), batch=(), dtype="float32",
                accumulate=False, uses=uses, ready=(None, None))  # fmt: skip


def counted(one: Gemm, target: Any) -> Any:
    """The cheapest of all plans, each counted to its end."""
    type = vector(one.sums, target.lanes(one.sums))
    shapes = search._candidates(one, type, target)
    plans = [plan for shape in shapes for plan in search._ways(shape, target)]
    costs = [search._cost(plan, target, math.inf) for plan in plans]
    return search.replace(plans[costs.index(min(costs))], cost=min(costs))


@pytest.mark.parametrize("name", NAMES)
def test_the_plan_is_the_cheapest_of_all(name):
    target = named(name)
    for size, laid, lined in itertools.product(SIZES, LAID, (False, True)):
        for uses in ((1, 1), (35, 1)):
            one = gemm(*size, laid, lined, uses)
            found = search.plan_gemm.__wrapped__(one, target)
            assert repr(found) == repr(counted(one, target))


@pytest.mark.parametrize("name", NAMES)
def test_nothing_costs_less_than_what_it_is_sorted_by(name):
    target = named(name)
    for size, laid in itertools.product(SIZES, LAID):
        one = gemm(*size, laid, True, (1, 1))
        type = vector(one.sums, target.lanes(one.sums))
        for shape in search._candidates(one, type, target):
            least, ways = search._least(shape, target), search._ways(shape, target)
            assert all(search._cost(plan, target, math.inf) >= least for plan in ways)


def test_where_the_second_cache_keeps_up_less_is_packed_and_passes_are_longer():
    gates = gemm(768, 256, 1120, "tn", True, (1, 1))  # a gradient over 35 steps of 32 rows
    plans = [search.plan_gemm(gates, named(name)) for name in ("avx512", "zen5")]
    assert [plan.packs_x for plan in plans] == ["tiles", ""]
    long = gemm(512, 128, 2048, "tn", True, (1, 1))
    assert [search.plan_gemm(long, named(name)).cut for name in ("avx512", "zen5")] == [128, 256]


@pytest.mark.parametrize("size, bytes, early", [
    ((512, 128, 2048), 2048, True),  # 4 MiB, most of which no cache has kept
    ((128, 128, 2048), 512, True),  # lines 512 bytes apart find room in L1
    ((256, 256, 1120), 1024, False),  # lines of a MiB 1024 bytes apart would not
])  # fmt: skip
def test_lines_that_may_come_from_memory_are_asked_for_early(
    size: tuple[int, int, int], bytes: int, early: bool
):
    module = Module(named("zen5"))
    emit_gemm(module, "k", gemm(*size, "tn", True, (1, 1)), module.target, scratch=3)
    asked = re.findall(r"prefetcht0 (\d+)\(%rdi\)", module.text())
    terms = {int(offset) // bytes for offset in asked}
    assert terms and all((term == 48) == early and term >= 8 for term in terms)
