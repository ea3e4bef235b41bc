"""Steps with averages, targets, perturbed weights and micro-batches."""

from __future__ import annotations

import copy
from typing import Any

from hand_steps import Made, case, left, net_of, world


@case
def soft_target(t: Any, wrap: Any) -> Made:
    net, opt = world(t)
    target = copy.deepcopy(net)

    def step(x: Any, y: Any) -> Any:
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), target(x).detach() * 0.9 + y)
        loss.backward()
        opt.step()
        for a, b in zip(target.parameters(), net.parameters()):
            a.data.copy_(0.05 * b.data + (1.0 - 0.05) * a.data)
        return loss

    return wrap(step), left(net, opt, target)


@case
def hard_target(t: Any, wrap: Any) -> Made:
    net, opt = world(t)
    target = copy.deepcopy(net)

    def step(x: Any, y: Any) -> Any:
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), target(x).detach() * 0.9 + y)
        loss.backward()
        opt.step()
        target.load_state_dict(net.state_dict())
        return loss

    return wrap(step), left(net, opt, target)


@case
def shadow_dict(t: Any, wrap: Any) -> Made:
    """EMA as on many a page: a dict of shadows that get new tensors."""
    net, opt = world(t)
    shadow = {k: p.data.clone() for k, p in net.named_parameters()}

    def step(x: Any, y: Any) -> Any:
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        opt.step()
        for name, param in net.named_parameters():
            if param.requires_grad:
                new = (1.0 - 0.9) * param.data + 0.9 * shadow[name]
                shadow[name] = new.clone()
        return loss

    return wrap(step), left(net, opt, shadow)


@case
def shadow_applied(t: Any, wrap: Any) -> Made:
    """Evaluation with averaged weights swapped in and out: apply_shadow, restore."""
    net, opt = world(t)
    shadow = {k: p.data.clone() * 0.9 for k, p in net.named_parameters()}

    def step(x: Any, y: Any) -> Any:
        backup = {}
        for name, param in net.named_parameters():
            backup[name] = param.data
            param.data = shadow[name]
        with t.no_grad():
            found = net(x)
        for name, param in net.named_parameters():
            param.data = backup[name]
        return found

    return wrap(step), left(net, opt, shadow)


@case
def swapped(t: Any, wrap: Any) -> Made:
    """Weights and averages change places for good."""
    net, other = net_of(t), net_of(t)

    def step(x: Any, y: Any) -> Any:
        with t.no_grad():
            for a, b in zip(net.parameters(), other.parameters()):
                kept = a.detach().clone()
                a.copy_(b)
                b.copy_(kept)
            return net(x)

    return wrap(step), left(net, other)


@case
def swapped_data(t: Any, wrap: Any) -> Made:
    net = net_of(t)
    other = net_of(t)

    def step(x: Any, y: Any) -> Any:
        for a, b in zip(net.parameters(), other.parameters()):
            a.data, b.data = b.data, a.data
        with t.no_grad():
            return net(x)

    return wrap(step), left(net, other)


@case
def averaged(t: Any, wrap: Any) -> Made:
    net, opt = world(t)
    average = t.optim.swa_utils.AveragedModel(net)

    def step(x: Any, y: Any) -> Any:
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        opt.step()
        average.update_parameters(net)
        return loss

    return wrap(step), left(net, opt, average)


@case
def averaged_ema(t: Any, wrap: Any) -> Made:
    net, opt = world(t)
    U = t.optim.swa_utils
    average = U.AveragedModel(net, multi_avg_fn=U.get_ema_multi_avg_fn(0.9), use_buffers=True)

    def step(x: Any, y: Any) -> Any:
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        opt.step()
        average.update_parameters(net)
        return loss

    return wrap(step), left(net, opt, average)


@case
def lookahead(t: Any, wrap: Any) -> Made:
    net, opt = world(t)
    slow = [p.data.clone() for p in net.parameters()]

    def step(x: Any, y: Any) -> Any:
        for _ in range(2):
            opt.zero_grad()
            loss = t.nn.functional.mse_loss(net(x), y)
            loss.backward()
            opt.step()
        for p, s in zip(net.parameters(), slow):
            s.add_(0.5 * (p.data - s))
            p.data.copy_(s)
        return loss

    return wrap(step), left(net, opt, slow)


@case
def reptile(t: Any, wrap: Any) -> Made:
    net, opt = world(t)

    def step(x: Any, y: Any) -> Any:
        before = copy.deepcopy(net.state_dict())
        for _ in range(2):
            opt.zero_grad()
            loss = t.nn.functional.mse_loss(net(x), y)
            loss.backward()
            opt.step()
        after = net.state_dict()
        net.load_state_dict({k: before[k] + 0.3 * (after[k] - before[k]) for k in before})
        return loss

    return wrap(step), left(net, opt)


@case
def maml(t: Any, wrap: Any) -> Made:
    net, opt = world(t)
    F = t.nn.functional

    def step(x: Any, y: Any) -> Any:
        fast = dict(net.named_parameters())
        for _ in range(2):
            loss = F.mse_loss(t.func.functional_call(net, fast, (x,)), y)
            gs = t.autograd.grad(loss, list(fast.values()), create_graph=True)
            fast = {k: p - 0.1 * g for (k, p), g in zip(fast.items(), gs)}
        opt.zero_grad()
        loss = F.mse_loss(t.func.functional_call(net, fast, (x.flip(0),)), y)
        loss.backward()
        opt.step()
        return loss

    return wrap(step), left(net, opt)


# --- SAM


