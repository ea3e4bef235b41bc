"""Adam over a million parameters beside a plain copy: `python benchmarks/adam.py [--threads N]`.

An update reads weights, gradients and both averages and writes all but the gradients: 28 bytes a
parameter. The copy moves as many bytes (half read, half written) in the same run.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import cases  # noqa: F401  (it knows where rushlight is)
import numpy as np
from timing import measured, with_threads

BYTES = 28
STEPS = 5


def update(t: Any, count: int, **options: Any) -> tuple[Callable[[], Any], Any]:
    """A step of Adam with a gradient that stays."""
    draw = np.random.default_rng(0).standard_normal
    weight = t.from_numpy(draw(count, np.float32)).requires_grad_()
    weight.grad = t.from_numpy(draw(count, np.float32))
    opt = t.optim.Adam([weight], lr=1e-3, **options)

    def step() -> None:
        opt.step()

    return step, weight


def jax_update(count: int) -> tuple[Callable[[], Any], Any]:
    import jax
    import jax.numpy as jnp

    draw = np.random.default_rng(0).standard_normal
    state = [jnp.array(draw(count, np.float32)), jnp.zeros(count), jnp.zeros(count), jnp.zeros(())]
    gradient = jnp.array(np.random.default_rng(0).standard_normal((2, count), np.float32)[1])

    def step(state: Any, g: Any) -> Any:
        w, m, v, n = state
        n, m, v = n + 1, 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        root = jnp.sqrt(v) / jnp.sqrt(1 - 0.999**n) + 1e-8
        return [w - 1e-3 / (1 - 0.9**n) * m / root, m, v, n]

    jitted = jax.jit(step, donate_argnums=(0,))
    box = [state]

    def run() -> None:
        box[0] = jitted(box[0], gradient)
        box[0][0].block_until_ready()

    return run, box


def value(weight: Any) -> np.ndarray:
    return np.asarray(weight[0][0]) if isinstance(weight, list) else weight.detach().numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--count", type=int, default=1_000_000)
    options = parser.parse_args()
    with_threads(options.threads)
    import torch

    import rushlight as rl

    torch.set_num_threads(options.threads)
    count = options.count
    ours, weight = update(rl, count)
    made = {
        "rushlight, eager": update(rl, count),
        "rushlight, compiled": (rl.compile(ours), weight),
        "torch": update(torch, count),
        "torch, fused=True": update(torch, count, fused=True),
        "jax.jit": jax_update(count),
    }
    first: np.ndarray | None = None
    for name, (step, weight) in made.items():
        for _ in range(STEPS):
            step()
        first = value(weight).copy() if first is None else first
        apart = np.abs(value(weight) - first).max()
        if apart > 1e-5:
            print(f"WRONG: {name} is {apart} off after {STEPS} steps")
    source, target = np.ones((2, count * BYTES // 8), np.float32)
    calls: dict[str, Any] = {name: step for name, (step, _) in made.items()}
    calls["plain copy of as many bytes"] = lambda: np.copyto(target, source)
    clock = time.process_time if options.threads == 1 else time.perf_counter
    times, clean = measured(calls, options.rounds, 0.02, clock)
    copy = times["plain copy of as many bytes"]
    print(f"{count:,} parameters, {options.threads} thread(s), {clean} rounds undisturbed\n")
    print("| update | us | GB/s | over the copy's time |\n|---|---|---|---|")
    for name, seconds in times.items():
        rate = count * BYTES / seconds / 1e9
        print(f"| {name} | {seconds * 1e6:.0f} | {rate:.1f} | {seconds / copy:.2f} |")


if __name__ == "__main__":
    main()
