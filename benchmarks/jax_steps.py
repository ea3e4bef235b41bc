"""The same training steps for jax: pure functions of the weights, jitted, weights donated.

Weights come in the order of the model's `parameters()`; matrices are turned round once, outside the
step, to the layout (in, out) that a jax user would choose.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from cases import BATCH, CHANNELS, HEADS, HIDDEN, TOKENS, WIDTH, Case, Job

Weights = Iterator[Any]


def dense(x: Any, p: Weights) -> Any:
    return x @ next(p) + next(p)


def mlp(p: Weights, x: Any) -> Any:
    return dense(jax.nn.relu(dense(x, p)), p)


def conv(x: Any, p: Weights, pad: int = 0, stride: int = 1) -> Any:
    y = jax.lax.conv_general_dilated(
        x, next(p), (stride, stride), [(pad, pad)] * 2, dimension_numbers=("NCHW", "OIHW", "NCHW")
    )
    return y + next(p)[:, None, None]


def average(x: Any) -> Any:
    shape = (1, 1, 2, 2)
    return jax.lax.reduce_window(x, 0.0, jax.lax.add, shape, shape, "VALID") / 4


def largest(x: Any, size: int = 2, pad: int = 0) -> Any:
    pads = [(0, 0), (0, 0), (pad, pad), (pad, pad)]
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 1, size, size), (1, 1, 2, 2), pads)


def lenet(act: Callable[[Any], Any], pool: Callable[[Any], Any], p: Weights, x: Any) -> Any:
    h = pool(act(conv(x, p, 2)))
    h = pool(act(conv(h, p))).reshape(x.shape[0], -1)
    return dense(act(dense(act(dense(h, p)), p)), p)


def batch_norm(x: Any, p: Weights) -> Any:
    mean = x.mean((0, 2, 3), keepdims=True)
    variance = ((x - mean) ** 2).mean((0, 2, 3), keepdims=True)
    y = (x - mean) * jax.lax.rsqrt(variance + 1e-5)
    return y * next(p)[:, None, None] + next(p)[:, None, None]


def resnet(p: Weights, x: Any) -> Any:
    relu = jax.nn.relu
    h = largest(relu(batch_norm(conv(x, p, 3, 2), p)), 3, 1)
    for i, o, stride in CHANNELS:
        y = relu(batch_norm(conv(h, p, 1, stride), p))
        y = batch_norm(conv(y, p, 1), p)
        h = relu(y + (h if i == o else conv(h, p, 0, stride)))
    return dense(h.mean((2, 3)), p)


def gates(sums: Any, n: int) -> Any:
    return jnp.split(sums, n, 1)


def rnn(p: Any, h: Any, x: Any) -> Any:
    w, u, b, c = p
    n = jnp.tanh(x @ w + b + h[0] @ u + c)
    return (n,), n


def gru(p: Any, h: Any, x: Any) -> Any:
    w, u, b, c = p
    (rx, zx, nx), (rh, zh, nh) = gates(x @ w + b, 3), gates(h[0] @ u + c, 3)
    r, z = jax.nn.sigmoid(rx + rh), jax.nn.sigmoid(zx + zh)
    n = jnp.tanh(nx + r * nh)
    y = (1 - z) * n + z * h[0]
    return (y,), y


def lstm(p: Any, h: Any, x: Any) -> Any:
    w, u, b, c = p
    i, f, g, o = gates(x @ w + b + h[0] @ u + c, 4)
    cell = jax.nn.sigmoid(f) * h[1] + jax.nn.sigmoid(i) * jnp.tanh(g)
    y = jax.nn.sigmoid(o) * jnp.tanh(cell)
    return (y, cell), y


def rnn_loop(p: Any, h: Any, x: Any) -> Any:
    w, u, b = p
    n = jnp.tanh(x @ w + h[0] @ u + b)
    return (n,), n


def gru_loop(p: Any, h: Any, x: Any) -> Any:
    wz, uz, bz, wr, ur, br, wn, un, bn = p
    z = jax.nn.sigmoid(x @ wz + h[0] @ uz + bz)
    r = jax.nn.sigmoid(x @ wr + h[0] @ ur + br)
    n = jnp.tanh(x @ wn + (r * h[0]) @ un + bn)
    y = z * h[0] + (1 - z) * n
    return (y,), y


def lstm_loop(p: Any, h: Any, x: Any) -> Any:
    i, f, o, g = (x @ p[k] + h[0] @ p[k + 1] + p[k + 2] for k in (0, 3, 6, 9))
    cell = jax.nn.sigmoid(f) * h[1] + jax.nn.sigmoid(i) * jnp.tanh(g)
    y = jax.nn.sigmoid(o) * jnp.tanh(cell)
    return (y, cell), y


def over_time(cell: Callable[..., Any], p: Weights, x: Any) -> Any:
    *weights, w, b = p
    start = (jnp.zeros((BATCH, HIDDEN)),) * (2 if cell in (lstm, lstm_loop) else 1)
    _, y = jax.lax.scan(functools.partial(cell, weights), start, x)
    return y.reshape(-1, HIDDEN) @ w + b


def layer_norm(x: Any, weight: Any, bias: Any) -> Any:
    mean = x.mean(-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(-1, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(variance + 1e-5) * weight + bias


def encoder(p: Weights, x: Any) -> Any:
    qw, qb, ow, ob, a, b, c, d, *ff = p
    parts = (x @ qw + qb).reshape(BATCH, TOKENS, 3, HEADS, WIDTH // HEADS)
    q, k, v = parts.transpose(2, 0, 3, 1, 4)
    scores = jnp.einsum("bhqd,bhkd->bhqk", q, k) / np.float32(np.sqrt(WIDTH // HEADS))
    mixed = jnp.einsum("bhqk,bhkd->bhqd", jax.nn.softmax(scores), v).transpose(0, 2, 1, 3)
    x = layer_norm(x + mixed.reshape(BATCH, TOKENS, WIDTH) @ ow + ob, a, b)
    rest = iter(ff)
    return layer_norm(x + dense(jax.nn.relu(dense(x, rest)), rest), c, d)


MODELS: dict[str, Callable[[Weights, Any], Any]] = {
    "a": lambda p, x: dense(x, p), "b": lambda p, x: dense(x, p), "c": mlp,
    "d": functools.partial(lenet, jax.nn.sigmoid, average),
    "lenet": functools.partial(lenet, jax.nn.relu, largest), "e": resnet, "g": encoder,
}  # fmt: skip
for _cell in (rnn, gru, lstm, rnn_loop, gru_loop, lstm_loop):
    MODELS[_cell.__name__.replace("_", "-")] = functools.partial(over_time, _cell)


def cross_entropy(y: Any, classes: Any) -> Any:
    return -jnp.take_along_axis(jax.nn.log_softmax(y), classes[:, None], 1).mean()


def squares(y: Any, wanted: Any) -> Any:
    return ((y - wanted) ** 2).mean()


def job(name: str, case: Case, start: list[np.ndarray]) -> Job:
    turn = not name.endswith("-loop")  # those weights are (in, out) already
    state = [jnp.array(w.T if turn and w.ndim == 2 else w) for w in start]
    x, y = map(jnp.asarray, case.data())
    loss = cross_entropy if case.loss == "cross_entropy" else squares

    def step(p: Any, x: Any, y: Any) -> Any:
        value, g = jax.value_and_grad(lambda p: loss(MODELS[name](iter(p), x), y))(p)
        return [a - 0.01 * b for a, b in zip(p, g)], value

    jitted = jax.jit(step, donate_argnums=(0,))
    box = [state]

    def run() -> Any:
        box[0], value = jitted(box[0], x, y)
        return value.block_until_ready()

    def weights() -> list[np.ndarray]:
        return [np.asarray(w.T if turn and w.ndim == 2 else w) for w in box[0]]

    return Job(run, weights)
