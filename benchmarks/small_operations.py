"""Common calls on few elements beside torch's: `python benchmarks/small_operations.py [name ...]`.

One thread. Each call is timed without gradients, recorded, and recorded with its way back, in short
turns with torch; of many turns the least counts, since a neighbour on the machine only adds time.
The table is sorted by the worst ratio; `--lines` keeps the order of this file instead.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import gc
import math
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from timing import settle

import rushlight

Call = Callable[..., Any]
TURNS, SECONDS = 20, 0.001

# name: (how the operands are made, the call); an operand "x" wants a gradient, "c" is constant
CASES: dict[str, tuple[Callable[[Any], dict[str, Any]], Call]] = {}


def case(name: str, call: Call, **operands: Any) -> None:
    """Note a call `call(t, *operands)`; sizes make normals, other things are made as they are."""
    CASES[name] = (operands, call)


def whole(*values: Any) -> Callable[[Any], Any]:
    return lambda t: t.tensor(list(values))


SQUARE, ROWS, IMAGES = (4, 4), (16, 10), (2, 3, 8, 8)
labels = whole(*(k % 10 for k in range(16)))
mask = lambda t: t.tensor([[k % 2 == 0 for k in range(4)]] * 4)

case("add", lambda t, x, y: x + y, x=SQUARE, y=SQUARE)
case("mul by a number", lambda t, x: x * 2.0, x=SQUARE)
case("exp", lambda t, x: t.exp(x), x=SQUARE)
case("sigmoid", lambda t, x: t.sigmoid(x), x=SQUARE)
case("tanh", lambda t, x: t.tanh(x), x=SQUARE)
case("relu", lambda t, x: t.nn.functional.relu(x), x=SQUARE)
case("gelu", lambda t, x: t.nn.functional.gelu(x), x=SQUARE)
case("silu", lambda t, x: t.nn.functional.silu(x), x=SQUARE)
case("leaky_relu", lambda t, x: t.nn.functional.leaky_relu(x), x=SQUARE)
case("softplus", lambda t, x: t.nn.functional.softplus(x), x=SQUARE)
case("softmax", lambda t, x: t.softmax(x, -1), x=ROWS)
case("log_softmax", lambda t, x: t.log_softmax(x, -1), x=ROWS)
case("logsumexp", lambda t, x: t.logsumexp(x, -1), x=ROWS)
case("cross_entropy", lambda t, x, c: t.nn.functional.cross_entropy(x, c), x=ROWS, c=labels)
case("nll_loss", lambda t, x, c: t.nn.functional.nll_loss(x, c), x=ROWS, c=labels)
case("mse_loss", lambda t, x, c: t.nn.functional.mse_loss(x, c), x=ROWS, c=ROWS)
case("l1_loss", lambda t, x, c: t.nn.functional.l1_loss(x, c), x=ROWS, c=ROWS)
case("smooth_l1_loss", lambda t, x, c: t.nn.functional.smooth_l1_loss(x, c), x=ROWS, c=ROWS)
case("bce_with_logits", lambda t, x, c: t.nn.functional.binary_cross_entropy_with_logits(x, c),
     x=ROWS, c=lambda t: t.ones(ROWS))  # fmt: skip
case("layer_norm", lambda t, x, w, b: t.nn.functional.layer_norm(x, (10,), w, b),
     x=ROWS, w=(10,), b=(10,))  # fmt: skip
case("batch_norm", lambda t, x, m, v, w, b: t.nn.functional.batch_norm(x, m, v, w, b, True),
     x=ROWS, cm=lambda t: t.zeros(10), cv=lambda t: t.ones(10), w=(10,), b=(10,))  # fmt: skip
case("batch_norm, evaluation",
     lambda t, x, m, v, w, b: t.nn.functional.batch_norm(x, m, v, w, b, False),
     x=ROWS, cm=lambda t: t.zeros(10), cv=lambda t: t.ones(10), w=(10,), b=(10,))  # fmt: skip
case("batch_norm of images",
     lambda t, x, m, v, w, b: t.nn.functional.batch_norm(x, m, v, w, b, True),
     x=IMAGES, cm=lambda t: t.zeros(3), cv=lambda t: t.ones(3), w=(3,), b=(3,))  # fmt: skip
case("group_norm", lambda t, x, w, b: t.nn.functional.group_norm(x, 2, w, b),
     x=(2, 4, 4, 4), w=(4,), b=(4,))  # fmt: skip
case("rms_norm", lambda t, x, w: t.nn.functional.rms_norm(x, (10,), w), x=ROWS, w=(10,))
case("dropout", lambda t, x: t.nn.functional.dropout(x, 0.5), x=ROWS)
case("embedding", lambda t, c, w: t.nn.functional.embedding(c, w), c=labels, w=(10, 8))
case("linear", lambda t, x, w, b: t.nn.functional.linear(x, w, b), x=ROWS, w=(8, 10), b=(8,))
case("matmul", lambda t, x, y: x @ y, x=SQUARE, y=SQUARE)
case("bmm", lambda t, x, y: t.bmm(x, y), x=(2, 4, 4), y=(2, 4, 4))
case("einsum ij,jk", lambda t, x, y: t.einsum("ij,jk->ik", x, y), x=SQUARE, y=SQUARE)
case("einsum bhqd,bhkd",
     lambda t, x, y: t.einsum("bhqd,bhkd->bhqk", x, y), x=(2, 2, 4, 4), y=(2, 2, 4, 4))  # fmt: skip
case("conv2d", lambda t, x, w, b: t.nn.functional.conv2d(x, w, b, padding=1),
     x=IMAGES, w=(4, 3, 3, 3), b=(4,))  # fmt: skip
case("conv1d", lambda t, x, w, b: t.nn.functional.conv1d(x, w, b, padding=1),
     x=(2, 3, 8), w=(4, 3, 3), b=(4,))  # fmt: skip
case("max_pool2d", lambda t, x: t.nn.functional.max_pool2d(x, 2), x=IMAGES)
case("avg_pool2d", lambda t, x: t.nn.functional.avg_pool2d(x, 2), x=IMAGES)
case("adaptive_avg_pool2d", lambda t, x: t.nn.functional.adaptive_avg_pool2d(x, 1), x=IMAGES)
case("attention", lambda t, q, k, v: t.nn.functional.scaled_dot_product_attention(q, k, v),
     q=(1, 2, 4, 4), k=(1, 2, 4, 4), v=(1, 2, 4, 4))  # fmt: skip
case("MultiheadAttention", lambda t, c, x: c(x, x, x, need_weights=False)[0],
     c=lambda t: t.nn.MultiheadAttention(8, 2, batch_first=True), x=(2, 4, 8))  # fmt: skip
case("LSTMCell", lambda t, c, x: c(x)[0], c=lambda t: t.nn.LSTMCell(8, 4), x=(4, 8))
case("pad", lambda t, x: t.nn.functional.pad(x, (1, 1)), x=SQUARE)
case("sum", lambda t, x: x.sum(), x=SQUARE)
case("sum of rows", lambda t, x: x.sum(1), x=SQUARE)
case("mean", lambda t, x: x.mean(), x=SQUARE)
case("mean of rows, kept", lambda t, x: x.mean(1, keepdim=True), x=SQUARE)
case("var", lambda t, x: x.var(), x=SQUARE)
case("std of rows", lambda t, x: x.std(1), x=SQUARE)
case("norm", lambda t, x: x.norm(), x=SQUARE)
case("max", lambda t, x: x.max(), x=SQUARE)
case("max of rows", lambda t, x: x.max(1)[0], x=SQUARE)
case("min of rows", lambda t, x: x.min(1)[0], x=SQUARE)
case("argmax", lambda t, cx: cx.argmax(1), cx=SQUARE)
case("topk", lambda t, x: x.topk(3)[0], x=ROWS)
case("sort", lambda t, x: x.sort()[0], x=ROWS)
case("cumsum", lambda t, x: x.cumsum(1), x=SQUARE)
case("where", lambda t, c, x, y: t.where(c, x, y), c=mask, x=SQUARE, y=SQUARE)
case("masked_fill", lambda t, c, x: x.masked_fill(c, 0.0), c=mask, x=SQUARE)
case("clamp", lambda t, x: x.clamp(-1.0, 1.0), x=SQUARE)
case("clamp, one bound", lambda t, x: x.clamp(min=0.0), x=SQUARE)
case("maximum", lambda t, x, y: t.maximum(x, y), x=SQUARE, y=SQUARE)
case("pow", lambda t, x: x**2, x=SQUARE)
case("cat", lambda t, x, y: t.cat((x, y)), x=SQUARE, y=SQUARE)
case("stack", lambda t, x, y: t.stack((x, y)), x=SQUARE, y=SQUARE)
case("chunk", lambda t, x: x.chunk(2, 1)[1], x=SQUARE)
case("split", lambda t, x: x.split(2)[1], x=SQUARE)
case("reshape", lambda t, x: x.reshape(16), x=SQUARE)
case("transpose", lambda t, x: x.transpose(0, 1), x=SQUARE)
case("permute", lambda t, x: x.permute(1, 0), x=SQUARE)
case("unsqueeze", lambda t, x: x.unsqueeze(0), x=SQUARE)
case("expand", lambda t, x: x.expand(4, 4), x=(1, 4))
case("x[1]", lambda t, x: x[1], x=SQUARE)
case("x[:, 1:3]", lambda t, x: x[:, 1:3], x=SQUARE)
case("x[places]", lambda t, x, c: x[c], x=ROWS, c=whole(0, 3, 1))
case("x[mask]", lambda t, x, c: x[c], x=SQUARE, c=mask)
case("index_select", lambda t, x, c: x.index_select(0, c), x=ROWS, c=whole(0, 3, 1))
case("gather", lambda t, x, c: x.gather(1, c), x=ROWS, c=lambda t: labels(t).reshape(16, 1))
case("scatter", lambda t, x, c, y: x.scatter(1, c, y), x=ROWS,
     c=lambda t: labels(t).reshape(16, 1), y=(16, 1))  # fmt: skip
case("scatter_add", lambda t, x, c, y: x.scatter_add(1, c, y), x=ROWS,
     c=lambda t: labels(t).reshape(16, 1), y=(16, 1))  # fmt: skip
case("one_hot", lambda t, c: t.nn.functional.one_hot(c, 10), c=labels)
case("randn", lambda t: t.randn(4, 4))
case("rand", lambda t: t.rand(4, 4))
case("randint", lambda t: t.randint(0, 10, (4, 4)))
case("randperm", lambda t: t.randperm(16))
case("zeros", lambda t: t.zeros(4, 4))
case("arange", lambda t: t.arange(16))
case("tensor of a list", lambda t: t.tensor([1.0, 2.0, 3.0]))
case("item", lambda t, cx: cx.item(), cx=())
case("equality, count", lambda t, c, d: (c == d).sum(), c=labels, d=labels)


def step(name: str, make: Callable[[Any, Any], Any]) -> None:
    """An optimiser's step on the parameters of a small layer, gradients in place."""

    def built(t: Any) -> Any:
        layer = t.nn.Linear(10, 8)
        for parameter in layer.parameters():
            parameter.grad = t.ones_like(parameter)
        return make(t, layer.parameters())

    CASES[name] = ({"c": built}, lambda t, optimizer: optimizer.step())


