"""Steps with parametrizations, optimised inputs, optimisers of all kinds and schedules."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from hand_steps import Made, case, left, net_of, world


@case
def tied(t: Any, wrap: Any) -> Made:
    table = t.nn.Embedding(7, 4)
    out = t.nn.Linear(4, 7, bias=False)
    out.weight = table.weight
    both = t.nn.ModuleList([table, out])
    opt = t.optim.AdamW(both.parameters(), lr=0.01)

    def step(x: Any, y: Any) -> Any:
        at = (x.abs() * 3).long().clamp(max=6)
        opt.zero_grad()
        loss = t.nn.functional.cross_entropy(out(table(at)).flatten(0, 1), at.flatten().flip(0))
        loss.backward()
        opt.step()
        return loss

    return wrap(step), left(both, opt)


def normed(t: Any, change: Callable[[Any], Any], optimiser: str = "SGD") -> Any:
    net = t.nn.Sequential(change(t.nn.Linear(4, 6)), t.nn.Tanh(), change(t.nn.Linear(6, 2)))
    return net, getattr(t.optim, optimiser)(net.parameters(), lr=0.05)


def plain_case(name: str, make: Callable[[Any], Any]) -> None:
    def built(t: Any, wrap: Any) -> Made:
        net, opt = make(t)

        def step(x: Any, y: Any) -> Any:
            opt.zero_grad()
            loss = t.nn.functional.mse_loss(net(x), y)
            loss.backward()
            opt.step()
            return loss

        return wrap(step), left(net, opt)

    built.__name__ = name
    case(built)


plain_case("old_spectral_norm", lambda t: normed(t, t.nn.utils.spectral_norm))
plain_case("old_weight_norm", lambda t: normed(t, t.nn.utils.weight_norm))
plain_case("spectral_norm", lambda t: normed(t, t.nn.utils.parametrizations.spectral_norm))
plain_case("weight_norm", lambda t: normed(t, t.nn.utils.parametrizations.weight_norm))
plain_case("orthogonal", lambda t: normed(t, t.nn.utils.parametrizations.orthogonal))
plain_case("orthogonal_adam", lambda t: normed(t, t.nn.utils.parametrizations.orthogonal, "Adam"))


@case
def spectral_wrapped(t: Any, wrap: Any) -> Made:
    net, opt = normed(t, t.nn.utils.spectral_norm)
    call = wrap(net)

    def step(x: Any, y: Any) -> Any:
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(call(x), y)
        loss.backward()
        opt.step()
        return loss

    return step, left(net, opt)


@case
def lora(t: Any, wrap: Any) -> Made:
    nn = t.nn

    class Lora(nn.Module):
        def __init__(self, base: Any) -> None:
            super().__init__()
            self.base = base
            base.weight.requires_grad_(False)
            self.a = nn.Parameter(t.randn(2, base.in_features) * 0.1)
            self.b = nn.Parameter(t.zeros(base.out_features, 2))

        def forward(self, x: Any) -> Any:
            return self.base(x) + x @ self.a.T @ self.b.T * 0.5

    net = nn.Sequential(Lora(nn.Linear(4, 6)), nn.Tanh(), Lora(nn.Linear(6, 2)))
    opt = t.optim.AdamW([p for p in net.parameters() if p.requires_grad], lr=0.01)

    def step(x: Any, y: Any) -> Any:
        opt.zero_grad(set_to_none=True)
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        nn.utils.clip_grad_norm_([p for p in net.parameters() if p.requires_grad], 1.0)
        opt.step()
        return loss

    return wrap(step), left(net, opt)


@case
def lora_merged(t: Any, wrap: Any) -> Made:
    nn = t.nn
    base = nn.Linear(4, 2)
    a, b = nn.Parameter(t.randn(2, 4) * 0.1), nn.Parameter(t.randn(2, 2))

    def step(x: Any, y: Any) -> Any:
        base.weight.data += b.data @ a.data
        with t.no_grad():
            found = base(x)
        base.weight.data -= b.data @ a.data
        return found

    return wrap(step), left(base, a, b)


@case
def clipped_weights(t: Any, wrap: Any) -> Made:
    net, opt = world(t)

    def step(x: Any, y: Any) -> Any:
        opt.zero_grad()
        loss = -net(x).mean() + net(y.repeat(1, 2)).mean()
        loss.backward()
        opt.step()
        for p in net.parameters():
            p.data.clamp_(-0.01, 0.01)
        return loss

    return wrap(step), left(net, opt)


@case
def max_norm_rows(t: Any, wrap: Any) -> Made:
    net, opt = world(t)

    def step(x: Any, y: Any) -> Any:
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        opt.step()
        net[0].weight.data = t.renorm(net[0].weight.data, p=2, dim=0, maxnorm=0.5)
        net[2].weight.data.div_(net[2].weight.data.norm(dim=1, keepdim=True).clamp(min=1))
        return loss

    return wrap(step), left(net, opt)


@case
def noised(t: Any, wrap: Any) -> Made:
    """DP-SGD's noise, SGLD's."""
    net, opt = world(t)

    def step(x: Any, y: Any) -> Any:
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        for p in net.parameters():
            p.grad.data.add_(t.randn_like(p.grad) * 0.01)
        opt.step()
        for p in net.parameters():
            p.data.add_(t.randn(p.shape) * 0.001)
        return loss

    return wrap(step), left(net, opt)


@case
def masked(t: Any, wrap: Any) -> Made:
    """Pruning masks held in place."""
    net, opt = world(t)
    masks = [(p.detach().abs() > 0.2).to(p.dtype) for p in net.parameters()]

    def step(x: Any, y: Any) -> Any:
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        for p, m in zip(net.parameters(), masks):
            p.grad.mul_(m)
        opt.step()
        for p, m in zip(net.parameters(), masks):
            p.data = p.data * m
        return loss

    return wrap(step), left(net, opt, masks)


@case
def pruned(t: Any, wrap: Any) -> Made:
    net = net_of(t)
    t.nn.utils.prune.l1_unstructured(net[0], "weight", 0.3)
    opt = t.optim.SGD(net.parameters(), 0.1)

    def step(x: Any, y: Any) -> Any:
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        opt.step()
        return loss

    return wrap(step), left(net, opt)


@case
def binary_weights(t: Any, wrap: Any) -> Made:
    """BinaryConnect: signs for the pass, real weights for the update."""
    net, opt = world(t)

    def step(x: Any, y: Any) -> Any:
        kept = [p.data.clone() for p in net.parameters()]
        for p in net.parameters():
            p.data.copy_(p.data.sign() * 0.3)
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        for p, k in zip(net.parameters(), kept):
            p.data.copy_(k)
        opt.step()
        for p in net.parameters():
            p.data.copy_(p.data.clamp(-1, 1))
        return loss

    return wrap(step), left(net, opt)


# --- inputs that are optimised


@case
def dreamed(t: Any, wrap: Any) -> Made:
    """An image is the parameter."""
    net = net_of(t).requires_grad_(False)
    image = t.randn(3, 4, requires_grad=True)
    opt = t.optim.Adam([image], lr=0.1)

    def step(x: Any, y: Any) -> Any:
        opt.zero_grad()
        loss = -net(image).square().mean() + x.mean()
        loss.backward()
        opt.step()
        with t.no_grad():
            image.clamp_(-1, 1)
        return loss

    return wrap(step), left(net, opt, image)


@case
def style(t: Any, wrap: Any) -> Made:
    net = net_of(t).requires_grad_(False)
    image = t.randn(3, 4)
    image.requires_grad_(True)

    def step(x: Any, y: Any) -> Any:
        loss = net(image).square().mean() + x.mean()
        loss.backward()
        image.data = image.data - 0.1 * image.grad.data / image.grad.data.abs().mean()
        image.grad.data.zero_()
        return loss

    return wrap(step), left(net, image)


@case
def langevin(t: Any, wrap: Any) -> Made:
    """An energy model's samples, drawn by gradients of what goes in."""
    net, opt = world(t)

    def step(x: Any, y: Any) -> Any:
        for p in net.parameters():
            p.requires_grad = False
        z = t.rand_like(x)
        z.requires_grad = True
        for _ in range(3):
            z.data.add_(t.randn_like(z) * 0.005)
            out = -net(z).sum()
            out.backward()
            z.grad.data.clamp_(-0.03, 0.03)
            z.data.add_(-10 * z.grad.data)
            z.grad.detach_()
            z.grad.zero_()
            z.data.clamp_(min=-1.0, max=1.0)
        for p in net.parameters():
            p.requires_grad = True
        opt.zero_grad()
        loss = net(z.detach()).mean() - net(x).mean() + 0.1 * net(x).square().mean()
        loss.backward()
        opt.step()
        return loss

    return wrap(step), left(net, opt)


