"""What transforms cost beside the plain function, beside torch.func, and beside jax if installed.

Run: python benchmarks/differentiation_func.py
"""

from __future__ import annotations

import functools
import importlib.util
import os
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from time import process_time as clock
from typing import Any

os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from timing import interleaved, settle

import rushlight as rl


def best(runs: dict[Any, Callable[[], Any]], seconds: float = 0.4) -> dict[Any, float]:
    """The shortest of many runs of each, in seconds of processor time, about `seconds` for each.

    They take short turns: a neighbour on the processor changes its speed within seconds, and what
    is divided by each other must have seen the same.
    """
    shortest = dict.fromkeys(runs, float("inf"))
    for function in runs.values():
        function()
    for _ in range(20):
        for name, function in runs.items():
            end, times = clock() + seconds / 20, 0
            while clock() < end or times < 2:
                start = clock()
                function()
                shortest[name], times = min(shortest[name], clock() - start), times + 1
    return shortest


def numbers(package: Any, *shape: int, seed: int = 0) -> Any:
    values = np.random.default_rng([seed, *shape]).standard_normal(shape).astype(np.float32)
    return package.from_numpy(values)


def functions(t: Any) -> dict[str, tuple[Callable[..., Any], Any]]:
    """Functions of one tensor and a point for each, small (overhead) and large (arithmetic)."""
    found: dict[str, tuple[Callable[..., Any], Any]] = {}
    for name, rows, width in (("small", 8, 32), ("large", 256, 512)):
        w1, w2 = numbers(t, width, width) * 0.1, numbers(t, width, 10, seed=1) * 0.1

        def mlp(x: Any, w1: Any = w1, w2: Any = w2) -> Any:
            return (((x @ w1).tanh() @ w1).tanh() @ w2).log_softmax(-1).sum()

        def wave(x: Any) -> Any:
            return (x.sin() * x.exp()).sum() + (x * x + 1).sqrt().sum()

        found[f"mlp, {name}"] = mlp, numbers(t, rows, width, seed=2)
        found[f"elementwise, {name}"] = wave, numbers(t, rows, width, seed=3)
    kernel = numbers(t, 16, 8, 3, 3) * 0.1

    def conv(x: Any) -> Any:
        y = t.nn.functional.conv2d(x, kernel, padding=1).relu()
        return t.nn.functional.max_pool2d(y, 2).sum()

    found["convolution"] = conv, numbers(t, 8, 8, 32, 32)
    return found


def pushed() -> dict[str, Callable[[], Any]]:
    """Forward mode of tiny functions and of recurrent layers, ours alone: torch's LSTM has none."""
    found: dict[str, Callable[[], Any]] = {}

    def both(name: str, function: Callable[..., Any], x: Any, t: Any) -> None:
        found[f"{name}: f"] = lambda: function(x)
        found[f"{name}: jvp"] = lambda: rl.func.jvp(function, (x,), (t,))

    for count in (3, 16, 64):
        x = numbers(rl, count)
        both(f"elementwise, {count} numbers", lambda x: (x.sin() * x).sum() + (x * x).sum(), x, x)
    for kind in (rl.nn.RNN, rl.nn.LSTM, rl.nn.GRU):
        layer, x = kind(64, 128), numbers(rl, 35, 32, 64)
        weights = {name: w.detach() for name, w in layer.named_parameters()}

        def run(weights: Any, x: Any = x, layer: Any = layer) -> Any:
            return rl.func.functional_call(layer, weights, (x,))[0]

        both(f"nn.{kind.__name__} by x", functools.partial(run, weights), x, x)
        both(f"nn.{kind.__name__} by weights", run, weights, weights)
    return found


def fifty(t: Any) -> tuple[Callable[..., Any], Any]:
    """A scalar function of 50 parameters: a small network's loss on 100 rows."""
    x, y = numbers(t, 100, 9), (numbers(t, 100, seed=1) > 0).float()

    def loss(p: Any) -> Any:
        h = t.tanh(x @ p[:36].reshape(9, 4) + p[36:40])
        scores = h @ p[40:44] + p[44]
        return t.nn.functional.binary_cross_entropy_with_logits(scores, y) + (p[45:] ** 2).sum()

    return loss, numbers(t, 50, seed=2)


def everything(t: Any) -> dict[str, Callable[[], Any]]:
    """What is measured of one package, by name."""
    f, found = t.func, {}
    for name, (function, x) in functions(t).items():
        for what, run in {
            "f": function, "jvp": lambda x, g=function: f.jvp(g, (x,), (x,)),
            "grad": f.grad(function),
            "hvp": lambda x, g=function: f.jvp(f.grad(g), (x,), (x,)),
        }.items():  # fmt: skip
            found[f"{name}: {what}"] = functools.partial(run, x)
    loss, p = fifty(t)
    batch = t.stack([p * i for i in range(64)])
    return found | {
        "50 parameters: f": lambda: loss(p),
        "50 parameters: grad": lambda: f.grad(loss)(p),
        "50 parameters: hvp": lambda: f.jvp(f.grad(loss), (p,), (p,)),
        "50 parameters: hessian": lambda: f.hessian(loss)(p),
        "50 parameters: 64 gradients": lambda: f.vmap(f.grad(loss))(batch),
        "50 parameters: 64 in a loop": lambda: [f.grad(loss)(one) for one in batch],
    }


