"""bfloat16 where the processor has AVX512-BF16, beside float32 and torch, on one thread.

    python -m benchmarks.bfloat16 [products] [convolutions] [steps]

Rates are of whole compiled programs on arrays that are bfloat16 already: words of two terms are
written in each call. Steps are those of `cases.py` under autocast. `words` is
RUSHLIGHT_CPU=avx512bf16, `plain` the processor's own set, which computes bfloat16 in float32.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np
import torch

import rushlight as rl
from benchmarks.cases import CASES, initial
from benchmarks.timing import interleaved

PRODUCTS = """
    1024x1024x1024:nn 1024x1024x1024:nt 1024x1024x1024:tn 252x256x784:nn 256x784x256:tn
    2048x512x128:nt 2048x128x512:nt 512x128x2048:tn 128x512x2048:tn 384x128x2048:tn
    32x256x256:nt 32x1024x256:nt 128*64x64x32:nt 128*64x32x64:nn
""".split()
CONVOLUTIONS = [  # images, channels, size, result's channels, kernel, stride, padding
    (32, 64, 24, 64, 3, 1, 1), (32, 64, 24, 128, 3, 2, 1), (32, 128, 12, 128, 3, 1, 1),
    (32, 256, 6, 256, 3, 1, 1), (32, 512, 3, 512, 3, 1, 1), (8, 64, 56, 64, 3, 1, 1),
    (8, 128, 28, 128, 3, 1, 1), (8, 256, 14, 256, 3, 1, 1), (8, 512, 7, 512, 3, 1, 1),
    (32, 3, 64, 64, 7, 2, 3), (256, 6, 14, 16, 5, 1, 0), (32, 64, 28, 96, 5, 1, 2),
]  # fmt: skip
STEPS = "c g lstm lenet e".split()


def using(words: bool) -> None:
    """Which instructions are taken by what is compiled from now on."""
    os.environ["RUSHLIGHT_CPU"] = "avx512bf16" if words else "native"


def arrays(*shapes: tuple[int, ...]) -> list[np.ndarray]:
    draw = np.random.default_rng(0).standard_normal
    return [draw(shape).astype(np.float32) for shape in shapes]


def contenders(make: Callable[[Any], Callable[..., Any]], values: list[np.ndarray]) -> Any:
    """Calls by name of what `make(rl)` and `make(torch)` compute."""
    found: dict[str, Callable[[], Any]] = {}
    for name, t, half, words in (
        ("float32", rl, False, False), ("plain", rl, True, False), ("words", rl, True, True),
        ("torch", torch, False, False), ("torch bfloat16", torch, True, False),
    ):  # fmt: skip
        using(words)
        given = [t.from_numpy(x.copy()) for x in values]
        given = [x.bfloat16() for x in given] if half else given
        call = rl.compile(make(t)) if t is rl else make(t)
        for _ in range(2):
            call(*given)
        found[name] = lambda call=call, given=given: call(*given)
    return found


def told(title: str, calls: dict[str, Callable[[], Any]], work: float) -> None:
    """A row: GF/s of each contender; and how much faster words are."""
    times = interleaved(calls, rounds=5, seconds=0.01)
    rates = " ".join(f"{work / seconds / 1e9:14.1f}" for seconds in times.values())
    more = times["float32"] / times["words"], times["torch bfloat16"] / times["words"]
    print(f"{title:28} {rates}   {more[0]:6.2f} {more[1]:6.2f}", flush=True)


def head(title: str) -> None:
    names = "".join(f"{n:>15}" for n in ("float32", "plain", "words", "torch", "torch bfloat16"))
    print(f"{title:28}{names}   over float32, torch's bfloat16")


def products() -> None:
    head("products, GF/s")
    for text in PRODUCTS:
        size, _, kind = text.partition(":")
        first, _, rest = size.rpartition("*")
        m, n, k = map(int, rest.split("x"))
        batch = (int(first),) if first else ()
        shapes = (k, m) if kind[0] == "t" else (m, k), (n, k) if kind[1] == "t" else (k, n)

        def make(_: Any, kind: str = kind) -> Callable[..., Any]:
            return lambda x, y: (x.mT if kind[0] == "t" else x) @ (y.mT if kind[1] == "t" else y)

        values = arrays(*((*batch, *shape) for shape in shapes))
        told(text, contenders(make, values), 2.0 * m * n * k * (batch or (1,))[0])


def convolutions() -> None:
    head("convolutions, GF/s")
    for images, c, size, o, kernel, stride, padding in CONVOLUTIONS:
        out = (size + 2 * padding - kernel) // stride + 1
        shapes = (images, c, size, size), (o, c, kernel, kernel), (images, o, out, out)

        def make(t: Any, at: Any = (stride, padding), shapes: Any = shapes) -> Any:
            conv = t.nn.functional.conv2d

            def gradient(place: int) -> Callable[..., Any]:
                def of(x: Any, w: Any, g: Any) -> Any:
                    if t is torch and place:  # without the result
                        return torch.nn.grad.conv2d_weight(x, shapes[1], g, *at)
                    if t is torch:
                        return torch.nn.grad.conv2d_input(shapes[0], w, g, *at)
                    wanted = (x, w)[place].detach().requires_grad_()
                    given = (x, wanted) if place else (wanted, w)
                    return t.autograd.grad(conv(*given, None, *at), wanted, g)

                return of

            ways = {"data": gradient(0), "weight": gradient(1)}
            return {"forward": lambda x, w, g: conv(x, w, None, *at), **ways}

        for way in ("forward", "data", "weight"):
            title = f"{images}*{c}x{size}x{size}:{o} {kernel}/{stride} {way}"
            work = 2.0 * images * c * o * kernel**2 * out**2
            told(title, contenders(lambda t, way=way: make(t)[way], arrays(*shapes)), work)


def step(t: Any, name: str, half: bool) -> Callable[[], Any]:
    """A training step of a case, under autocast where `half`."""
    case = CASES[name]
    model = case.model(t)
    weights = list(model.parameters())
    with t.no_grad():
        for weight, value in zip(weights, initial(case), strict=True):
            weight.copy_(t.from_numpy(value))
    optimizer = t.optim.SGD(weights, lr=0.01)
    x, y = map(t.from_numpy, case.data())
    criterion = getattr(t.nn.functional, case.loss)

    def run(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        with t.autocast("cpu", dtype=t.bfloat16, enabled=half):
            loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    call = rl.compile(run) if t is rl else run
    for _ in range(3):
        call(x, y)
    return lambda: call(x, y)


def steps() -> None:
    names = "".join(f"{n:>15}" for n in ("float32", "plain", "words", "torch", "torch autocast"))
    print(f"{'training steps, us':28}{names}   over float32, torch's autocast")
    for name in STEPS:
        calls = {}
        for title, t, half, words in (
            ("float32", rl, False, False), ("plain", rl, True, False), ("words", rl, True, True),
            ("torch", torch, False, False), ("torch autocast", torch, True, False),
        ):  # fmt: skip
            using(words)
            calls[title] = step(t, name, half)
        times = interleaved(calls, rounds=5, seconds=0.05)
        row = " ".join(f"{seconds * 1e6:14.1f}" for seconds in times.values())
        more = times["float32"] / times["words"], times["torch autocast"] / times["words"]
        print(f"{CASES[name].title[:28]:28} {row}   {more[0]:6.2f} {more[1]:6.2f}", flush=True)


def main() -> None:
    torch.set_num_threads(1)
    parts = {"products": products, "convolutions": convolutions, "steps": steps}
    for name in sys.argv[1:] or parts:
        parts[name]()


if __name__ == "__main__":
    main()
