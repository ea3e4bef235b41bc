"""Steps with a Python part, as people write them: what calls leave behind, programs must leave."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rushlight as torch
from rushlight import nn

F = nn.functional
Made = tuple[Callable[..., Any], Any]  # a step, and what gives the state that it changes
CASES: dict[str, tuple[int, Callable[[Any], Made]]] = {}
COUNT, TOTAL, LOG = 0, 0.0, []  # type: ignore[var-annotated]  # of anything


def case(programs: int) -> Callable[[Callable[[Any], Made]], Callable[[Any], Made]]:
    """A case, and how many programs its calls with batches of two sizes make."""

    def add(make: Callable[[Any], Made]) -> Callable[[Any], Made]:
        CASES[make.__name__] = programs, make
        return make

    return add


class World:
    """A net and what trains it."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 2))
        self.opt: Any = torch.optim.SGD(self.net.parameters(), lr=0.1)
        self.calls, self.total, self.beta = 0, 0.0, 1.0
        self.last: Any = None
        self.losses: list[Any] = []
        self.epochs: list[Any] = []

    def train(self, x: Any, y: Any) -> Any:
        self.opt.zero_grad()
        loss = F.mse_loss(self.net(x), y)
        loss.backward()
        self.opt.step()
        return loss


class Meter:
    def __init__(self) -> None:
        self.val = self.avg = self.sum = self.count = 0

    def update(self, val: Any, n: int = 1) -> None:
        self.val = val
        self.sum += val * n
        self.count += n
        self.avg = self.sum / self.count


class Trainer:
    """What keeps count of its steps, as in many a tutorial."""

    def __init__(self, world: World) -> None:
        self.world, self.step, self.meter = world, 0, Meter()
        self.history: dict[str, Any] = {"loss": [], "pair": []}
        self.best = torch.tensor(1e9)

    def train(self, x: Any, y: Any) -> Any:
        loss = self.world.train(x, y)
        self.step += 1
        self.meter.update(loss.item(), x.size(0))
        self.history["loss"].append(loss.detach())
        self.history["pair"].append((self.step, {"loss": loss.item()}))
        self.best = torch.minimum(self.best, loss.detach())
        return {"loss": loss.item(), "average": self.meter.avg, "step": self.step}