@case
def mixed_types(t: Any, wrap: Any) -> Made:
    """Master weights in float32, a copy of them in bfloat16."""
    net = net_of(t)
    half = copy.deepcopy(net).to(t.bfloat16)
    opt = t.optim.SGD(net.parameters(), lr=0.1)

    def step(x: Any, y: Any) -> Any:
        half.zero_grad()
        loss = t.nn.functional.mse_loss(half(x.bfloat16()).float(), y)
        loss.backward()
        for p, h in zip(net.parameters(), half.parameters()):
            p.grad = h.grad.float()
        opt.step()
        for p, h in zip(net.parameters(), half.parameters()):
            h.data.copy_(p.data)
        return loss

    return wrap(step), left(net, half, opt)


# --- optimisers and schedules


def optimiser_case(name: str, make: Callable[[Any, Any], Any]) -> None:
    def made(t: Any) -> Any:
        net = net_of(t)
        return net, make(t, net)

    plain_case(name, made)


for _name, _kwargs in {
    "Rprop": {"lr": 0.01}, "ASGD": {"lr": 0.05, "t0": 2}, "NAdam": {"lr": 0.01},
    "RAdam": {"lr": 0.01}, "Adamax": {"lr": 0.01}, "Adafactor": {"lr": 0.01},
    "Adagrad": {"lr": 0.05}, "Adadelta": {"lr": 0.5}, "RMSprop": {"lr": 0.01, "momentum": 0.5},
}.items():  # fmt: skip
    optimiser_case(
        _name.lower(),
        lambda t, net, n=_name, k=_kwargs: getattr(t.optim, n)(net.parameters(), **k),
    )
