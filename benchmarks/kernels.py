"""Ops beside torch's: `python benchmarks/kernels.py [part of a name ...]` (one thread)."""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
from collections.abc import Callable
from typing import Any

import torch
from timing import interleaved, show

import rushlight

Cases = dict[str, Callable[[], object]]


def both_ways(t: Any, f: Callable[..., Any], *xs: Any) -> Callable[[], object]:
    """Forward, and backward from a gradient that is no constant."""
    g = t.rand(tuple(f(*xs).shape))

    def run() -> None:
        for x in xs:
            x.grad = None
        f(*xs).backward(g)

    return run


def wants(x: Any) -> Any:
    return x.requires_grad_()


def norms(t: Any) -> Cases:
    n, f = t.nn, t.nn.functional
    rows, images = wants(t.randn(2048, 256)), wants(t.randn(32, 64, 28, 28))
    w, b = wants(t.ones(256)), wants(t.zeros(256))
    wide, batch, group = t.randn(4096, 512), n.BatchNorm2d(64), n.GroupNorm(8, 64)
    return {
        "layer_norm": lambda: f.layer_norm(wide, (512,)),
        "layer_norm both ways": both_ways(
            t, lambda x, w, b: f.layer_norm(x, (256,), w, b), rows, w, b
        ),
        "rms_norm both ways": both_ways(t, lambda x, w: f.rms_norm(x, (256,), w), rows, w),
        "batch_norm2d both ways": both_ways(t, batch, images),
        "group_norm both ways": both_ways(t, group, images),
    }


def activations(t: Any) -> Cases:
    f, x = t.nn.functional, wants(t.randn(512, 1024))
    plain = x.detach()
    found: Cases = {}
    for name in ("relu", "gelu", "silu", "elu", "leaky_relu", "softplus", "hardswish", "mish"):
        op = getattr(f, name)
        found[name] = lambda op=op: op(plain)
        found[f"{name} both ways"] = both_ways(t, op, x)
    for name in ("sigmoid", "tanh", "erf", "exp"):
        found[f"{name} both ways"] = both_ways(t, getattr(t, name), x)
    return found


def convolutions(t: Any) -> Cases:
    n = t.nn
    second = n.Conv2d(6, 16, 5)
    found = {"LeNet conv2 both ways": both_ways(t, second, wants(t.randn(256, 6, 14, 14)))}
    for channels, size in ((16, 32), (64, 56), (128, 28), (256, 14), (512, 7)):
        conv = n.Conv2d(channels, channels, 3, padding=1, bias=False)
        x = wants(t.randn(16 if channels < 64 else 4, channels, size, size))
        found[f"3x3 conv, {channels} of {size} both ways"] = both_ways(t, conv, x)
    half = n.Conv2d(64, 128, 3, stride=2, padding=1, bias=False)
    found["3x3 conv, stride 2 both ways"] = both_ways(t, half, wants(t.randn(4, 64, 56, 56)))
    apart = n.Conv2d(64, 64, 3, padding=1, groups=64, bias=False)
    found["depthwise conv both ways"] = both_ways(t, apart, wants(t.randn(4, 64, 28, 28)))
    return found


def images(t: Any) -> Cases:
    f, x = t.nn.functional, wants(t.randn(8, 32, 32, 32))
    grid = wants(t.rand(8, 32, 32, 2) * 2 - 1)
    bigger = lambda mode: lambda x: f.interpolate(x, scale_factor=2, mode=mode)
    return {
        "nearest upsampling": lambda: bigger("nearest")(x.detach()),
        "nearest upsampling both ways": both_ways(t, bigger("nearest"), x),
        "bilinear upsampling both ways": both_ways(t, bigger("bilinear"), x),
        "grid_sample": lambda: f.grid_sample(x.detach(), grid.detach(), align_corners=False),
        "grid_sample both ways": both_ways(
            t, lambda x, g: f.grid_sample(x, g, align_corners=False), x, grid
        ),
        "max_pool 2 both ways": both_ways(t, lambda x: f.max_pool2d(x, 2), x),
        "max_pool 3, stride 2 both ways": both_ways(t, lambda x: f.max_pool2d(x, 3, 2, 1), x),
        "avg_pool 2 both ways": both_ways(t, lambda x: f.avg_pool2d(x, 2), x),
        "adaptive_avg_pool both ways": both_ways(t, lambda x: f.adaptive_avg_pool2d(x, 7), x),
        "pad both ways": both_ways(t, lambda x: f.pad(x, (1, 1, 1, 1)), x),
    }


def classes(t: Any) -> Cases:
    f = t.nn.functional
    wide, narrow = wants(t.randn(128, 10000)), wants(t.randn(4096, 64))
    labels, few = t.randint(0, 10000, (128,)), t.randint(0, 64, (4096,))
    return {
        "softmax, wide rows": lambda: wide.detach().softmax(1),
        "softmax, wide rows both ways": both_ways(t, lambda x: f.softmax(x, 1), wide),
        "softmax, rows of 64 both ways": both_ways(t, lambda x: f.softmax(x, 1), narrow),
        "log_softmax, wide rows both ways": both_ways(t, lambda x: f.log_softmax(x, 1), wide),
        "cross_entropy, wide rows both ways": both_ways(
            t, lambda x: f.cross_entropy(x, labels), wide
        ),
        "cross_entropy, rows of 64 both ways": both_ways(
            t, lambda x: f.cross_entropy(x, few), narrow
        ),
    }


