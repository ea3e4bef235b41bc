"""What a compiled call means: everything is as after the eager call."""

from __future__ import annotations

import copy
import sys
from pathlib import Path
from typing import Any

import pytest

import rushlight as torch

sys.path.insert(0, str(Path(__file__).parent))
from worlds import F, Net, backends, batch, nn, optim, programs, state, training, twice

# --- memory: views, writes, aliases


def _views(c: Any) -> Any:
    def step(x: Any) -> Any:
        rows = x[1:]
        rows.mul_(2)
        part = x.view(-1)[::2]
        part += 1
        x.t()[0].neg_()
        return x.sum(), rows, part

    f = c(step)
    xs = [torch.arange(6.0).reshape(3, 2) for _ in range(3)]
    return [f(x) for x in xs], xs


def _written_result(c: Any) -> Any:
    f = c(lambda x: (x.t(), x[0], x.view(-1)))
    x = torch.arange(6.0).reshape(3, 2)
    f(x)
    turned, row, flat = f(x)
    row.fill_(7)
    flat[5] = 9
    return x, turned, row


def _same_object(c: Any) -> Any:
    f = c(lambda x, y: (y, x, x.add_(1)))
    x, y = torch.ones(2), torch.zeros(2)
    found = [f(x, y), f(x, y)]
    return [a is y and b is x and d is x for a, b, d in found], x, y


def _given_back(c: Any) -> Any:
    f, g, out = c(lambda x, y: (y, x + y)), c(lambda x: (x.view(-1)[1:], x * 2)), []
    w = torch.ones(2, requires_grad=True)

    def step(x: Any) -> Any:
        (w * x).sum().backward()
        return w, w.grad

    h = c(step)
    for k in range(4):
        x, y = torch.full((2,), float(k), requires_grad=True), torch.ones(2) * k
        given, _ = f(x, y)
        part, whole = g(x)
        (part.sum() + whole.sum()).backward()
        w.grad = torch.full((2,), 0.5)
        held, slope = h(y)
        out.append((given is y, x, part.requires_grad, held is w, slope is w.grad, slope))
    return out


def _aliased_arguments(c: Any) -> Any:
    def step(a: Any, b: Any) -> Any:
        a.add_(1)
        return a + b

    f = c(step)
    x, y = torch.ones(3), torch.ones(3)
    return f(x, y), f(x, y), f(x, x), f(x, y), x, y


def _swapped(c: Any) -> Any:
    def step(a: Any, b: Any) -> Any:
        kept = a.clone()
        a.copy_(b)
        b.copy_(kept)

    f = c(step)
    a, b = torch.arange(3.0), torch.ones(3)
    for _ in range(3):
        f(a, b)
    return a, b


def _set_items(c: Any) -> Any:
    def step(x: Any, m: Any, i: Any) -> Any:
        x[0] = 5
        x[1:, 1] = x[0, 0]
        x[m] = -1
        x[i] = x[i] * 2
        return x[..., None].sum(0)

    f = c(step)
    out = []
    for k in range(3):
        x = torch.arange(6.0).reshape(3, 2) + k
        out.append((f(x, x > 3, torch.tensor([2, 0])), x))
    return out


def _buffer_outside(c: Any) -> Any:
    total = torch.zeros(2)

    def step(x: Any) -> Any:
        total.add_(x)
        total[0] *= 2
        return total.sum()

    f = c(step)
    return [f(torch.ones(2) * k) for k in range(4)], total


def _expanded(c: Any) -> Any:
    f = c(lambda x: (x.expand(3, 2), x.unsqueeze(0).expand(2, 2).clone().add_(1)))
    return [f(torch.arange(2.0) + k) for k in range(3)]


MEMORY = [
    _views, _written_result, _same_object, _given_back, _aliased_arguments, _swapped, _set_items,
    _buffer_outside, _expanded,
]  # fmt: skip


@backends
@pytest.mark.parametrize("build", MEMORY, ids=lambda build: build.__name__[1:])
def test_memory(build: Any, backend: str) -> None:
    assert programs(twice(build, backend)[0]) >= 1


def test_a_program_for_one_tensor_given_twice_serves_no_others() -> None:
    f = torch.compile(lambda a, b: a + 2 * b, backend="numpy", fullgraph=True)
    x, y = torch.ones(2), torch.zeros(2)
    assert f(x, x).tolist() == [3, 3]
    assert f(x, y).tolist() == [1, 1]
    assert f(y, y).tolist() == [0, 0]
    assert f(x, x[:]).tolist() == [3, 3]


# --- what stands outside the call


def _train_and_eval(c: Any) -> Any:
    net = Net(0.5)
    opt = optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    f, out = c(training(net, opt)), []
    for mode in (True, True, True, False, False, True):
        net.train(mode)
        out.append(f(*batch()))
    return out, state(net, opt)