optimiser_case(
    "muon", lambda t, net: t.optim.Muon([p for p in net.parameters() if p.ndim == 2], lr=0.02)
)


@case
def sparse_adam(t: Any, wrap: Any) -> Made:
    table = t.nn.Embedding(7, 2, sparse=True)
    opt = t.optim.SparseAdam(table.parameters(), lr=0.05)

    def step(x: Any, y: Any) -> Any:
        at = (x.abs() * 3).long().clamp(max=6)
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(table(at).mean(1), y)
        loss.backward()
        opt.step()
        return loss

    return wrap(step), left(lambda: [table.weight, opt.state_dict()])


@case
def sparse_and_dense(t: Any, wrap: Any) -> Made:
    table, net = t.nn.Embedding(7, 4, sparse=True), net_of(t)
    sparse = t.optim.SparseAdam(table.parameters(), lr=0.05)
    dense = t.optim.AdamW(net.parameters(), lr=0.01)

    def step(x: Any, y: Any) -> Any:
        at = (x.abs() * 3).long().clamp(max=6)
        sparse.zero_grad()
        dense.zero_grad()
        loss = t.nn.functional.mse_loss(net(table(at).mean(1)), y)
        loss.backward()
        sparse.step()
        dense.step()
        return loss

    return wrap(step), left(lambda: [table.weight, sparse.state_dict()], net, dense)


@case
def sparse_sgd(t: Any, wrap: Any) -> Made:
    table = t.nn.EmbeddingBag(7, 2, sparse=True, mode="sum")
    opt = t.optim.SGD(table.parameters(), lr=0.05)

    def step(x: Any, y: Any) -> Any:
        at = (x.abs() * 3).long().clamp(max=6)
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(table(at), y)
        loss.backward()
        opt.step()
        return loss

    return wrap(step), left(lambda: [table.weight, opt.state_dict()])


@case
def lbfgs_closure(t: Any, wrap: Any) -> Made:
    net = net_of(t)
    opt = t.optim.LBFGS(net.parameters(), lr=0.1, max_iter=5)
    at: list[Any] = [None, None]

    def closure() -> Any:
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(net(at[0]), at[1])
        loss.backward()
        return loss

    call = wrap(closure)

    def step(x: Any, y: Any) -> Any:
        at[:] = x, y
        return opt.step(call)

    return step, left(net, opt)


@case
def lbfgs_wolfe(t: Any, wrap: Any) -> Made:
    net = net_of(t).double()
    opt = t.optim.LBFGS(net.parameters(), max_iter=4, line_search_fn="strong_wolfe")

    def value(x: Any, y: Any) -> Any:
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        return loss

    call = wrap(value)

    def step(x: Any, y: Any) -> Any:
        return opt.step(lambda: call(x.double(), y.double()))

    return step, left(net, opt)


@case
def lbfgs_fresh_closure(t: Any, wrap: Any) -> Made:
    """The closure is made, and compiled, anew at every step."""
    net = net_of(t)
    opt = t.optim.LBFGS(net.parameters(), lr=0.1, max_iter=5)

    def step(x: Any, y: Any) -> Any:
        def closure() -> Any:
            opt.zero_grad()
            loss = t.nn.functional.mse_loss(net(x), y)
            loss.backward()
            return loss

        return opt.step(wrap(closure))

    return step, left(net, opt)


@case
def sgd_closure(t: Any, wrap: Any) -> Made:
    net, opt = world(t)

    def step(x: Any, y: Any) -> Any:
        def closure() -> Any:
            opt.zero_grad()
            loss = t.nn.functional.mse_loss(net(x), y)
            loss.backward()
            return loss

        return opt.step(closure)

    return wrap(step), left(net, opt)