def lookups(t: Any) -> Cases:
    f = t.nn.functional
    table, small = wants(t.randn(10000, 128)), wants(t.randn(1000, 32))
    places, few = t.randint(0, 10000, (32, 64)), t.randint(0, 1000, (256, 32))
    flat, x = t.randint(0, 10000, (2048,)), wants(t.randn(512, 1024))
    at = t.randint(0, 1024, (512, 256))
    return {
        "embedding both ways": both_ways(t, lambda w: f.embedding(places, w), table),
        "embedding, small table both ways": both_ways(t, lambda w: f.embedding(few, w), small),
        "index_select both ways": both_ways(t, lambda w: w.index_select(0, flat), table),
        "index_select, dim 1": lambda: x.detach().index_select(1, flat % 1024),
        "gather": lambda: x.detach().gather(1, at),
        "gather both ways": both_ways(t, lambda x: x.gather(1, at), x),
        "x[places] both ways": both_ways(t, lambda w: w[flat], table),
    }


def attention(t: Any) -> Cases:
    n, f = t.nn, t.nn.functional
    q, k, v = (wants(t.randn(32, 4, 64, 32)) for _ in range(3))
    t.manual_seed(0)
    layer = n.TransformerEncoderLayer(128, 4, 512, 0.0, batch_first=True)
    dropped = n.TransformerEncoderLayer(128, 4, 512, 0.1, batch_first=True)
    x, g = t.randn(32, 64, 128), t.rand(32, 64, 128)

    def step(layer: Any) -> Callable[[], Any]:
        opt = t.optim.Adam(layer.parameters())

        def run() -> None:
            opt.zero_grad()
            layer(x).backward(g)
            opt.step()

        return run

    return {
        "attention both ways": both_ways(t, f.scaled_dot_product_attention, q, k, v),
        "causal attention both ways": both_ways(
            t, lambda q, k, v: f.scaled_dot_product_attention(q, k, v, is_causal=True), q, k, v
        ),
        "encoder layer step": step(layer),
        "encoder layer step, dropout": step(dropped),
    }


def draws(t: Any) -> Cases:
    f, x = t.nn.functional, wants(t.randn(512, 1024))
    return {
        "dropout both ways": both_ways(t, lambda x: f.dropout(x, 0.5), x),
        "randn(1M)": lambda: t.randn(1000000),
        "randn(16)": lambda: t.randn(16),
        "randn(2, 3)": lambda: t.randn(2, 3),
        "rand(2, 3)": lambda: t.rand(2, 3),
        "rand(1M)": lambda: t.rand(1000000),
        "randint(0, 10, (2, 3))": lambda: t.randint(0, 10, (2, 3)),
        "randint(0, 10, (256,))": lambda: t.randint(0, 10, (256,)),
        "randint(1M)": lambda: t.randint(0, 10, (1000000,)),
        "randperm(16)": lambda: t.randperm(16),
        "randperm(1M)": lambda: t.randperm(1000000),
        "bernoulli(1M)": lambda: x.detach().bernoulli(0.5),
        "multinomial": lambda: t.ones(1000).multinomial(100),
    }


def optimizers(t: Any) -> Cases:
    found: Cases = {}
    for name in ("SGD", "Adam", "AdamW"):
        params = [wants(t.randn(1024, 1024)) for _ in range(4)]
        for p in params:
            p.grad = t.randn(1024, 1024)
        opt = getattr(t.optim, name)(params, lr=1e-3)
        found[f"{name}, 4 parameters of 1M"] = opt.step
    return found


def order(t: Any) -> Cases:
    x, line = wants(t.randn(512, 1024)), t.randn(1000000)
    return {
        "cumsum, dim 1": lambda: x.detach().cumsum(1),
        "cumsum, dim 0": lambda: x.detach().cumsum(0),
        "cumsum both ways": both_ways(t, lambda x: x.cumsum(1), x),
        "cumprod": lambda: x.detach().cumprod(1),
        "sort, rows": lambda: x.detach().sort(1),
        "sort(1M)": lambda: line.sort(),
        "sort both ways": both_ways(t, lambda x: x.sort(1)[0], x),
        "topk(10), rows": lambda: x.detach().topk(10, 1),
        "argsort, rows": lambda: x.detach().argsort(1),
        "max, dim 1": lambda: x.detach().max(1),
        "argmax, dim 1": lambda: x.detach().argmax(1),
        "sum, dim 0": lambda: x.detach().sum(0),
        "var, dim 1": lambda: x.detach().var(1),
        "std both ways": both_ways(t, lambda x: x.std(1), x),
        "logsumexp both ways": both_ways(t, lambda x: x.logsumexp(1), x),
        "where": lambda: t.where(x.detach() > 0, x.detach(), 0.0),
        "masked_fill": lambda: x.detach().masked_fill(x.detach() > 0, 0.0),
        "clamp both ways": both_ways(t, lambda x: x.clamp(-1, 1), x),
    }


GROUPS = (norms, activations, convolutions, images, classes, lookups, attention, draws, optimizers,
          order)  # fmt: skip


def main(words: list[str]) -> None:
    torch.set_num_threads(1)
    for group in GROUPS:
        ours, theirs = group(rushlight), group(torch)
        for name in ours:
            if words and not any(word in f"{group.__name__}: {name}" for word in words):
                continue
            contenders = {"rushlight": ours[name], "torch": theirs[name]}
            show(name, interleaved(contenders, rounds=7, seconds=0.02))


if __name__ == "__main__":
    main(sys.argv[1:])