class Counting(nn.Module):
    """A layer that counts its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.calls = nn.Linear(4, 4), 0

    def forward(self, x: Any) -> Any:
        self.calls += 1
        return self.layer(x)


@case(2)
def returned(w: Any) -> Made:
    return lambda x, y: w.train(x, y).item(), None


@case(2)
def several(w: Any) -> Made:
    def step(x: Any, y: Any) -> Any:
        loss = w.train(x, y)
        count = (x > 0).sum()
        return loss.item(), count.item(), x.double().mean().item(), [loss, {"of": loss.item()}]

    return step, None


@case(2)
def computed(w: Any) -> Made:
    def step(x: Any, y: Any) -> Any:
        loss, right = w.train(x, y).item(), (x > 0).sum().item()
        return (
            loss * len(x), 1 - loss, -loss, abs(-loss), loss / 3, 3 * loss + loss, loss - right,
            round(loss, 2), right * 2 - 3, 100.0 * right / x.numel(), -right, +loss,
        )  # fmt: skip

    return step, None


@case(2)
def of_extremes(w: Any) -> Made:
    def step(x: Any, y: Any) -> Any:
        big = x.sum() * 1e38 * 1e38
        return big.item(), (big - big).item(), big.item() * 0, (x.sum() * 0 - 0.0).item() + 1

    return step, None


@case(2)
def in_tensors(w: Any) -> Made:
    def step(x: Any, y: Any) -> Any:
        loss = w.train(x, y).item()
        return x * loss + (1 - loss) * y.mean(), loss

    return step, None


@case(2)
def appended(w: Any) -> Made:
    losses: list[Any] = []
    return lambda x, y: losses.append(w.train(x, y).item()), lambda: losses


@case(2)
def appended_tensors(w: Any) -> Made:
    def step(x: Any, y: Any) -> Any:
        loss = w.train(x, y)
        LOG.append(loss.detach())
        LOG.append((x.shape[0], loss, x, w.net[0].bias.detach().clone()))
        return loss

    LOG.clear()
    return step, lambda: LOG


@case(2)
def attributes(w: Any) -> Made:
    def step(x: Any, y: Any) -> Any:
        loss = w.train(x, y)
        w.calls += 1
        w.total += loss.item() * x.size(0)
        w.losses.append(loss.item())
        return loss

    return step, lambda: w


@case(2)
def enclosing(w: Any) -> Made:
    count, total = 0, 0.0

    def step(x: Any, y: Any) -> Any:
        nonlocal count, total
        loss = w.train(x, y)
        count += 1
        total += loss.item()
        return total / count

    return step, lambda: (count, total)


@case(2)
def of_the_module(w: Any) -> Made:
    global COUNT, TOTAL
    COUNT, TOTAL = 0, 0.0

    def step(x: Any, y: Any) -> Any:
        global COUNT, TOTAL
        COUNT += 1
        TOTAL = TOTAL + w.train(x, y).item()

    return step, lambda: (COUNT, TOTAL)


@case(2)
def items(w: Any) -> Made:
    state: dict[str, Any] = {"step": 0, "total": 0.0}
    sums, logs = [0, 0.0], {}  # type: ignore[var-annotated]  # of anything

    def step(x: Any, y: Any) -> Any:
        loss = w.train(x, y)
        state["step"] += 1
        state["total"] += loss.item()
        sums[0] += x.size(0)
        sums[1] += loss.item()
        logs["loss"], logs["item"] = loss.detach(), loss.item()
        return loss

    return step, lambda: (state, sums, logs)


@case(2)
def a_meter(w: Any) -> Made:
    meter = Meter()

    def step(x: Any, y: Any) -> Any:
        meter.update(w.train(x, y).item(), x.size(0))
        return meter.avg

    return step, lambda: meter


@case(2)
def a_trainer(w: Any) -> Made:
    trainer = Trainer(w)
    return trainer.train, lambda: trainer


@case(3)
def every_third(w: Any) -> Made:
    def step(x: Any, y: Any) -> Any:
        loss = w.train(x, y)
        w.calls += 1
        if w.calls % 3 == 0:
            w.losses.append(loss.item())
        return loss

    return step, lambda: w


@case(2)
def counts_in_tensors(w: Any) -> Made:
    def step(x: Any, y: Any) -> Any:
        w.calls += 1
        w.beta *= 0.9
        torch.add(x, y.mean(), alpha=1 / (1 - 0.9**w.calls))
        return w.train(x, y) * w.calls / (1 - w.beta), x * w.calls, w.calls, x.add(x, alpha=w.beta)

    return step, lambda: w


@case(2)
def a_layer_that_counts(w: Any) -> Made:
    layer = Counting()
    return lambda x, y: w.train(layer(x).detach(), y), lambda: layer.calls


@case(2)
def accumulated(w: Any) -> Made:
    def step(x: Any, y: Any) -> Any:
        total = 0.0
        for _ in range(4):
            total += w.train(x, y).item() / 4
        return total

    return step, None


@case(2)
def new_lists_for_epochs(w: Any) -> Made:
    def ends() -> Any:
        if len(w.losses) > 2:
            w.epochs.append(sum(w.losses) / len(w.losses))
            w.losses = []
        return w

    return lambda x, y: w.losses.append(w.train(x, y).item()), ends


@case(2)
def the_last_one(w: Any) -> Made:
    def step(x: Any, y: Any) -> Any:
        loss = w.train(x, y)
        w.last = loss.item()
        return loss

    return step, lambda: w


@case(2)
def taken_apart(w: Any) -> Made:
    """What changes its kind on the way."""

    def step(x: Any, y: Any) -> Any:
        w.calls += 1
        return x * w.calls

    def sometimes() -> Any:
        if w.calls == 5:
            w.calls = 2.5
        elif w.calls == 4.5:
            w.calls = 7
        return w

    return step, sometimes


@case(4)
def a_branch(w: Any) -> Made:
    w.best = 9.0

    def step(x: Any, y: Any) -> Any:
        loss = w.train(x, y)
        if loss.item() < w.best:
            w.best = loss.item()
        return w.best

    return step, lambda: w


@case(2)
def a_text(w: Any) -> Made:
    def step(x: Any, y: Any) -> Any:
        loss = w.train(x, y).item()
        w.losses.append((loss, f"{loss:.1f}"))
        return loss

    return step, lambda: w


@case(2)
def added_to(w: Any) -> Made:
    pairs: list[Any] = []

    def step(x: Any, y: Any) -> Any:
        nonlocal pairs
        loss = w.train(x, y)
        w.losses += [loss.item(), len(x)]
        w.epochs += ["epoch"] * 2
        pairs += ((w.calls, loss.detach()),)
        w.history["loss"] += [round(loss.item() * 2, 3)]
        return loss

    w.history = {"loss": []}
    return step, lambda: (w, pairs)


@case(0)
def added_to_and_read(w: Any) -> Made:
    def step(x: Any, y: Any) -> Any:
        w.losses += [w.train(x, y).item()]
        return max(w.losses)

    return step, lambda: w


@case(2)
def sums_added_to(w: Any) -> Made:
    w.total, w.shape = 0.0, torch.zeros(2)

    def step(x: Any, y: Any) -> Any:
        loss = w.train(x, y)
        w.total += loss.item()
        w.shape += loss.detach()
        return w.total

    return step, lambda: w


@case(0)
def read_and_grown(w: Any) -> Made:
    def step(x: Any, y: Any) -> Any:
        w.losses.append(w.train(x, y).item())
        return sum(w.losses) / len(w.losses)

    return step, lambda: w


@case(0)
def its_type(w: Any) -> Made:
    return lambda x, y: (type(w.train(x, y).item()) is float, x), None


@case(2)
def divided_by_it(w: Any) -> Made:
    def step(x: Any, y: Any) -> Any:
        w.losses.append(1 / w.train(x, y).item())

    return step, lambda: w


@case(0)
def in_another_library(w: Any) -> Made:
    import json

    return lambda x, y: json.dumps({"loss": round(w.train(x, y).item(), 3)}), None