def schedule_case(
    name: str, make: Callable[[Any, Any, Any], Any], inside: bool, feed: bool
) -> None:
    def built(t: Any, wrap: Any) -> Made:
        net, opt = world(t, 0.05)
        schedule = make(t.optim.lr_scheduler, opt, t)

        def step(x: Any, y: Any) -> Any:
            opt.zero_grad()
            loss = t.nn.functional.mse_loss(net(x), y)
            loss.backward()
            opt.step()
            if inside:
                schedule.step(*([loss] if feed else []))
            return loss

        call = wrap(step)

        def outer(x: Any, y: Any) -> Any:
            loss = call(x, y)
            if not inside:
                schedule.step(*([loss] if feed else []))
            return loss

        return outer, left(net, opt, lambda: [g["lr"] for g in opt.param_groups])

    built.__name__ = name + ("_inside" if inside else "_outside")
    case(built)


for _inside in (False, True):
    schedule_case(
        "plateau", lambda S, o, t: S.ReduceLROnPlateau(o, patience=0, factor=0.7), _inside, True
    )
    schedule_case("one_cycle", lambda S, o, t: S.OneCycleLR(o, 0.1, total_steps=30), _inside, False)
    schedule_case(
        "warm_restarts", lambda S, o, t: S.CosineAnnealingWarmRestarts(o, 2, 2), _inside, False
    )
    schedule_case(
        "sequential",
        lambda S, o, t: S.SequentialLR(
            o, [S.LinearLR(o, 0.1, 1.0, 2), S.CosineAnnealingLR(o, 4)], [2]
        ),
        _inside,
        False,
    )
    schedule_case(
        "chained",
        lambda S, o, t: S.ChainedScheduler([S.ConstantLR(o, 0.1, 2), S.ExponentialLR(o, 0.9)]),
        _inside,
        False,
    )
    schedule_case("swa_lr", lambda S, o, t: t.optim.swa_utils.SWALR(o, 0.02, 3), _inside, False)


@case
def lbfgs_variables(t: Any, wrap: Any) -> Made:
    """The closure reads its batch from variables, and keeps nothing of it."""
    net = net_of(t)
    opt = t.optim.LBFGS(net.parameters(), lr=0.1, max_iter=4, history_size=3)
    a = b = None

    def closure() -> Any:
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(net(a), b)
        loss.backward()
        return loss

    call = wrap(closure)

    def step(x: Any, y: Any) -> Any:
        nonlocal a, b
        a, b = x, y
        return opt.step(call)

    return step, left(net, opt)


@case
def batch_on_object(t: Any, wrap: Any) -> Made:
    """The batch is an attribute, and the call writes to it."""
    net, opt = world(t)

    class Held:
        pass

    held: Any = Held()

    def train() -> Any:
        opt.zero_grad()
        held.x.mul_(0.5)
        loss = t.nn.functional.mse_loss(net(held.x), held.y)
        loss.backward()
        opt.step()
        return loss

    call = wrap(train)

    def step(x: Any, y: Any) -> Any:
        held.x, held.y = x, y
        return call()

    return step, left(net, opt)


@case
def batch_seen_twice(t: Any, wrap: Any) -> Made:
    """What stands in one variable sometimes stands in another too."""
    net = net_of(t)
    at: dict[str, Any] = {}
    calls = iter(range(100))

    def value() -> Any:
        at["x"].add_(1)
        return (net(at["z"]) + net(at["x"])).detach()

    call = wrap(value)

    def step(x: Any, y: Any) -> Any:
        at["x"], at["z"] = x, x if next(calls) % 3 == 2 else x * 2
        return call(), at["z"].clone()

    return step, left(net)


@case
def batch_told_apart(t: Any, wrap: Any) -> Made:
    """The call asks which tensor it is."""
    net = net_of(t)
    at: dict[str, Any] = {}
    first: list[Any] = []

    def value() -> Any:
        known = at["x"] is at["first"]
        return net(at["x"]).detach() * (2 if known else 1)

    call = wrap(value)

    def step(x: Any, y: Any) -> Any:
        first.append(x)
        at["x"], at["first"] = (first[0] if len(first) == 7 else x), first[0]
        return call()

    return step, left(net)


@case
def plateau_told_numbers(t: Any, wrap: Any) -> Made:
    """The measure is a number that the call computed; a second schedule steps after it."""
    net, opt = world(t, 0.05)
    schedule = t.optim.lr_scheduler.ReduceLROnPlateau(opt, mode="max", patience=0, factor=0.5)

    def step(x: Any, y: Any) -> Any:
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        opt.step()
        schedule.step(loss.item() * 0.5)
        return loss

    return wrap(step), left(net, opt, schedule)