def _probability(c: Any) -> Any:
    net = Net(0.1)
    f, out = c(net.forward), []
    for p in (0.1, 0.1, 0.7, 0.7, 0.0):
        net.drop.p = p
        out.append(f(batch()[0]))
    return out, state(net)


def _rates(c: Any) -> Any:
    net = Net()
    opt = optim.AdamW(net.parameters(), lr=0.1)
    schedule = optim.lr_scheduler.ExponentialLR(opt, 0.5)
    f, out = c(training(net, opt)), []
    for _ in range(6):
        out.append(f(*batch()))
        schedule.step()
    return out, state(net, opt)


def _rate_read_by_the_step(c: Any) -> Any:
    w = torch.ones(2, requires_grad=True)
    opt = optim.SGD([w], lr=0.1)

    def step(x: Any) -> Any:
        loss = (w * x).sum()
        (grad,) = torch.autograd.grad(loss, [w])
        with torch.no_grad():
            w.sub_(grad * opt.param_groups[0]["lr"])
        return loss, opt.param_groups[0]["lr"]

    f, out = c(step), []
    for k in range(5):
        opt.param_groups[0]["lr"] = 0.1 if k < 3 else 0.01
        out.append(f(torch.ones(2)))
    return out, w


def _decay_and_groups(c: Any) -> Any:
    net = Net()
    opt = optim.SGD(net.inner.parameters(), lr=0.1)
    f, out = c(training(net, opt)), []
    for k in range(8):
        if k == 3:
            opt.param_groups[0]["weight_decay"] = 0.1
        if k == 6:
            opt.add_param_group({"params": net.outer.parameters(), "lr": 0.01})
        out.append(f(*batch()))
    return out, state(net, opt)


def _accumulated(c: Any) -> Any:
    net = Net()
    opt = optim.Adam(net.parameters())

    def micro(x: Any, y: Any) -> Any:
        loss = F.mse_loss(net(x), y) / 3
        loss.backward()
        return loss

    def update() -> None:
        nn.utils.clip_grad_norm_(net.parameters(), 0.5)
        opt.step()
        opt.zero_grad()

    f, g, out = c(micro), c(update), []
    for _ in range(4):
        out += [f(*batch()) for _ in range(3)]
        out.append([p.grad.clone() for p in net.parameters()])
        g()
    return out, state(net, opt)


def _zeroed(c: Any) -> Any:
    net = Net()
    opt = optim.SGD(net.parameters(), lr=0.1)

    def step(x: Any, y: Any) -> Any:
        opt.zero_grad(set_to_none=False)
        loss = F.mse_loss(net(x), y)
        loss.backward()
        opt.step()
        return loss

    f = c(step)
    return [f(*batch()) for _ in range(4)], state(net, opt)


def _grad_none_or_present(c: Any) -> Any:
    w = torch.ones(3, requires_grad=True)

    def step(x: Any) -> None:
        (w * x).sum().backward()

    f, out = c(step), []
    for k in range(6):
        if k % 3 == 0:
            w.grad = None
        f(torch.full((3,), float(k + 1)))
        out.append(w.grad.clone())
    return out, w


def _last_batch(c: Any) -> Any:
    net = Net()
    opt = optim.SGD(net.parameters(), lr=0.1)
    f = c(training(net, opt))
    return [f(*batch(rows)) for rows in (5, 5, 3, 5, 3, 5)], state(net, opt)


def _frozen(c: Any) -> Any:
    net = Net()
    opt = optim.SGD(net.parameters(), lr=0.1)
    f, out = c(training(net, opt)), []
    for k in range(6):
        net.inner.weight.requires_grad_(k not in (2, 3))
        out.append(f(*batch()))
    return out, state(net, opt)


def _replaced_layer(c: Any) -> Any:
    net = Net()
    f, out = c(lambda x: net(x)), []
    for k in range(4):
        if k == 2:
            net.outer = nn.Linear(4, 2)
        out.append(f(batch()[0]))
    return out


def _loaded(c: Any) -> Any:
    net = Net()
    opt = optim.Adam(net.parameters(), lr=0.05)
    f, out = c(training(net, opt)), []
    kept = None
    for k in range(7):
        out.append(f(*batch()))
        if k == 2:
            kept = copy.deepcopy([net.state_dict(), opt.state_dict()])
        if k == 4:
            net.load_state_dict(kept[0])
            opt.load_state_dict(kept[1])
    return out, state(net, opt)


def _rebound(c: Any) -> Any:
    class Holder:
        weight = torch.ones(2)

    holder, w, out = Holder(), torch.ones(2), []
    holder.weight = torch.full((2,), 2.0)
    f = c(lambda x: x * w + holder.weight)
    for k in range(4):
        if k == 1:
            w = torch.full((2,), 5.0)
        if k == 2:
            holder.weight = torch.full((2,), 7.0)
        if k == 3:
            w.data = torch.full((2,), 11.0)
        out.append(f(torch.ones(2)))
    return out


