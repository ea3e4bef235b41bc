"""Loops of small calls beside torch's, as programs have them: `python benchmarks/small_loops.py`.

One thread, no compiled code. Names of loops may follow. Each loop runs in short turns with torch's
and gives the same numbers; of many turns the least counts, since a neighbour only adds time. With
`--ours` torch is left out, so that two versions of the code can be compared in turns of processes.
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

from timing import settle

import rushlight

Loop = Callable[[], Any]
TURNS = 40


def numbers(t: Any, *shape: int, seed: float = 7.0) -> Any:
    """The same numbers between -1 and 1 for both."""
    count = math.prod(shape)
    return t.tensor([math.sin(seed * k * k + k) for k in range(count)]).reshape(shape)


def filled(t: Any, module: Any) -> Any:
    """A module whose weights both have."""
    with t.no_grad():
        for place, parameter in enumerate(module.parameters()):
            parameter.copy_(numbers(t, *parameter.shape, seed=3.0 + place) * 0.3)
    return module


def decoder(t: Any, width: int, heads: int) -> Any:
    """A layer of a language model whose attention keeps the keys and values of earlier tokens."""
    nn, functional = t.nn, t.nn.functional

    class Layer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.before, self.after = nn.LayerNorm(width), nn.LayerNorm(width)
            self.heads, self.join = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

        def forward(self, x: Any, kept: Any) -> Any:
            batch, length, _ = x.shape
            parts = self.heads(self.before(x)).chunk(3, dim=-1)
            query, key, value = (
                part.view(batch, length, heads, width // heads).transpose(1, 2) for part in parts
            )
            if kept is not None:
                key = t.cat((kept[0], key), dim=2)
                value = t.cat((kept[1], value), dim=2)
            mixed = functional.scaled_dot_product_attention(query, key, value)
            x = x + self.join(mixed.transpose(1, 2).reshape(batch, length, width))
            return x + self.down(functional.gelu(self.up(self.after(x)))), (key, value)

    return Layer()


def generation(t: Any) -> Loop:
    """Twenty tokens of a model of two layers, the likeliest each time."""
    width, heads, words = 32, 4, 50
    nn = t.nn
    layers = nn.ModuleList([decoder(t, width, heads) for _ in range(2)])
    model = nn.ModuleDict({
        "words": nn.Embedding(words, width), "places": nn.Embedding(64, width), "layers": layers,
        "end": nn.LayerNorm(width), "head": nn.Linear(width, words, bias=False),
    })  # fmt: skip
    filled(t, model).eval()

    @t.no_grad()
    def run() -> Any:
        token, kept, found = t.tensor([[1]]), [None] * len(layers), []
        for place in range(20):
            x = model["words"](token) + model["places"](t.tensor([place]))
            for k, layer in enumerate(layers):
                x, kept[k] = layer(x, kept[k])
            scores = model["head"](model["end"](x))[:, -1, :]
            token = t.argmax(t.softmax(scores / 0.8, dim=-1), dim=-1, keepdim=True)
            found.append(token.item())
        return found

    return run


def manual_attention(t: Any) -> Loop:
    """Ten tokens; attention by products, a mask and softmax, the whole text anew each time."""
    width, heads, words = 32, 4, 50
    nn, functional = t.nn, t.nn.functional
    model = nn.ModuleDict({
        "words": nn.Embedding(words, width), "norm": nn.LayerNorm(width),
        "q": nn.Linear(width, width), "k": nn.Linear(width, width), "v": nn.Linear(width, width),
        "join": nn.Linear(width, width), "head": nn.Linear(width, words),
    })  # fmt: skip
    filled(t, model).eval()
    mask = t.tril(t.ones(64, 64))

    def attend(x: Any) -> Any:
        batch, length, _ = x.shape
        y = model["norm"](x)
        q, k, v = (
            model[name](y).view(batch, length, heads, width // heads).transpose(1, 2)
            for name in "qkv"
        )
        scores = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(width // heads))
        scores = scores.masked_fill(mask[:length, :length] == 0, float("-inf"))
        mixed = functional.softmax(scores, dim=-1) @ v
        return x + model["join"](mixed.transpose(1, 2).contiguous().view(batch, length, width))

    def run() -> Any:
        text = t.tensor([[1, 2]])
        with t.no_grad():
            for _ in range(10):
                scores = model["head"](attend(model["words"](text[:, -32:])))[:, -1, :]
                best, _ = t.topk(scores, 5)
                scores[scores < best[:, [-1]]] = -float("inf")
                following = functional.softmax(scores, dim=-1).argmax(-1, keepdim=True)
                text = t.cat((text, following), dim=1)
        return text.tolist()

    return run


def suppression(t: Any) -> Loop:
    """Boxes that overlap a better one are dropped, written by hand."""
    corners = numbers(t, 40, 2).abs() * 100
    sizes = numbers(t, 40, 2, seed=5.0).abs() * 60 + 5
    boxes, scores = t.cat((corners, corners + sizes), dim=1), numbers(t, 40, seed=2.0)

    def run() -> Any:
        x1, y1, x2, y2 = boxes[:, 0], boxes[:, 1], boxes[:, 2], boxes[:, 3]
        areas = (x2 - x1) * (y2 - y1)
        order = scores.argsort(descending=True)
        keep = []
        while order.numel() > 0:
            first = order[0]
            keep.append(first.item())
            if order.numel() == 1:
                break
            rest = order[1:]
            width = (t.minimum(x2[first], x2[rest]) - t.maximum(x1[first], x1[rest])).clamp(min=0)
            height = (t.minimum(y2[first], y2[rest]) - t.maximum(y1[first], y1[rest])).clamp(min=0)
            both = width * height
            overlap = both / (areas[first] + areas[rest] - both)
            order = rest[overlap <= 0.3]
        return keep

    return run


def messages(t: Any, kind: str) -> Loop:
    """A step of training of a network on a graph: neighbours' rows are gathered and added up."""
    nodes, edges, width = 30, 90, 16
    source = t.tensor([(7 * k) % nodes for k in range(edges)])
    target = t.tensor([(11 * k + 3) % nodes for k in range(edges)])
    x, labels = numbers(t, nodes, width), t.tensor([k % 4 for k in range(nodes)])
    first, second = filled(t, t.nn.Linear(width, 16)), filled(t, t.nn.Linear(16, 4))
    weights = [*first.parameters(), *second.parameters()]
    optimizer = t.optim.Adam(weights, lr=0.0)
    degree = t.zeros(nodes).index_add(0, target, t.ones(edges)).clamp(min=1)

    def spread(h: Any) -> Any:
        sent = h[source]
        if kind == "index_add":
            total = t.zeros(nodes, h.shape[1]).index_add(0, target, sent)
        else:
            places = target.unsqueeze(-1).expand_as(sent)
            total = t.zeros_like(h).scatter_add_(0, places, sent)
        return total / degree.unsqueeze(-1)

    def run() -> Any:
        optimizer.zero_grad()
        h = t.relu(spread(first(x)))
        loss = t.nn.functional.cross_entropy(spread(second(h)), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return run


def policy(t: Any) -> Loop:
    """Twenty steps of an agent, and the gradient of its rewards (REINFORCE)."""
    nn = t.nn
    net = filled(t, nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 2)))
    optimizer = t.optim.Adam(net.parameters(), lr=0.0)

    def run() -> Any:
        state, logs, rewards = t.zeros(4), [], []
        for step in range(20):
            chances = t.softmax(net(state), dim=-1)
            choice = t.distributions.Categorical(chances)
            action = t.tensor(step % 2)
            logs.append(choice.log_prob(action))
            state = t.tensor([0.1 * step, 0.2, action.item() * 0.5, 1.0])
            rewards.append(1.0 - 0.1 * action.item())
        returns = t.tensor(rewards)
        returns = (returns - returns.mean()) / (returns.std() + 1e-8)
        optimizer.zero_grad()
        loss = -(t.stack(logs) * returns).sum()
        loss.backward()
        optimizer.step()
        return loss.item()

    return run


