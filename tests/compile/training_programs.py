"""Random training programs as people write them: text made from a seed, run with any torch.

A program is a function `main(t, wrap, data)`: it makes a network of random parts, an optimiser and
a schedule, trains for some calls with events in between (a smaller batch, evaluation, a state
that is saved and loaded, a frozen layer, a changed rate), and gives what can be seen as a list of
(label, value). `wrap` compiles or does nothing; `data` draws inputs.
"""

# ruff: noqa: E501  (tables of templates, as long as they are)
from __future__ import annotations

import copy
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from training_parts import (
    ACTIVATIONS,
    AFTER,
    BEFORE,
    CLASS_LOSSES,
    CLIPS,
    EMBEDDINGS,
    ENDING,
    ENDS,
    EVENTS,
    HEAD,
    IMAGE,
    OPTIMISERS,
    SCHEDULES,
    SEQUENCE,
    SETUP,
    STEPS,
    VECTOR,
    WRAPPINGS,
)  # fmt: skip


def _indented(text: str, depth: int) -> str:
    return "".join("    " * depth + line + "\n" for line in text.split("\n") if line)


class Writer:
    """Writes the program of a seed."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng([seed, 11])
        self.kind = str(self.pick(["vector", "image", "sequence", "tokens"]))
        self.made: list[str] = []
        self.done: list[str] = []
        self.parts = 0
        self.width = int(self.pick([2, 3, 4]))

    def pick(self, things: Any) -> Any:
        return things[int(self.rng.integers(len(things)))]

    def chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    def part(self, table: str) -> None:
        """One more part of the network: its line in __init__ and its line in forward."""
        made, done, after = self.pick(table.split("\n")).split("|")
        wide, name = int(self.pick([2, 3, 4, 5])), f"part{self.parts}"
        self.parts += 1
        now = {"N": wide, "C": self.width}.get(after)
        now = eval(after, {"C": self.width}) if now is None else now
        if now > 12:
            return
        for text, lines in ((made, self.made), (done, self.done)):
            if text != "pass":
                lines.append(_named(text, name, self.width, wide, self.pick(ACTIVATIONS)))
        self.width = now

    def network(self) -> str:
        start, self.embedding = self.width, ""
        if self.kind == "tokens":
            self.embedding = self.pick(EMBEDDINGS).replace("C", str(self.width))
            self.made.append(f"self.embedding = {self.embedding}")
            self.done.append("h = self.embedding(h)")
        tables = {"vector": VECTOR, "image": IMAGE, "sequence": SEQUENCE, "tokens": SEQUENCE}
        for _ in range(int(self.rng.integers(1, 5))):
            self.part(tables[self.kind])
        if self.kind != "vector":
            self.done.append(
                self.pick(ENDS["image" if self.kind == "image" else "sequence"].split("|"))
            )
            for _ in range(int(self.rng.integers(0, 3))):
                self.part(VECTOR)
        self.made.append(f"self.head = nn.Linear({self.width}, 3)")
        if self.kind == "tokens" and self.width == start and self.chance(0.5):
            self.made.append(
                f"self.out = nn.Linear({self.width}, 9, bias=False); self.out.weight = self.embedding.weight"
            )
            self.done.append("h = self.head(h) + self.out(h)[:, :3]")
        else:
            self.done.append("h = self.head(h)")
        return ("    class Net(nn.Module):\n        def __init__(self):\n            super().__init__()\n"
                + _indented("\n".join(self.made), 3) + "        def forward(self, h):\n"
                + _indented("\n".join(self.done), 3) + "            return h\n")  # fmt: skip

    def inputs(self) -> str:
        shape = {"vector": f"(n, {self.start})", "image": f"(n, {self.start}, 6, 5)",
                 "sequence": f"(n, 5, {self.start})", "tokens": "(n, 5)"}[self.kind]  # fmt: skip
        drawn = "data(seed, shape, 9)" if self.kind == "tokens" else "data(seed, shape, 0)"
        return (
            f"    def data_x(n, seed):\n        shape = {shape}\n        return t.tensor({drawn}"
            + (")" if self.kind == "tokens" else ", dtype=DT)")
            + "\n    def data_y(n, seed):\n        return t.tensor(data(seed + 1000, (n,), 3))\n"
        )

    def optimiser(self) -> tuple[str, str]:
        text = self.pick(OPTIMISERS.replace("\n", "|").split("|"))
        groups = self.pick([
            "net.parameters()", "net.parameters()", "[p for p in net.parameters() if p.ndim > 1] + [p for p in net.parameters() if p.ndim <= 1]",
            "[{'params': [p for p in net.parameters() if p.ndim > 1]}, {'params': [p for p in net.parameters() if p.ndim <= 1], 'lr': 0.02, 'weight_decay': 0.0}]",
            "[{'params': list(net.head.parameters()), 'lr': 0.03}, {'params': [p for k, p in net.named_parameters() if 'head' not in k]}]",
            "net.named_parameters()",
        ])  # fmt: skip
        schedule = self.pick(SCHEDULES.replace("\n", "|").split("|")) if self.chance(0.5) else ""
        return f"t.optim.{text.replace('P', groups, 1)}", schedule

    def step(self) -> str:
        kinds = list(STEPS)
        kind = "plain" if self.chance(0.3) else self.pick(kinds)
        self.step_kind = kind
        body = [self.pick(BEFORE), STEPS[kind], self.pick(CLIPS)]
        body.append("scaler.step(opt)\nscaler.update()" if kind == "scaled" else "opt.step()")
        if self.schedule and self.inside:
            body.append("schedule.step(loss)" if "Plateau" in self.schedule else "schedule.step()")
        body += [self.pick(AFTER), "return loss"]
        return "    def step(x, y):\n" + _indented("\n".join(body), 2)

    def drive(self) -> str:
        calls = int(self.rng.integers(5, 9))
        lines, sizes = ["kept = keptopt = None"], [6, 6, 6, 6, 4, 3]
        events = EVENTS.split("\n")
        events = [e.replace("\\n", "\n") for e in events]
        for k in range(calls):
            size = self.pick(sizes)
            lines.append(f"seen('loss {k}', step(data_x({size}, {k}), data_y({size}, {k})))")
            if self.schedule and not self.inside:
                told = f"{1 / (k + 1)}" if "Plateau" in self.schedule else ""
                lines.append(f"schedule.step({told})")
            if self.chance(0.45):
                event = self.pick(events)
                if event.startswith("net.load") and not any(
                    x.startswith("kept =") and "deepcopy" in x for x in lines
                ):
                    event = "kept = copy.deepcopy(net.state_dict()); keptopt = copy.deepcopy(opt.state_dict())"
                lines.append(event)
        return _indented("\n".join(lines), 1)

    def text(self) -> str:
        self.start = self.width
        network = self.network()
        optimiser, self.schedule = self.optimiser()
        self.inside = self.chance(0.5)
        wrapping = self.pick(WRAPPINGS)
        frozen = self.pick(["", "", "", "next(net.parameters()).requires_grad_(False)"])
        loss = self.pick(CLASS_LOSSES.replace("\n", "|").split("|"))
        setup = SETUP.format(
            frozen=frozen or "pass", optimiser=optimiser, loss=loss,
            schedule=f"schedule = S.{self.schedule}" if self.schedule else "pass",
        )  # fmt: skip
        step = self.step()
        middle = (
            [_indented(wrapping, 1), step] if "net" in wrapping else [step, _indented(wrapping, 1)]
        )
        evaluate = "evaluate = wrap(evaluate)" if self.chance(0.5) else ""
        return "".join([HEAD, network, self.inputs(), _indented(setup, 1), *middle,
                        _indented(evaluate, 1), self.drive(), _indented(ENDING, 1)])  # fmt: skip


def _named(text: str, name: str, width: int, wide: int, activation: str) -> str:
    """Capital letters on their own replaced: A, C, N; and @."""
    out, padded = [], f" {text} "
    names = {"A": activation, "C": str(width), "N": str(wide)}
    for k, c in enumerate(text):
        before, after = padded[k], padded[k + 2]
        alone = not (before.isalnum() or after.isalnum() or before in "._'" or after == "_")
        out.append(names[c] if c in names and alone else c)
    return re.sub("(?<! )@", name, "".join(out)).replace("\\n", "\n")


def program(seed: int) -> str:
    """The text of a seed's program."""
    return Writer(seed).text()


