"""Steps that tell the world of a run, as people write them: programs must say what they say.

A case makes a step of `train`, which gives a number of later for a tensor, and of a list `heard`.
Assertions would be written anew by the test runner: code is looked up in its file.
"""

# ruff: noqa: UP031, UP032  # texts are written in all of Python's ways

from __future__ import annotations

import collections
import csv
import io
import logging
import sys
import warnings
from collections.abc import Callable
from typing import Any

import rushlight as torch

Step = Callable[[Any], Any]
CASES: dict[str, tuple[int, Callable[[Any], Step]]] = {}


def case(programs: int) -> Callable[[Callable[[Any], Step]], Callable[[Any], Step]]:
    """A case, and how many programs its calls make."""

    def add(make: Callable[[Any], Step]) -> Callable[[Any], Step]:
        CASES[make.__name__] = programs, make
        return make

    return add


class World:
    """A weight that is trained, and a place for what is kept."""

    def __init__(self) -> None:
        self.w = torch.tensor([0.5, -1.5], requires_grad=True)
        self.opt: Any = torch.optim.SGD([self.w], lr=0.125)
        self.file, self.heard, self.steps = io.StringIO(), [], 0  # type: ignore[var-annotated]  # anything
        self.window: collections.deque[Any] = collections.deque(maxlen=3)

    def train(self, x: Any) -> Any:
        self.opt.zero_grad()
        loss = ((self.w * x) ** 2).mean()
        loss.backward()
        self.opt.step()
        return loss


class Meter:
    """An average that writes itself."""

    def __init__(self, name: str) -> None:
        self.name, self.total, self.count = name, 0.0, 0

    def update(self, value: Any) -> None:
        self.total += value
        self.count += 1

    def __str__(self) -> str:
        return f"{self.name} {self.total / 4:.3f} of {self.count}"


class Odd:
    def __repr__(self) -> str:
        return "odd"


ODD = Odd()


@case(1)
def printed(w: Any) -> Step:
    def step(x: Any) -> Any:
        loss = w.train(x)
        print("loss", loss.item(), loss, sep="|", end=";\n")
        print(f"{loss.item():.4f} {loss:8.2e}!{x.shape} {loss.item()!r:.6}")
        print("%5.1f%% %d %s" % (loss.item(), 3, loss.item()), "{:.2f}, {k}".format(loss, k=1))
        print(
            ", ".join(f"{k}: {v:.3f}" for k, v in {"a": loss.item(), "b": loss.item() / 2}.items())
        )
        print(str(loss.item()).rjust(24) + "|", format(loss.item(), "+.2f"), flush=True)
        return loss

    return step


@case(1)
def in_order(w: Any) -> Step:
    """Tensors are shown as they were at the line that shows them."""

    def step(x: Any) -> Any:
        print("before", w.w.detach(), file=sys.stderr)
        loss = w.train(x)
        print("after", w.w.detach(), w.w.grad, [loss.item(), {"x": (1, loss.item())}])
        return loss

    return step


@case(2)
def now_and_then(w: Any) -> Step:
    def step(x: Any) -> Any:
        w.steps += 1
        loss = w.train(x)
        if w.steps % 2 == 0:
            print("[%d, %5d] loss: %.3f" % (1, w.steps, loss.item()))
        return loss

    return step


@case(1)
def asked_before(w: Any) -> Step:
    def step(x: Any) -> Any:
        print("begins")
        loss = w.train(x)
        if loss.item() > 1e6:
            print("too large", loss.item())
        print("goes on", loss.item())
        return loss

    return step


@case(1)
def meters(w: Any) -> Step:
    found = [Meter("loss"), Meter("double")]

    def step(x: Any) -> Any:
        loss = w.train(x)
        found[0].update(loss.item())
        found[1].update(2 * loss.item())
        print("\t".join([str(one) for one in found]), found[0], f"{found[1]:}")

    return step


@case(1)
def records(w: Any) -> Step:
    log = logging.getLogger("rushlight.tests.late")

    def step(x: Any) -> Any:
        loss = w.train(x)
        log.info("loss %.3f", loss.item())
        log.debug("unseen %s", loss)
        log.warning(f"again {loss:.3f}", extra={"of": "late"})

    return step


@case(1)
def written(w: Any) -> Step:
    rows, file = csv.writer(w.file), w.file

    def step(x: Any) -> Any:
        loss = w.train(x)
        w.steps += 1
        rows.writerow([w.steps, round(loss.item(), 3), "train"])
        file.write("# %.2f\n" % loss.item())
        sys.stdout.write(f"\r{loss.item():.3f}")

    return step


@case(1)
def printed_to_files(w: Any) -> Step:
    file = w.file

    def step(x: Any) -> Any:
        loss = w.train(x)
        print("loss", loss.item(), file=file)
        print(f"{loss.item():.3f}", 1, sep="|", file=w.file, flush=True, end=f"{len(x)};")
        print("on", loss, file=sys.stderr)

    return step


@case(1)
def levels(w: Any) -> Step:
    log = logging.getLogger("rushlight.tests.late")

    def step(x: Any) -> Any:
        loss = w.train(x)
        if log.isEnabledFor(logging.INFO):
            log.info("loss %.3f", loss.item())
        if log.isEnabledFor(logging.DEBUG):
            log.debug("never %.3f", loss.item())
        logging.getLogger("rushlight.tests.late").warning("again %s", loss.item())

    return step


@case(1)
def grown(w: Any) -> Step:
    window, heard = w.window, w.heard

    def step(x: Any) -> Any:
        loss = w.train(x).item()
        window.append(loss)
        heard.extend([loss, "and", 2 * loss])
        return loss

    return step


# --- what stays eager, and right


@case(1)
def parts_of_texts(w: Any) -> Step:
    def step(x: Any) -> Any:
        loss = w.train(x)
        text = str(loss.item())
        print("loss " + text[:3], f"{loss.item():.6f}"[:-2].replace(".", ",") + "|", text[::-1])
        print(("%8.3f" % loss.item()) * 2, 2 * text, text.zfill(9).title().removesuffix("0"))
        return loss

    return step


@case(0)
def asked_of_texts(w: Any) -> Step:
    def step(x: Any) -> Any:
        text = f"{w.train(x).item():.3f}"
        print(text in "0.5 0.25", int(text.replace(".", "")), len(text), sorted([text, "z"]))
        return float(text)

    return step


@case(0)
def read_again(w: Any) -> Step:
    window = w.window

    def step(x: Any) -> Any:
        window.append(w.train(x).item())
        print(sum(window) / len(window))

    return step


@case(0)
def files_that_are_read(w: Any) -> Step:
    file = w.file

    def step(x: Any) -> Any:
        loss = w.train(x)
        print(loss.item(), file=file)
        return len(file.getvalue())

    return step


@case(0)
def files_for_others(w: Any) -> Step:
    file = w.file

    def step(x: Any) -> Any:
        loss = w.train(x)
        print(loss.item(), file=file)
        warnings.showwarning(f"{loss.item()}", UserWarning, "a", 1, file=file)

    return step


@case(0)
def of_all_kinds(w: Any) -> Step:
    def step(x: Any) -> Any:
        loss = w.train(x)
        print(loss.item(), ODD)

    return step
