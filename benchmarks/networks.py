"""Steps of networks as users write them: `python benchmarks/networks.py [NAME ...]`.

Each network and its loop body are written once, against torch's names, and run on torch, on
rushlight and through rushlight.compile in turn: one thread, process time, medians. The losses of
the first steps are compared before anything is timed.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import torch

import rushlight

SECONDS = 4.0


class Case(NamedTuple):
    """A network, its batch, the loss of both, and the optimiser of its parameters."""

    net: Callable[[], Any]
    batch: Callable[[], tuple[Any, ...]]
    loss: Callable[..., Any]
    optimizer: Callable[[Any], Any]


def convolved(t: Any, before: int, after: int) -> list[Any]:
    nn = t.nn
    return [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU()]


def gpt(t: Any) -> Case:
    nn, width, heads = t.nn, 128, 4

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
            self.parts, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.mlp = nn.Sequential(
                nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
            )

        def forward(self, x: Any) -> Any:
            batch, length, _ = x.shape
            query, key, value = (
                part.view(batch, length, heads, -1).transpose(1, 2)
                for part in self.parts(self.first(x)).split(width, dim=2)
            )
            y = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
            x = x + self.out(y.transpose(1, 2).contiguous().view(batch, length, width))
            return x + self.mlp(self.second(x))

    class Gpt(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.places = nn.Embedding(65, width), nn.Embedding(64, width)
            self.blocks, self.last = nn.ModuleList(Block() for _ in range(4)), nn.LayerNorm(width)
            self.head = nn.Linear(width, 65, bias=False)
            self.head.weight = self.words.weight

        def forward(self, tokens: Any) -> Any:
            x = self.words(tokens) + self.places(t.arange(tokens.shape[1]))
            for block in self.blocks:
                x = block(x)
            return self.head(self.last(x))

    return Case(
        Gpt, lambda: (t.randint(0, 65, (16, 64)), t.randint(0, 65, (16, 64))),
        lambda net, x, y: nn.functional.cross_entropy(net(x).view(-1, 65), y.view(-1)),
        lambda params: t.optim.AdamW(params, 1e-3),
    )  # fmt: skip


def unet(t: Any, width: int = 16) -> Case:
    nn = t.nn

    def twice(before: int, after: int) -> Any:
        return nn.Sequential(*convolved(t, before, after), *convolved(t, after, after))

    class Unet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = (
                twice(*n) for n in ((3, width), (width, 2 * width), (2 * width, 4 * width))
            )
            self.up, self.d = nn.ConvTranspose2d(4 * width, 2 * width, 2, 2), twice(64, 32)
            self.more, self.e = nn.ConvTranspose2d(2 * width, width, 2, 2), twice(32, 16)
            self.out, self.pool = nn.Conv2d(width, 1, 1), nn.MaxPool2d(2)

        def forward(self, x: Any) -> Any:
            a = self.a(x)
            b = self.b(self.pool(a))
            d = self.d(t.cat([self.up(self.c(self.pool(b))), b], 1))
            return self.out(self.e(t.cat([self.more(d), a], 1)))

    return Case(
        Unet, lambda: (t.randn(4, 3, 64, 64), (t.rand(4, 1, 64, 64) > 0.5).float()),
        lambda net, x, y: nn.functional.binary_cross_entropy_with_logits(net(x), y),
        lambda params: t.optim.Adam(params, 1e-3),
    )  # fmt: skip


def vae(t: Any) -> Case:
    nn, f = t.nn, t.nn.functional

    class Vae(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.down, self.mean, self.spread = (
                nn.Linear(784, 400), nn.Linear(400, 20), nn.Linear(400, 20),
            )  # fmt: skip
            self.up, self.out = nn.Linear(20, 400), nn.Linear(400, 784)

        def forward(self, x: Any) -> Any:
            h = f.relu(self.down(x))
            mean, spread = self.mean(h), self.spread(h)
            z = mean + t.randn_like(mean) * t.exp(0.5 * spread)
            return t.sigmoid(self.out(f.relu(self.up(z)))), mean, spread

    def loss(net: Any, x: Any) -> Any:
        y, mean, spread = net(x)
        apart = -0.5 * t.sum(1 + spread - mean.pow(2) - spread.exp())
        return f.binary_cross_entropy(y, x, reduction="sum") + apart

    return Case(Vae, lambda: (t.rand(128, 784),), loss, lambda params: t.optim.Adam(params, 1e-3))


def recommender(t: Any) -> Case:
    nn = t.nn

    class Recommender(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.users, self.items = nn.Embedding(5000, 32), nn.Embedding(5000, 32)
            self.net = nn.Sequential(
                nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 1)
            )

        def forward(self, user: Any, item: Any) -> Any:
            return self.net(t.cat([self.users(user), self.items(item)], 1)).squeeze(1)

    return Case(
        Recommender,
        lambda: (t.randint(0, 5000, (512,)), t.randint(0, 5000, (512,)), t.rand(512)),
        lambda net, user, item, y: nn.functional.mse_loss(net(user, item), y),
        lambda params: t.optim.Adam(params, 1e-3),
    )


def texts(t: Any) -> Case:
    nn = t.nn

    class Texts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(5000, 100)
            self.layer = nn.LSTM(
                100, 100, 2, bidirectional=True, batch_first=True, dropout=0.2
            )  # fmt: skip
            self.out = nn.Linear(200, 2)

        def forward(self, x: Any) -> Any:
            return self.out(self.layer(self.words(x))[0].mean(1))

    return Case(
        Texts, lambda: (t.randint(0, 5000, (32, 60)), t.randint(0, 2, (32,))),
        lambda net, x, y: nn.functional.cross_entropy(net(x), y),
        lambda params: t.optim.Adam(params, 1e-3),
    )  # fmt: skip


def sequences(t: Any) -> Case:
    return Case(
        lambda: t.nn.Transformer(64, 4, 2, 2, 128, dropout=0.1, batch_first=True),
        lambda: (t.randn(16, 20, 64), t.randn(16, 22, 64)),
        lambda net, x, y: net(x, y).pow(2).mean(), lambda params: t.optim.Adam(params, 1e-3),
    )  # fmt: skip


def images(t: Any) -> Case:
    nn = t.nn

    def net() -> Any:
        parts: list[Any] = []
        for before, after in ((3, 32), (32, 64), (64, 128)):
            parts += [*convolved(t, before, after), *convolved(t, after, after), nn.MaxPool2d(2)]
        return nn.Sequential(*parts, nn.Flatten(), nn.Dropout(0.3), nn.Linear(2048, 10))

    return Case(
        net, lambda: (t.randn(32, 3, 32, 32), t.randint(0, 10, (32,))),
        lambda net, x, y: nn.functional.cross_entropy(net(x), y),
        lambda params: t.optim.SGD(params, 0.01, momentum=0.9, weight_decay=1e-4),
    )  # fmt: skip


def generator(t: Any) -> Case:
    nn = t.nn

    def net() -> Any:
        return nn.Sequential(
            nn.ConvTranspose2d(64, 128, 4, 1, 0, bias=False), nn.BatchNorm2d(128), nn.ReLU(),
            nn.ConvTranspose2d(128, 64, 4, 2, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
            nn.ConvTranspose2d(64, 3, 4, 2, 1), nn.Tanh(),
        )  # fmt: skip

    return Case(net, lambda: (t.randn(32, 64, 1, 1),), lambda net, x: net(x).pow(2).mean(),
                lambda params: t.optim.Adam(params, 1e-3))  # fmt: skip


def table(t: Any) -> Case:
    nn = t.nn

    def net() -> Any:
        parts = [nn.Linear(100, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Dropout(0.1)]
        more = [nn.Linear(256, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Linear(256, 1)]
        return nn.Sequential(*parts, *more)

    return Case(net, lambda: (t.randn(64, 100), t.randn(64, 1)),
                lambda net, x, y: nn.functional.mse_loss(net(x), y),
                lambda params: t.optim.Adam(params, 1e-3))  # fmt: skip


def course(t: Any, net: Callable[[], Any]) -> Case:
    """A network of the course on its pictures: 224x224, one channel, batch 128."""
    return Case(
        net, lambda: (t.randn(128, 1, 224, 224), t.randint(0, 10, (128,))),
        lambda net, x, y: t.nn.functional.cross_entropy(net(x), y),
        lambda params: t.optim.SGD(params, 0.01),
    )  # fmt: skip


def alexnet(t: Any) -> Case:
    nn = t.nn

    def net() -> Any:
        parts: list[Any] = []
        for before, after, kernel, stride, padding, pooled in (
            (1, 96, 11, 4, 1, True), (96, 256, 5, 1, 2, True), (256, 384, 3, 1, 1, False),
            (384, 384, 3, 1, 1, False), (384, 256, 3, 1, 1, True),
        ):  # fmt: skip
            parts += [nn.Conv2d(before, after, kernel, stride, padding), nn.ReLU()]
            parts += [nn.MaxPool2d(3, 2)] if pooled else []
        return nn.Sequential(
            *parts, nn.Flatten(), nn.Linear(6400, 4096), nn.ReLU(), nn.Dropout(0.5),
            nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4096, 10),
        )  # fmt: skip

    return course(t, net)


def vgg11(t: Any) -> Case:
    """VGG-11 with a quarter of the channels, as the course trains it."""
    nn = t.nn

    def net() -> Any:
        parts: list[Any] = []
        before = 1
        for count, after in ((1, 16), (1, 32), (2, 64), (2, 128), (2, 128)):
            for _ in range(count):
                parts += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU()]
                before = after
            parts.append(nn.MaxPool2d(2))
        return nn.Sequential(
            *parts, nn.Flatten(), nn.Linear(128 * 49, 4096), nn.ReLU(), nn.Dropout(0.5),
            nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4096, 10),
        )  # fmt: skip

    return course(t, net)


CASES: dict[str, Callable[[Any], Case]] = {
    "gpt": gpt, "unet": unet, "vae": vae, "recommender": recommender, "texts": texts,
    "sequences": sequences, "images": images, "generator": generator, "table": table,
    "alexnet": alexnet, "vgg11": vgg11,
}  # fmt: skip


LONG = ("alexnet", "vgg11")  # seconds a step


def job(t: Any, case: Case, compiled: bool) -> Callable[[], Any]:
    """One step on a batch that stays, from the same seed."""
    t.manual_seed(0)
    net, batch = case.net(), case.batch()
    optimizer = case.optimizer(net.parameters())

    def step(*batch: Any) -> Any:
        optimizer.zero_grad()
        loss = case.loss(net, *batch)
        loss.backward()
        optimizer.step()
        return loss

    run = rushlight.compile(step) if compiled else step
    return lambda: run(*batch)


def measure(name: str) -> str:
    """A row of the table."""
    losses, times, jobs = {}, {}, {}
    for kind, t in (("torch", torch), ("eager", rushlight), ("compiled", rushlight)):
        jobs[kind] = job(t, CASES[name](t), kind == "compiled")
        losses[kind] = [jobs[kind]().item() for _ in range(3)]
        times[kind] = []
    for kind in ("eager", "compiled"):
        for ours, theirs in zip(losses[kind], losses["torch"], strict=True):
            if abs(ours - theirs) > 1e-3 * abs(theirs):
                raise SystemExit(f"{name}, {kind}: losses {losses[kind]}, torch {losses['torch']}")
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end or len(times["torch"]) < (7 if name not in LONG else 3):
        for kind, run in jobs.items():
            start = time.process_time()
            run()
            times[kind].append(time.process_time() - start)
    found = {kind: 1e3 * statistics.median(each) for kind, each in times.items()}
    ratios = " | ".join(f"{found['torch'] / found[kind]:.2f}x" for kind in ("eager", "compiled"))
    return f"| {name} | {' | '.join(f'{each:.2f}' for each in found.values())} | {ratios} |"


def main() -> None:
    torch.set_num_threads(1)
    rushlight.set_num_threads(1)
    print("| network | torch | eager | compiled | eager over torch | compiled over torch |")
    print("|---|---|---|---|---|---|")
    for name in sys.argv[1:] or CASES:
        print(measure(name), flush=True)


if __name__ == "__main__":
    main()
