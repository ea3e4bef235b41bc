"""Generated products beside NumPy (OpenBLAS) and torch on one thread, and the share of FMA peak.

    python -m benchmarks.gemm [shape ...]      e.g. 252x256x784:nn 32x1024x256:nt

A shape is rows x columns x terms, with an optional batch in front (128*64x64x32) and which operand
is stored the other way round: nn, nt (B as rows of terms: x @ W.T), tn (A so: X.T @ g).
Times are process time, interleaved, medians; peak is a loop of multiply-adds in the same run.
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Any

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np

from benchmarks.timing import interleaved
from rushlight.compile.code import llvm
from rushlight.compile.code.emit import F32, I64, PTR, VOID, Module, constant
from rushlight.compile.kernels.runtime import aligned
from rushlight.compile.products import gemm as products
from rushlight.compile.products.gemm import Gemm, Operand, Result

SHAPES = """
    1024x1024x1024:nn 1024x1024x1024:nt 1024x1024x1024:tn 252x256x784:nn 256x256x784:nt
    256x784x256:tn 256x10x784:nt 256x10x784:nn 10x784x256:tn 784x10x256:tn 256x256x10:nn
    32x256x256:nn 32x256x256:nt 32x1024x256:nn 32x1024x256:nt 1024x256x32:tn
    128*64x64x32:nt 128*64x32x64:nn 128*64x32x64:tn 2048x128x128:nt 128x128x2048:tn
    2048x512x128:nt 1x1024x1024:nt 1x1024x1024:nn 10x1x2:nn
""".split()


def arrays(batch: int, m: int, n: int, k: int, kind: str) -> tuple[np.ndarray, ...]:
    """A, B, C as they lie in memory."""
    draw = np.random.default_rng(0).standard_normal
    shapes = [(k, m) if kind[0] == "t" else (m, k), (n, k) if kind[1] == "t" else (k, n), (m, n)]
    found = []
    for shape in shapes:
        values = draw((batch, *shape)).astype(np.float32)
        place = aligned(values.nbytes).view(np.float32).reshape(values.shape)
        place[...] = values
        found.append(place)
    return tuple(found)


def spec(batch: int, m: int, n: int, k: int, kind: str) -> Gemm:
    a = Operand(0, *((1, (m,)) if kind[0] == "t" else (k, (1,))), (m * k,))
    b = Operand(1, *((k, (1,)) if kind[1] == "t" else (1, (n,))), (n * k,))
    return Gemm(m, n, (k,), a, b, Result(2, n, 1, (m * n,)), (batch,))


def native(gemm: Gemm, operands: tuple[np.ndarray, ...]) -> tuple[Any, int]:
    """A call that computes C `count` times, and the address of the table it wants."""
    target = llvm.target()
    module = Module(target)
    calls = products.emit_gemm(module, "product", gemm, target, 3)
    f = module.function("repeat", [("table", PTR), ("count", I64)])
    with f.loop(0, f.arguments[1]):
        for call in calls:
            units = constant(call.units, I64)
            f.call(call.name, VOID, f.arguments[0], constant(0, I64), units)
    code = llvm.compile(module.text())
    scratch = aligned(products.scratch_bytes(gemm, target) + 64)
    table = np.array([x.ctypes.data for x in (*operands, scratch)], np.int64)
    run = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(code.address("repeat"))
    run.keep = (code, scratch, table, operands)
    return run, table.ctypes.data


def peak() -> Any:
    """A call that does 2 * 24 * lanes * 10000 multiply-adds, and nothing else."""
    target = llvm.target()
    lanes = target.lanes(np.float32)
    module, count = Module(target), 24 if target.registers > 16 else 12
    f = module.function("peak", [("data", PTR)])
    x = f.load(F32.wide(lanes), f.arguments[0])
    zeros = [constant(0.0, x.type)] * count
    with f.loop(0, 20000, carry=zeros) as loop:
        loop.next(*(f.fma(x, x, sums) for sums in loop.carried))
    total = loop.results[0]
    for sums in loop.results[1:]:
        total = f.add(total, sums)
    f.store(total, f.arguments[0])
    code = llvm.compile(module.text())
    data = aligned(64)
    run = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(code.address("peak"))

    def call() -> None:
        data[:] = 0
        run(data.ctypes.data)

    call.flops = 20000 * count * lanes * 2
    call.keep = code
    return call


def contenders(text: str) -> tuple[dict[str, Any], float, Gemm, int]:
    size, _, kind = text.partition(":")
    first, _, rest = size.rpartition("*")
    m, n, k = map(int, rest.split("x"))
    kind, batch = kind or "nn", int(first or 1)
    a, b, c = arrays(batch, m, n, k, kind)
    gemm = spec(batch, m, n, k, kind)
    run, table = native(gemm, (a, b, c))
    x = a.swapaxes(1, 2) if kind[0] == "t" else a
    y = b.swapaxes(1, 2) if kind[1] == "t" else b
    run(table, 1)
    exact = x.astype(np.float64) @ y.astype(np.float64)
    if not np.allclose(c, exact, rtol=1e-4, atol=1e-4 * np.abs(exact).max()):
        raise AssertionError(f"{text}: wrong by {np.abs(c - exact).max()}")
    times = max(1, int(2e5 / gemm.flops))
    calls = {"rushlight": lambda: run(table, times)}
    out = np.empty_like(c)
    single = (x[0], y[0], out[0]) if batch == 1 else (x, y, out)

    def repeat(call: Any) -> Any:
        return call if times == 1 else lambda: [call() for _ in range(times)]

    calls["numpy"] = repeat(lambda: np.matmul(single[0], single[1], out=single[2]))
    try:
        import torch
    except ImportError:
        return calls, gemm.flops * times, gemm, times
    torch.set_num_threads(1)
    tensors = [torch.from_numpy(z) for z in single]
    calls["torch"] = repeat(lambda: torch.matmul(tensors[0], tensors[1], out=tensors[2]))
    return calls, gemm.flops * times, gemm, times


def main() -> None:
    top = peak()
    print(f"{'shape':22} {'rushlight':>10} {'of peak':>8} {'numpy':>8} {'torch':>8}   GF/s (us)")
    for text in sys.argv[1:] or SHAPES:
        calls, flops, gemm, times = contenders(text)
        found = interleaved({**calls, "peak": top}, rounds=7, seconds=0.01)
        most = top.flops / found.pop("peak")
        rates = {name: flops / seconds / 1e9 for name, seconds in found.items()}
        plan = products.plan_gemm(gemm, llvm.target())
        way = f"{'inner' if plan.inner else 'outer'} {plan.rows}x{plan.vectors}"
        way += f"{' swapped' * plan.swapped}{' turned' * plan.turned}{' packs-y' * plan.packs_y}"
        way += f"{f' packs-x by {plan.packs_x}' * bool(plan.packs_x)}"
        way += f"{f' cut {plan.cut}' * bool(plan.cut)}"
        share = rates["rushlight"] * 1e9 / most
        numbers = " ".join(f"{rates.get(name, 0):8.1f}" for name in ("numpy", "torch"))
        each = found["rushlight"] / times * 1e6
        ours = f"{rates['rushlight']:10.1f} {share:8.0%}"
        print(f"{text:22} {ours} {numbers}  {each:9.2f}  {way}", flush=True)


if __name__ == "__main__":
    main()