def recurrence(t: Any) -> Loop:
    """A gated cell written by hand over ten steps, and its way back."""
    size = 16
    weights = [(numbers(t, 24, size, seed=2.0 + k) * 0.3).requires_grad_() for k in range(3)]
    steps = numbers(t, 10, 4, 8)

    def run() -> Any:
        h = t.zeros(4, size)
        for x in steps:
            both = t.cat((x, h), dim=1)
            keep, reset = t.sigmoid(both @ weights[0]), t.sigmoid(both @ weights[1])
            new = t.tanh(t.cat((x, reset * h), dim=1) @ weights[2])
            h = keep * h + (1 - keep) * new
        loss = (h**2).mean()
        found = t.autograd.grad(loss, weights)
        return [loss.item(), found[0][0, 0].item()]

    return run


def clusters(t: Any) -> Loop:
    """Ten rounds of k-means."""
    points = numbers(t, 60, 2)

    def run() -> Any:
        centres = points[:4].clone()
        for _ in range(10):
            nearest = t.cdist(points, centres).argmin(dim=1)
            for k in range(4):
                mine = points[nearest == k]
                if len(mine) > 0:
                    centres[k] = mine.mean(dim=0)
        return centres.tolist()

    return run


def descent(t: Any) -> Loop:
    """Gradient descent by hand on a curve's three coefficients."""
    x = t.linspace(-1, 1, 50)
    y = t.sin(3 * x)

    def run() -> Any:
        w = t.zeros(3, requires_grad=True)
        for _ in range(20):
            loss = ((w[0] + w[1] * x + w[2] * x**2 - y) ** 2).mean()
            loss.backward()
            with t.no_grad():
                w -= 0.1 * w.grad
                w.grad.zero_()
        return w.tolist()

    return run