step("SGD step", lambda t, p: t.optim.SGD(p, lr=0.01))
step("SGD step, momentum", lambda t, p: t.optim.SGD(p, lr=0.01, momentum=0.9))
step("Adam step", lambda t, p: t.optim.Adam(p, lr=0.01))
step("AdamW step", lambda t, p: t.optim.AdamW(p, lr=0.01))


def loop(name: str, make: Callable[[Any], Callable[[], object]]) -> None:
    """What programs repeat: a whole step of training, or a pass over data."""
    CASES[name] = ({"c": make}, lambda t, run: run())


def training(t: Any, model: Any, x: Any, labels: Any, optimizer: Any) -> Callable[[], object]:
    def once() -> None:
        optimizer.zero_grad()
        y = model(x)
        loss = y.sum() if labels is None else t.nn.functional.cross_entropy(y, labels)
        loss.backward()
        optimizer.step()

    return once


def perceptron(t: Any) -> Callable[[], object]:
    nn = t.nn
    model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 10))
    labels = t.arange(32) % 10
    return training(t, model, t.randn(32, 20), labels, t.optim.SGD(model.parameters(), lr=0.01))


def images(t: Any) -> Callable[[], object]:
    nn = t.nn
    model = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(),
                          nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 10))  # fmt: skip
    x, labels = t.randn(8, 1, 8, 8), t.arange(8)
    return training(t, model, x, labels, t.optim.SGD(model.parameters(), lr=0.01))


