"""Generated convolutions beside torch's on one thread, and their share of the FMA peak.

    python -m benchmarks.convolution [name ...] [y] [dx] [dw]

Directions: y forward, dx back to the input, dw back to the weight. Times are process time,
interleaved, medians; the peak is a loop of multiply-adds in the same run. GF/s are those of the
definition: by minimal filtering 3x3 layers do fewer, and may pass the peak.
"""

from __future__ import annotations

import math
import os
import sys
from typing import Any

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np

import rushlight
from benchmarks.gemm import peak
from benchmarks.timing import interleaved
from rushlight.compile.kernels.program import build
from rushlight.compile.lower.convolution import DATA, FORWARD, WEIGHT
from rushlight.compile.middle.graph import Graph, Node
from rushlight.compile.middle.lowering import lower

# images, groups, outputs and inputs per group, size, kernel, stride, padding
SHAPES = {
    "lenet 5x5 1-6 28": (256, 1, 6, 1, (28, 28), (5, 5), (1, 1), (2, 2)),
    "lenet 5x5 6-16 14": (256, 1, 16, 6, (14, 14), (5, 5), (1, 1), (0, 0)),
    "3x3 64 56": (16, 1, 64, 64, (56, 56), (3, 3), (1, 1), (1, 1)),
    "3x3 128 28": (16, 1, 128, 128, (28, 28), (3, 3), (1, 1), (1, 1)),
    "3x3 256 14": (16, 1, 256, 256, (14, 14), (3, 3), (1, 1), (1, 1)),
    "3x3 512 7": (16, 1, 512, 512, (7, 7), (3, 3), (1, 1), (1, 1)),
    "3x3 64 24": (32, 1, 64, 64, (24, 24), (3, 3), (1, 1), (1, 1)),
    "3x3 128 12": (32, 1, 128, 128, (12, 12), (3, 3), (1, 1), (1, 1)),
    "3x3 256 6": (32, 1, 256, 256, (6, 6), (3, 3), (1, 1), (1, 1)),
    "3x3 512 3": (32, 1, 512, 512, (3, 3), (3, 3), (1, 1), (1, 1)),
    "3x3/2 64-128 56": (16, 1, 128, 64, (56, 56), (3, 3), (2, 2), (1, 1)),
    "3x3/2 256-512 14": (16, 1, 512, 256, (14, 14), (3, 3), (2, 2), (1, 1)),
    "1x1 64-256 56": (16, 1, 256, 64, (56, 56), (1, 1), (1, 1), (0, 0)),
    "1x1/2 64-128 56": (16, 1, 128, 64, (56, 56), (1, 1), (2, 2), (0, 0)),
    "7x7/2 3-64 224": (4, 1, 64, 3, (224, 224), (7, 7), (2, 2), (3, 3)),
    "3x3 depthwise 64 56": (16, 64, 1, 1, (56, 56), (3, 3), (1, 1), (1, 1)),
    "1d 3 64 1000": (16, 1, 64, 64, (1, 1000), (1, 3), (1, 1), (0, 1)),
}
KINDS = {"y": FORWARD, "dx": DATA, "dw": WEIGHT}
LETTERS = {FORWARD: "xwy", DATA: "ywx", WEIGHT: "yxw"}
OPS = {FORWARD: "convolution", DATA: "convolution_data", WEIGHT: "convolution_weight"}


def shapes(case: Any) -> dict[str, tuple[int, ...]]:
    n, g, o, c, size, kernel, stride, pad = case
    out = [(h + 2 * p - k) // s + 1 for h, k, s, p in zip(size, kernel, stride, pad)]
    return {"x": (n, g * c, *size), "w": (g * o, c, *kernel), "y": (n, g * o, *out)}


def native(case: Any, kind: str) -> Any:
    """A call that computes one direction."""
    sizes, single = shapes(case), np.dtype(np.float32)
    a, b, result = LETTERS[kind]
    inputs = [Node("input", (), (name,), sizes[name], single) for name in (a, b)]
    params = (case[6], case[7], (1, 1), case[1])
    if kind != FORWARD:
        params = (sizes[result][2:], *params)
    node = Node(OPS[kind], inputs, params, sizes[result], single)
    program = build(lower(Graph(inputs, [node])))
    draw = np.random.default_rng(0).standard_normal
    arrays = [draw(sizes[name]).astype(np.float32) for name in (a, b)]
    out = [np.empty(sizes[result], np.float32)]
    return lambda: program.run(arrays, out)


def theirs(case: Any, kind: str) -> Any:
    """The same by torch; None where there is no torch."""
    try:
        import torch
    except ImportError:
        return None
    torch.set_num_threads(1)
    n, g, o, c, size, kernel, stride, pad = case
    sizes = shapes(case)
    x = torch.randn(n, g * c, *size)
    w = torch.randn(g * o, c, *kernel)
    y = torch.randn(n, g * o, *sizes["y"][2:])
    if kind == FORWARD:
        return lambda: torch.conv2d(x, w, None, stride, pad, 1, g)
    mask = [kind == DATA, kind == WEIGHT, False]
    back = torch.ops.aten.convolution_backward
    return lambda: back(y, x, w, None, stride, pad, (1, 1), False, (0, 0), g, mask)


def main() -> None:
    asked = sys.argv[1:]
    titles = [name for name in SHAPES if name in asked] or list(SHAPES)
    kinds = [kind for kind in KINDS if kind in asked] or list(KINDS)
    rushlight.set_num_threads(1)
    top, ratios = peak(), []
    print(f"{'layer':22} {'':3} {'rushlight':>9} {'of peak':>8} {'torch':>8}  GF/s")
    for title in titles:
        case = SHAPES[title]
        n, g, o, c, _, kernel, *_ = case
        flops = 2 * o * c * math.prod(kernel) * n * g * math.prod(shapes(case)["y"][2:])
        for word in kinds:
            calls = {"rushlight": native(case, KINDS[word]), "peak": top}
            other = theirs(case, KINDS[word])
            if other is not None:
                calls["torch"] = other
            found = interleaved(calls, rounds=5, seconds=0.02)
            most = top.flops / found.pop("peak")
            rates = {name: flops / seconds / 1e9 for name, seconds in found.items()}
            ours, them = rates["rushlight"], rates.get("torch", math.nan)
            ratios.append(ours / them)
            share = ours * 1e9 / most
            print(
                f"{title:22} {word:3} {ours:9.1f} {share:8.0%} {them:8.1f}  {ours / them:5.2f}x",
                flush=True,
            )
    print(f"geometric mean {math.exp(sum(map(math.log, ratios)) / len(ratios)):.2f}x")


if __name__ == "__main__":
    main()