class SAM:
    """Sharpness-aware minimisation around another optimiser, as it is passed around."""

    def __init__(self, t: Any, params: Any, base: Any, rho: float = 0.05) -> None:
        self.t, self.rho = t, rho
        self.base = base(params)
        self.param_groups, self.state = self.base.param_groups, {}

    def norm(self) -> Any:
        t = self.t
        return t.norm(t.stack([p.grad.norm(p=2) for g in self.param_groups for p in g["params"]]))

    def first_step(self) -> None:
        with self.t.no_grad():
            scale = self.rho / (self.norm() + 1e-12)
            for group in self.param_groups:
                for p in group["params"]:
                    self.state.setdefault(p, {})["old_p"] = p.data.clone()
                    p.add_(p.grad * scale)
        self.base.zero_grad()

    def second_step(self) -> None:
        with self.t.no_grad():
            for group in self.param_groups:
                for p in group["params"]:
                    p.data = self.state[p]["old_p"]
        self.base.step()
        self.base.zero_grad()


@case
def sam(t: Any, wrap: Any) -> Made:
    net = net_of(t)
    opt = SAM(t, net.parameters(), lambda ps: t.optim.SGD(ps, lr=0.1, momentum=0.9))
    F = t.nn.functional

    def step(x: Any, y: Any) -> Any:
        loss = F.mse_loss(net(x), y)
        loss.backward()
        opt.first_step()
        F.mse_loss(net(x), y).backward()
        opt.second_step()
        return loss

    return wrap(step), left(net, opt.base)


def sam_class(t: Any) -> Any:
    class Sam(t.optim.Optimizer):
        def __init__(self, params: Any, base: Any, rho: float = 0.05, **kwargs: Any) -> None:
            super().__init__(params, dict(rho=rho, **kwargs))
            self.base_optimizer = base(self.param_groups, **kwargs)
            self.param_groups = self.base_optimizer.param_groups
            self.defaults.update(self.base_optimizer.defaults)

        @t.no_grad()
        def first_step(self, zero_grad: bool = False) -> None:
            grads = [p.grad for group in self.param_groups for p in group["params"]]
            norm = t.norm(t.stack([g.norm(p=2) for g in grads if g is not None]), p=2)
            for group in self.param_groups:
                scale = group["rho"] / (norm + 1e-12)
                for p in group["params"]:
                    if p.grad is None:
                        continue
                    self.state[p]["old_p"] = p.data.clone()
                    e_w = p.grad * scale.to(p)
                    p.add_(e_w)
            if zero_grad:
                self.zero_grad()

        @t.no_grad()
        def second_step(self, zero_grad: bool = False) -> None:
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is None:
                        continue
                    p.data = self.state[p]["old_p"]
            self.base_optimizer.step()
            if zero_grad:
                self.zero_grad()

        @t.no_grad()
        def step(self, closure: Any = None) -> None:
            closure = t.enable_grad()(closure)
            self.first_step(zero_grad=True)
            closure()
            self.second_step()

    return Sam


@case
def sam_davda(t: Any, wrap: Any) -> Made:
    net = net_of(t)
    opt = sam_class(t)(net.parameters(), t.optim.SGD, lr=0.1, momentum=0.9)
    F = t.nn.functional

    def step(x: Any, y: Any) -> Any:
        loss = F.mse_loss(net(x), y)
        loss.backward()
        opt.first_step(zero_grad=True)
        F.mse_loss(net(x), y).backward()
        opt.second_step(zero_grad=True)
        return loss

    return wrap(step), left(net, opt.base_optimizer)


@case
def sam_closure(t: Any, wrap: Any) -> Made:
    net = net_of(t)
    opt = sam_class(t)(net.parameters(), t.optim.SGD, lr=0.1, momentum=0.9)
    F = t.nn.functional

    def step(x: Any, y: Any) -> Any:
        def closure() -> Any:
            loss = F.mse_loss(net(x), y)
            loss.backward()
            return loss

        loss = F.mse_loss(net(x), y)
        loss.backward()
        opt.step(closure)
        opt.zero_grad()
        return loss

    return wrap(step), left(net, opt.base_optimizer)


# --- accumulation


@case
def micro_batches(t: Any, wrap: Any) -> Made:
    net, opt = world(t)

    def step(x: Any, y: Any) -> Any:
        total = 0.0
        for i, (a, b) in enumerate(zip(x.chunk(4), y.chunk(4))):
            loss = t.nn.functional.mse_loss(net(a), b) / 2
            loss.backward()
            total = total + loss.detach()
            if (i + 1) % 2 == 0:
                opt.step()
                opt.zero_grad()
        return total

    return wrap(step), left(net, opt)


@case
def counted(t: Any, wrap: Any) -> Made:
    net, opt = world(t)
    seen = {"calls": 0}

    def step(x: Any, y: Any) -> Any:
        loss = t.nn.functional.mse_loss(net(x), y) / 2
        loss.backward()
        seen["calls"] += 1
        if seen["calls"] % 2 == 0:
            opt.step()
            opt.zero_grad()
        return loss

    return wrap(step), left(net, opt, seen)


@case
def indexed(t: Any, wrap: Any) -> Made:
    net, opt = world(t)
    at = iter(range(100))

    def step(x: Any, y: Any, i: int) -> Any:
        loss = t.nn.functional.mse_loss(net(x), y) / 2
        loss.backward()
        if (i + 1) % 2 == 0:
            opt.step()
            opt.zero_grad()
        return loss

    call = wrap(step)
    return lambda x, y: call(x, y, next(at)), left(net, opt)