def evaluation(t: Any) -> Loop:
    """Ten batches through a small convolutional network; how many are right."""
    nn = t.nn
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 4),
    )  # fmt: skip
    filled(t, net).eval()
    x, labels = numbers(t, 4, 1, 8, 8), t.tensor([0, 1, 2, 3])

    def run() -> Any:
        right, total = 0, 0.0
        with t.no_grad():
            for _ in range(10):
                scores = net(x)
                total += t.nn.functional.cross_entropy(scores, labels).item() * len(x)
                right += (scores.argmax(1) == labels).sum().item()
        return [right, total]

    return run


LOOPS: dict[str, Callable[[Any], Loop]] = {
    "generation, keys and values kept": generation,
    "generation, attention by hand": manual_attention,
    "suppression of boxes": suppression,
    "graph network's step, index_add": lambda t: messages(t, "index_add"),
    "graph network's step, scatter_add_": lambda t: messages(t, "scatter_add"),
    "policy gradient": policy,
    "gated cell by hand": recurrence,
    "k-means": clusters,
    "descent by hand": descent,
    "evaluation, images": evaluation,
}


def same(one: Any, other: Any) -> bool:
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return math.isclose(one, other, rel_tol=1e-3, abs_tol=1e-4)


def timed(run: Loop) -> float:
    """Seconds of a call, the least of three."""
    found = math.inf
    for _ in range(3):
        start = time.perf_counter()
        run()
        found = min(found, time.perf_counter() - start)
    return found


def main(words: list[str]) -> None:
    libraries: list[Any] = [rushlight]
    if "--ours" not in sys.argv:
        import torch

        torch.set_num_threads(1)
        libraries.append(torch)
    settle()
    chosen = [name for name in LOOPS if not words or any(word in name for word in words)]
    runs = {name: [LOOPS[name](t) for t in libraries] for name in chosen}
    least = {name: [math.inf] * len(libraries) for name in chosen}
    for name, both in runs.items():
        results = [run() for run in both]
        assert same(results[0], results[-1]), (name, results)
    gc.collect()
    gc.disable()
    for _ in range(TURNS):
        for name, both in runs.items():
            for place, run in enumerate(both):
                least[name][place] = min(least[name][place], timed(run))
        gc.collect()
    for name, found in least.items():
        ratio = f" / {found[1] * 1e6:.0f} = {found[0] / found[1]:.2f}" if len(found) > 1 else ""
        print(f"{name}: {found[0] * 1e6:.0f}{ratio}")


if __name__ == "__main__":
    main([word for word in sys.argv[1:] if word[:2] != "--"])
