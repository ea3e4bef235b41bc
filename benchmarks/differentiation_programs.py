"""The programs of torch.func's tutorials, eager and compiled, beside jax.jit of the same.

Run: python benchmarks/differentiation_programs.py
"""

from __future__ import annotations

import functools
import itertools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from time import process_time
from typing import Any

os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
import jax
import jax.numpy as jnp
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from timing import interleaved

import rushlight as rl
import rushlight.autograd.forward_ad as fwAD

Programs = dict[str, tuple[Callable[..., Any], tuple[Any, ...]]]


def draws(*shape: int, seed: int = 0, scale: float = 1.0) -> np.ndarray:
    found = np.random.default_rng([seed, *shape]).standard_normal(shape)
    return (scale * found).astype(np.float32)


def perceptron(sizes: tuple[int, ...], members: tuple[int, ...] = ()) -> list[np.ndarray]:
    """Weights and biases in turn."""
    found = []
    for place, (n, m) in enumerate(itertools.pairwise(sizes)):
        found.append(draws(*members, m, n, seed=place, scale=n**-0.5))
        found.append(draws(*members, m, seed=10 + place, scale=0.1))
    return found


def net(t: Any, p: Any, x: Any) -> Any:
    """Linear layers with relu between, for either package."""
    relu = t.relu if t is rl else jax.nn.relu
    for place in range(0, len(p), 2):
        x = x @ p[place].T + p[place + 1]
        x = x if place + 2 == len(p) else relu(x)
    return x


def scores(t: Any, y: Any, label: Any) -> Any:
    """The cross entropy of one sample's scores, its label a row of zeros and a one."""
    log = rl.log_softmax(y, -1) if t is rl else jax.nn.log_softmax(y, -1)
    return -(log * label).sum(-1)


def image_net(t: Any, p: Any, x: Any) -> Any:
    """Two convolutions and two layers on one 28 x 28 image, as in the tutorial."""
    x = x[None]
    for k in (0, 2):
        if t is rl:
            x = rl.nn.functional.conv2d(x, p[k], p[k + 1]).relu()
        else:
            x = jax.lax.conv_general_dilated(x, p[k], (1, 1), "VALID")
            x = jax.nn.relu(x + p[k + 1][:, None, None])
    if t is rl:
        x = rl.nn.functional.max_pool2d(x, 2)
    else:
        window = (1, 1, 2, 2)
        x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, window, window, "VALID")
    return net(t, p[4:], x.reshape(1, -1))[0]


def tree(t: Any, arrays: Any) -> Any:
    """Arrays as the package's own; jax and rushlight take tuples of them as trees."""
    make = rl.from_numpy if t is rl else jnp.asarray
    return tuple(make(a) for a in arrays)


def samples(t: Any, f: Any, found: Programs) -> None:
    """Gradients of each sample, by a convolutional network and by a perceptron."""
    weights = [
        draws(8, 1, 3, 3, scale=0.3), draws(8, scale=0.1), draws(16, 8, 3, 3, scale=0.1),
        draws(16, scale=0.1), *perceptron((16 * 12 * 12, 64, 10)),
    ]  # fmt: skip
    labels = np.eye(10, dtype=np.float32)[np.arange(32) % 10]
    for name, model, p, shape in (
        ("convolutional", image_net, weights, (32, 1, 28, 28)),
        ("perceptron", net, perceptron((64, 128, 10)), (32, 64)),
    ):

        def loss(p: Any, x: Any, label: Any, model: Any = model) -> Any:
            return scores(t, model(t, p, x), label)

        run = f.vmap(f.grad(loss), (None, 0, 0))
        x, label = tree(t, (draws(*shape), labels))
        found[f"gradients per sample, {name}"] = run, (tree(t, p), x, label)


def matrices(t: Any, f: Any, found: Programs) -> None:
    """Jacobians, Hessians and products with them of one layer with tanh."""
    w, b, x = tree(t, (draws(32, 32, scale=0.2), draws(32), draws(32)))
    many = tree(t, (draws(16, 32),))[0]
    tanh = rl.tanh if t is rl else jnp.tanh

    def predict(w: Any, b: Any, x: Any) -> Any:
        return tanh(x @ w.T + b)

    def hvp(x: Any, v: Any) -> Any:
        return f.jvp(f.grad(lambda x: (predict(w, b, x) ** 2).sum()), (x,), (v,))[1]

    for name in ("jacrev", "jacfwd"):
        found[name] = getattr(f, name)(predict, 2), (w, b, x)
    found["hessian"] = f.hessian(predict, 2), (w, b, x)
    found["Hessians of a batch"] = f.vmap(f.hessian(predict, 2), (None, None, 0)), (w, b, many)
    found["product with a Hessian"] = hvp, (x, many[0])