def block(t: Any) -> Callable[[], object]:
    model = t.nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True)
    optimizer = t.optim.Adam(model.parameters(), lr=0.01)
    return training(t, model, t.randn(4, 16, 32), None, optimizer)


def states(t: Any) -> Callable[[], object]:
    layer = t.nn.LSTM(8, 16)
    model = lambda x: layer(x)[0]
    optimizer = t.optim.SGD(layer.parameters(), lr=0.01)
    return training(t, model, t.randn(10, 4, 8), None, optimizer)


def updates(kind: str) -> Callable[[Any], Callable[[], object]]:
    def make(t: Any) -> Callable[[], object]:
        parameters = [t.nn.Parameter(t.randn(8, 8)) for _ in range(20)]
        for parameter in parameters:
            parameter.grad = t.ones_like(parameter)
        return getattr(t.optim, kind)(parameters, lr=0.01).step

    return make


def loading(t: Any) -> Callable[[], object]:
    data = t.utils.data.TensorDataset(t.randn(256, 8), t.arange(256))
    loader = t.utils.data.DataLoader(data, batch_size=16, shuffle=True)
    return lambda: sum(1 for _ in loader)


loop("training: perceptron, batch 32", perceptron)
loop("training: images, batch norm", images)
loop("training: transformer layer, 32 wide", block)
loop("training: LSTM, 10 steps", states)
loop("SGD over 20 parameters", updates("SGD"))
loop("Adam over 20 parameters", updates("Adam"))
loop("AdamW over 20 parameters", updates("AdamW"))
loop("DataLoader, 16 batches", loading)


