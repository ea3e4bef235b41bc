"""The search for a product's plan: what it leaves out could not have been the cheapest."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest

from rushlight.compile.code import llvm
from rushlight.compile.code.emit import vector
from rushlight.compile.products import gemm_search as search
from rushlight.compile.products.gemm_plan import Gemm, Operand, Result

SIZES = [(1, 512, 1024), (32, 256, 256), (256, 10, 784), (10, 784, 256), (1120, 1024, 28)]
LAID = ["nn", "nt", "tn"]


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
    plans = [
        plan for shape in search._candidates(one, type, target) for plan in search._ways(shape)
    ]
    costs = [search._cost(plan, target, math.inf) for plan in plans]
    return search.replace(plans[costs.index(min(costs))], cost=min(costs))


@pytest.mark.parametrize("name", ["avx512", "avx2", "sse"])
def test_the_plan_is_the_cheapest_of_all(name):
    target = llvm.named(name)
    for size, laid, lined in itertools.product(SIZES, LAID, (False, True)):
        for uses in ((1, 1), (35, 1)):
            one = gemm(*size, laid, lined, uses)
            found = search.plan_gemm.__wrapped__(one, target)
            assert repr(found) == repr(counted(one, target))


@pytest.mark.parametrize("name", ["avx512", "avx2", "sse"])
def test_nothing_costs_less_than_what_it_is_sorted_by(name):
    target = llvm.named(name)
    for size, laid in itertools.product(SIZES, LAID):
        one = gemm(*size, laid, True, (1, 1))
        type = vector(one.sums, target.lanes(one.sums))
        for shape in search._candidates(one, type, target):
            least = search._least(shape, target)
            assert all(
                search._cost(plan, target, math.inf) >= least for plan in search._ways(shape)
            )