def _scaled(c: Any) -> Any:
    net = Net()
    f, out = c(lambda x: net(x)), []
    for scale in (1.0, 1.0, 3.0, 3.0):
        net.scale = scale
        out.append(f(batch()[0]))
    return out


def _wanting(c: Any) -> Any:
    f, out = c(lambda x: (x * x).sum()), []
    for k in range(6):
        x = torch.arange(3.0, requires_grad=k % 2 == 0)
        with torch.set_grad_enabled(k < 4):
            y = f(x)
        if y.requires_grad:
            y.backward()
        out.append((y.detach(), x))
    return out


def _draws(c: Any) -> Any:
    def step(x: Any) -> Any:
        order = torch.randperm(5)
        noise = torch.randn(5) + torch.rand(5) * torch.randn_like(x)
        return F.dropout(x[order] + noise, 0.5), torch.bernoulli(torch.full((4,), 0.5)), order

    f = c(step)
    return [f(torch.ones(5)) for _ in range(4)], torch.rand(3), torch.get_rng_state()[:600]


def _structures(c: Any) -> Any:
    def step(pair: Any, *, table: Any, flag: bool = True, name: str = "a") -> Any:
        x, (y, z) = pair
        return {"sum": x + y, "rest": [z * table["w"], (x, flag)], "n": 3, "name": name}

    f, out = c(step), []
    for k in range(4):
        pair = (torch.ones(2) * k, [torch.zeros(2), torch.ones(1)])
        out.append(f(pair, table={"w": torch.ones(1) * k}, flag=k < 2, name="ab"[k % 2]))
    return out


def _methods(c: Any) -> Any:
    class Model:
        def __init__(self) -> None:
            self.w = torch.ones(2)

        def call(self, x: Any) -> Any:
            self.w.add_(x)
            return self.helper(x) * self.w

        def helper(self, x: Any) -> Any:
            return x + 1

    model = Model()
    f = c(model.call)
    return [f(torch.ones(2)) for _ in range(3)], model.w


def _nested(c: Any) -> Any:
    inner = c(lambda x: x.sin())
    outer = c(lambda x: inner(x) + inner(x * 2))
    return [outer(torch.arange(3.0)) for _ in range(3)], inner(torch.ones(2))


def _penalty(c: Any) -> Any:
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    opt = optim.SGD(net.parameters(), lr=0.1)

    def step(x: Any) -> Any:
        x = x.detach().requires_grad_()
        (slope,) = torch.autograd.grad(net(x).sum(), [x], create_graph=True)
        loss = ((slope.norm(dim=1) - 1) ** 2).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss

    f = c(step)
    return [f(batch()[0]) for _ in range(4)], state(net)


def _live_result(c: Any) -> Any:
    net = Net()
    f, out = c(lambda x: (net(x), net.inner.weight.sum())), []
    for _ in range(3):
        x = batch()[0].requires_grad_()
        y, weight = f(x)
        net.zero_grad()
        (y.square().sum() + weight).backward()
        out.append((y.detach(), x, state(net)))
    return out


def _generator_inside(c: Any) -> Any:
    f = c(lambda xs: sum(x * k for k, x in enumerate(xs)))
    return [f([torch.ones(2) * k, torch.ones(2)]) for k in range(3)]


OUTSIDE = [_train_and_eval, _probability, _rates, _rate_read_by_the_step, _decay_and_groups,
           _accumulated, _zeroed, _grad_none_or_present, _last_batch, _frozen, _replaced_layer,
           _loaded, _rebound, _scaled, _wanting, _draws, _structures, _methods, _nested, _penalty,
           _live_result, _generator_inside]  # fmt: skip


@backends
@pytest.mark.parametrize("build", OUTSIDE, ids=lambda build: build.__name__[1:])
def test_the_world_outside(build: Any, backend: str) -> None:
    made = twice(build, backend)
    assert all(programs(one) >= 1 for one in made if build is not _nested)
    assert not any(one._eager for one in made)


# --- hooks


def _hooked(c: Any) -> Any:
    net = Net()
    opt = optim.SGD(net.parameters(), lr=0.1)
    f, out = c(training(net, opt)), []
    handle = None
    for k in range(8):
        if k == 2:
            handle = net.inner.register_forward_hook(lambda module, args, y: y * 2)
        if k == 4:
            handle.remove()
            handle = net.outer.register_full_backward_hook(
                lambda module, gx, gy: tuple(None if g is None else g * 3 for g in gx)
            )
        if k == 6:
            handle.remove()
            net.inner.weight.register_hook(lambda g: g * 0.5)
        out.append(f(*batch()))
    return out, state(net, opt)


@backends
def test_hooks_are_seen(backend: str) -> None:
    twice(_hooked, backend, fullgraph=False)