def operands(t: Any, given: dict[str, Any], wanted: bool) -> list[Any]:
    """The operands of a call; those whose name begins with c never want a gradient."""
    made = []
    for name, what in given.items():
        if callable(what):
            made.append(what(t))
            continue
        count = math.prod(what)
        value = t.tensor([math.sin(7.0 * k + len(made)) for k in range(count)]).reshape(what)
        made.append(value.requires_grad_() if wanted and name[0] not in "cd" else value)
    return made


def ways(t: Any, name: str) -> list[Callable[[], object] | None]:
    """The call without gradients, recorded, and with its way back (None: it has none)."""
    given, call = CASES[name]
    plain: Any = operands(t, given, False)
    wanting: Any = operands(t, given, True)
    forward = lambda: call(t, *plain)
    if all(getattr(one, "requires_grad", False) is False for one in wanting):
        return [forward, None, None]
    recorded = lambda: call(t, *wanting)
    gradient = t.ones_like(recorded()).detach()
    return [forward, recorded, lambda: recorded().backward(gradient)]


class Race:
    """One call of ours beside torch's: the least microseconds of each over all turns so far."""

    def __init__(self, *calls: Callable[[], object]) -> None:
        self.calls, self.found = calls, [math.inf, math.inf]
        self.counts: list[int] = []
        for call in calls:
            call()
            start = time.perf_counter()
            for _ in range(3):
                call()
            self.counts.append(max(3, int(SECONDS * 3 / (time.perf_counter() - start))))

    def turn(self) -> None:
        """Ours, then torch's."""
        for place, call in enumerate(self.calls):
            times = range(self.counts[place])
            call()  # what the other calls drove out of the caches is back
            start = time.perf_counter()
            for _ in times:
                call()
            spent = (time.perf_counter() - start) / len(times) * 1e6
            self.found[place] = min(self.found[place], spent)

    @property
    def ratio(self) -> float:
        return self.found[0] / self.found[1]


def table(races: dict[str, list[Race | None]]) -> list[str]:
    """A line for each call, the slowest beside torch's first."""
    lines = []
    for name, row in races.items():
        cells = [
            "" if one is None
            else f"{one.found[0]:.1f} / {one.found[1]:.1f} = {one.ratio:.2f}" for one in row
        ]  # fmt: skip
        worst = max(one.ratio for one in row if one is not None)
        lines.append((worst, f"| {name} | " + " | ".join(cells) + " |"))
    return [text for _, text in (lines if "--lines" in sys.argv else sorted(lines, reverse=True))]


def main(names: list[str]) -> None:
    torch.set_num_threads(1)
    settle()
    races: dict[str, list[Race | None]] = {}
    for name in CASES:
        if not names or any(part in name for part in names):
            pairs = zip(ways(rushlight, name), ways(torch, name))
            races[name] = [Race(one, other) if one and other else None for one, other in pairs]
    gc.collect()
    gc.disable()
    # all calls in each round, so that every one meets the machine's quiet moments
    for _ in range(TURNS if len(races) > 20 else 4 * TURNS):
        for row in races.values():
            for one in row:
                if one is not None:
                    one.turn()
        gc.collect()
    print("| us: ours / torch's | not recorded | recorded | and back |\n|---|---|---|---|")
    print("\n".join(table(races)))
    for place, title in enumerate(("not recorded", "recorded", "and back")):
        found = [row[place].ratio for row in races.values() if row[place] is not None]
        if found:
            middle = math.exp(sum(map(math.log, found)) / len(found))
            print(f"{title}: geometric mean {middle:.2f}, of {len(found)} calls"
                  f" {sum(one > 1 for one in found)} above 1, {sum(one > 2 for one in found)}"
                  f" above 2, {sum(one > 3 for one in found)} above 3")  # fmt: skip


if __name__ == "__main__":
    main([word for word in sys.argv[1:] if not word.startswith("--")])