def inputs(noise: float) -> Callable[[int, tuple[int, ...], int], Any]:
    """Numbers by seed: whole ones below `below`, or normal ones, moved by a share of noise."""

    def data(seed: int, shape: tuple[int, ...], below: int) -> Any:
        rng = np.random.default_rng([seed, 3])
        if below:
            return rng.integers(0, below, shape).tolist()
        x = rng.standard_normal(shape)
        return (x * (1 + noise * np.random.default_rng(seed).standard_normal(shape))).tolist()

    return data


def play(
    text: str, t: Any, wrap: Callable[[Any], Any], dtype: str, file: str, noise: float = 0.0
) -> list[tuple[str, Any]]:
    """What a program's run shows: labels and arrays."""
    space: dict[str, Any] = {"copy": copy}
    exec(compile(text, "<program>", "exec"), space)
    usual = t.get_default_dtype()
    t.set_default_dtype(getattr(t, dtype))
    try:
        log = space["main"](t, wrap, inputs(noise), getattr(t, dtype), file)
    finally:
        t.set_default_dtype(usual)
    return [
        (label, np.array(x.tolist() if x.dtype == t.bfloat16 else x.numpy())) for label, x in log
    ]


def difference(
    found: list[tuple[str, Any]],
    wanted: list[tuple[str, Any]],
    moved: list[tuple[str, Any]],
    near: float,
) -> str:
    """Where two runs part, as a sentence; `moved` is a run on moved inputs, for the tolerance."""
    labels = [label for label, _ in wanted]
    if [label for label, _ in found] != labels:
        return f"seen: {[label for label, _ in found]}, not {labels}"
    for (label, a), (_, b), (_, c) in zip(found, wanted, moved):
        if a.shape != b.shape or a.dtype != b.dtype:
            return f"{label}: {a.dtype}{a.shape}, not {b.dtype}{b.shape}"
        if b.dtype.kind != "f":
            same = np.array_equal(a, b)
        elif not np.isfinite(b).all():
            same = np.array_equal(np.isfinite(a), np.isfinite(b))
        else:
            shaky = float(np.abs(b - c).max(initial=0))
            if not shaky < 1e-3 * (1 + np.abs(b).max(initial=0)):
                return ""  # what follows says nothing
            same = np.allclose(a, b, 0, near * (0.1 + np.abs(b).max(initial=0)) + 1000 * shaky)
        if not same:
            return f"{label}: {a.ravel()[:5]}, not {b.ravel()[:5]}"
    return ""


def tolerances(seed: int, text: str) -> tuple[str, float, float]:
    """The data type of a seed's run, how near numbers come, and how far inputs are moved."""
    dtype = "float32" if seed % 5 == 4 else "float64"
    near = 3e-2 if "autocast" in text else 1e-4 if dtype == "float32" else 1e-10
    return dtype, near, 3e-7 if dtype == "float32" else 1e-12