def ensembles(t: Any, f: Any, found: Programs) -> None:
    """Ten perceptrons, on one batch for all and on a batch for each; and their gradients."""
    p = tree(t, perceptron((784, 128, 10), (10,)))
    x, own = tree(t, (draws(64, 784), draws(10, 64, 784)))
    run = functools.partial(net, t)
    found["ensemble, one batch"] = f.vmap(run, (0, None)), (p, x)
    found["ensemble, own batches"] = f.vmap(run), (p, own)
    loss = lambda p, x: (net(t, p, x) ** 2).mean()
    found["ensemble, gradients"] = f.vmap(f.grad(loss), (0, None)), (p, x)


def kernels(t: Any, f: Any, found: Programs) -> None:
    """The empirical tangent kernel, by contracting Jacobians."""
    p = tree(t, perceptron((32, 64, 10)))
    one, two = tree(t, (draws(20, 32), draws(5, 32, seed=1)))
    einsum = rl.einsum if t is rl else jnp.einsum

    def kernel(p: Any, one: Any, two: Any) -> Any:
        jacobian = f.vmap(f.jacrev(lambda p, x: net(t, p, x)), (None, 0))
        pairs = zip(jacobian(p, one), jacobian(p, two))
        flat = [(a.reshape(*a.shape[:2], -1), b.reshape(*b.shape[:2], -1)) for a, b in pairs]
        return sum(einsum("Naf,Mbf->NMab", a, b) for a, b in flat)

    found["tangent kernel"] = kernel, (p, one, two)


def learning_to_learn(t: Any, f: Any, found: Programs) -> None:
    """MAML on sines: gradients through one step of descent, over a batch of tasks."""
    p = tree(t, perceptron((1, 40, 40, 1)))
    tasks = tree(t, [draws(25, 10, 1, seed=k) for k in range(4)])

    def loss(p: Any, x: Any, y: Any) -> Any:
        return ((net(t, p, x) - y) ** 2).mean()

    def task(p: Any, x1: Any, y1: Any, x2: Any, y2: Any) -> Any:
        slopes = f.grad(loss)(p, x1, y1)
        return loss(tuple(w - 0.1 * g for w, g in zip(p, slopes)), x2, y2)

    def meta(p: Any, *tasks: Any) -> Any:
        return f.vmap(task, (None, 0, 0, 0, 0))(p, *tasks).mean()

    found["MAML"] = f.grad(meta), (p, *tasks)


def forwards(t: Any, f: Any, found: Programs) -> None:
    """Forward mode of a network by its parameters: dual numbers here, jvp in jax."""
    p, ts = tree(t, perceptron((64, 128, 10))), tree(t, perceptron((64, 128, 10)))
    x = tree(t, (draws(32, 64),))[0]

    def dual(p: Any, ts: Any, x: Any) -> Any:
        with fwAD.dual_level():
            return fwAD.unpack_dual(net(t, [*map(fwAD.make_dual, p, ts)], x)).tangent

    def pushed(p: Any, ts: Any, x: Any) -> Any:
        return jax.jvp(lambda p: net(t, p, x), (p,), (ts,))[1]

    found["forward mode"] = dual if t is rl else pushed, (p, ts, x)


def programs(t: Any, f: Any) -> Programs:
    """Every program and its arguments, for rushlight or jax."""
    found: Programs = {}
    for add in (samples, matrices, ensembles, kernels, learning_to_learn, forwards):
        add(t, f, found)
    return found


def leaves(found: Any) -> list[np.ndarray]:
    return [np.asarray(one) for one in jax.tree_util.tree_leaves(found)]


def main() -> None:
    rl.set_num_threads(1)
    theirs = programs(jnp, jax)
    for name, (run, args) in programs(rl, rl.func).items():
        other, given = theirs[name]
        jitted, compiled = jax.jit(other), rl.compile(run, fullgraph=True)
        start = process_time()
        values = compiled(*args)
        first = process_time() - start
        wanted = leaves(jitted(*given))
        for found in (values, run(*args)):
            for one, two in zip(leaves(found), wanted, strict=True):
                np.testing.assert_allclose(one, two, rtol=2e-3, atol=2e-4 * abs(two).max())
        times = interleaved({
            "eager": lambda run=run, args=args: run(*args),
            "compiled": lambda run=compiled, args=args: run(*args),
            "jax": lambda run=jitted, given=given: jax.block_until_ready(run(*given)),
        }, seconds=0.03)  # fmt: skip
        eager, ours, jaxs = (times[one] * 1e6 for one in ("eager", "compiled", "jax"))
        print(
            f"{name:36} eager {eager:9.1f} us  compiled {ours:9.1f}  jax.jit {jaxs:9.1f}"
            f"  ({jaxs / ours:.2f}x)  first call {first:.2f} s", flush=True,
        )  # fmt: skip


if __name__ == "__main__":
    main()