def in_jax() -> dict[str, tuple[Callable[..., Any], Any]]:
    """The same functions for jax, with their points."""
    import jax
    import jax.numpy as jnp

    def array(*shape: int, seed: int = 0) -> Any:
        return jnp.asarray(numbers(rl, *shape, seed=seed).numpy())

    found: dict[str, tuple[Callable[..., Any], Any]] = {}
    for name, rows, width in (("small", 8, 32), ("large", 256, 512)):
        w1, w2 = array(width, width) * 0.1, array(width, 10, seed=1) * 0.1

        def mlp(x: Any, w1: Any = w1, w2: Any = w2) -> Any:
            return jax.nn.log_softmax(jnp.tanh(jnp.tanh(x @ w1) @ w1) @ w2, -1).sum()

        def wave(x: Any) -> Any:
            return (jnp.sin(x) * jnp.exp(x)).sum() + jnp.sqrt(x * x + 1).sum()

        found[f"mlp, {name}"] = mlp, array(rows, width, seed=2)
        found[f"elementwise, {name}"] = wave, array(rows, width, seed=3)
    kernel = array(16, 8, 3, 3) * 0.1

    def conv(x: Any) -> Any:
        y = jnp.maximum(jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME"), 0)
        window = (1, 1, 2, 2)
        return jax.lax.reduce_window(y, -jnp.inf, jax.lax.max, window, window, "VALID").sum()

    found["convolution"] = conv, array(8, 8, 32, 32)
    x, y = array(100, 9), (array(100, seed=1) > 0).astype("float32")

    def loss(p: Any) -> Any:
        h = jnp.tanh(x @ p[:36].reshape(9, 4) + p[36:40])
        s = h @ p[40:44] + p[44]
        each = jnp.maximum(s, 0) - s * y + jnp.log1p(jnp.exp(-jnp.abs(s)))
        return each.mean() + (p[45:] ** 2).sum()

    found["50 parameters"] = loss, array(50, seed=2)
    return found


def transformed(f: Any, g: Callable[..., Any]) -> dict[str, Callable[..., Any]]:
    """What is compiled of a function, for rushlight.func or jax."""
    return {
        "f": lambda x: g(x), "jvp": lambda x: f.jvp(g, (x,), (x,)), "grad": f.grad(g),
        "hvp": lambda x: f.jvp(f.grad(g), (x,), (x,)),
    }  # fmt: skip


def compiled() -> None:
    """rushlight.compile of every transform beside jax.jit of the same, in turn."""
    import jax

    theirs = in_jax()
    for name, (g, x) in {**functions(rl), "50 parameters": fifty(rl)}.items():
        other, point = theirs[name]
        ours, beside = transformed(rl.func, g), transformed(jax, other)
        given = dict.fromkeys(ours, (x, point))
        if name == "50 parameters":
            batch = rl.stack([x * i for i in range(64)])
            many = jax.numpy.asarray(batch.numpy())
            for f, g_, into in ((rl.func, g, ours), (jax, other, beside)):
                into |= {what: getattr(f, what)(g_) for what in ("hessian", "jacrev", "jacfwd")}
                into |= {"vmap": f.vmap(g_), "vmap(grad)": f.vmap(f.grad(g_))}
            given |= dict.fromkeys(("hessian", "jacrev", "jacfwd"), (x, point))
            given |= dict.fromkeys(("vmap", "vmap(grad)"), (batch, many))
        plain = 0.0
        for what, run in ours.items():
            one, two = rl.compile(run, fullgraph=True), jax.jit(beside[what])
            a, b = given[what]
            for _ in range(3):
                one(a)
            medians = interleaved(
                {"rushlight": functools.partial(one, a),
                 "jax": lambda two=two, b=b: jax.block_until_ready(two(b))}, seconds=0.02,
            )  # fmt: skip
            seconds, jitted = medians["rushlight"], medians["jax"]
            plain = plain or seconds
            print(
                f"compiled {name + ': ' + what:28s} rushlight {seconds * 1e6:8.1f} us"
                f"  {seconds / plain:5.2f} f  jax.jit {jitted * 1e6:8.1f} us"
                f"  ({jitted / seconds:.2f}x)", flush=True,
            )  # fmt: skip


def peak(length: int) -> int:
    """Bytes at most in use while a chain of `length` ops is pushed forward."""
    x = numbers(rl, 1000)

    def chain(x: Any) -> Any:
        for _ in range(length // 2):
            x = (x * 1.0001).sin()
        return x

    tracemalloc.start()
    try:
        rl.func.jvp(chain, (x,), (x,))
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def main() -> None:
    rl.set_num_threads(1)
    settle()
    runs: dict[Any, Callable[[], Any]] = {
        ("ours", n): run for n, run in (everything(rl) | pushed()).items()
    }
    if importlib.util.find_spec("torch") is not None:
        import torch

        torch.set_num_threads(1)
        runs |= {("theirs", n): run for n, run in everything(torch).items()}
    found = best(runs)
    ours = {n: seconds for (who, n), seconds in found.items() if who == "ours"}
    theirs = {n: seconds for (who, n), seconds in found.items() if who == "theirs"}
    for name, seconds in ours.items():
        base = ours[name.split(":")[0] + ": f"]
        line = f"{name:32s} rushlight {seconds * 1e6:10.1f} us  {seconds / base:5.2f} f"
        if name in theirs:
            line += f"  torch {theirs[name] * 1e6:10.1f} us  ({theirs[name] / seconds:.2f}x)"
        print(line)
    for name in ours:
        if name.endswith(": hvp"):
            times = ours[name] / ours[name.removesuffix("hvp") + "grad"]
            print(f"{name:32s} {times:.2f} gradients")
    if importlib.util.find_spec("jax") is not None:
        compiled()
    for length in (100, 10_000, 100_000):
        print(f"forward mode of {length:7,} ops: {peak(length) / 1024:.1f} KiB at most")


if __name__ == "__main__":
    main()
