"""Steps that put numbers, gradients and histories into tensors by hand."""

from __future__ import annotations

from typing import Any

from hand_steps import Made, case, left, net_of, world


@case
def data_add(t: Any, wrap: Any) -> Made:
    net = net_of(t)

    def step(x: Any, y: Any) -> Any:
        loss = t.nn.functional.mse_loss(net(x), y)
        net.zero_grad()
        loss.backward()
        for p in net.parameters():
            p.data.add_(p.grad.data, alpha=-0.1)
        return loss.data

    return wrap(step), left(net)


@case
def data_assigned(t: Any, wrap: Any) -> Made:
    net = net_of(t)

    def step(x: Any, y: Any) -> Any:
        loss = t.nn.functional.mse_loss(net(x), y)
        net.zero_grad()
        loss.backward()
        for p in net.parameters():
            p.data = p.data - 0.1 * p.grad.data
        return loss

    return wrap(step), left(net)


@case
def data_assigned_momentum(t: Any, wrap: Any) -> Made:
    net, opt = world(t)

    def step(x: Any, y: Any) -> Any:
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        opt.step()
        for p in net.parameters():
            p.data = p.data.clamp(-0.5, 0.5)
        return loss

    return wrap(step), left(net, opt)


@case
def data_copied(t: Any, wrap: Any) -> Made:
    net, opt = world(t)
    best = [p.detach().clone() for p in net.parameters()]

    def step(x: Any, y: Any) -> Any:
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        opt.step()
        for p, b in zip(net.parameters(), best):
            b.data.copy_(0.9 * b + 0.1 * p.data)
            p.data.copy_(b)
        return loss

    return wrap(step), left(net, opt, best)


@case
def minus_rate(t: Any, wrap: Any) -> Made:
    w = t.randn(4, 2, requires_grad=True)
    b = t.zeros(2, requires_grad=True)

    def step(x: Any, y: Any) -> Any:
        loss = ((x @ w + b - y) ** 2).mean()
        loss.backward()
        with t.no_grad():
            for p in (w, b):
                p -= 0.1 * p.grad
                p.grad.zero_()
        return loss

    return wrap(step), left(w, b)


@case
def minus_rate_none(t: Any, wrap: Any) -> Made:
    net = net_of(t)

    def step(x: Any, y: Any) -> Any:
        loss = ((net(x) - y) ** 2).mean()
        loss.backward()
        with t.no_grad():
            for p in net.parameters():
                p -= 0.1 * p.grad
                p.grad = None
        return loss

    return wrap(step), left(net)


@case
def new_parameter_out_of_place(t: Any, wrap: Any) -> Made:
    params = {"w": t.randn(4, 2, requires_grad=True), "b": t.zeros(2, requires_grad=True)}

    def step(x: Any, y: Any) -> Any:
        loss = ((x @ params["w"] + params["b"] - y) ** 2).mean()
        gs = t.autograd.grad(loss, [params["w"], params["b"]])
        for k, g in zip(("w", "b"), gs):
            params[k] = (params[k] - 0.1 * g).detach().requires_grad_(True)
        return loss

    return wrap(step), left(lambda: [(p, p.requires_grad) for p in params.values()])


@case
def vector_put_back(t: Any, wrap: Any) -> Made:
    net = net_of(t)
    U = t.nn.utils

    def step(x: Any, y: Any) -> Any:
        loss = t.nn.functional.mse_loss(net(x), y)
        gs = t.autograd.grad(loss, list(net.parameters()))
        flat = U.parameters_to_vector(net.parameters())
        flat = flat - 0.1 * U.parameters_to_vector(gs)
        U.vector_to_parameters(flat, net.parameters())
        return loss

    return wrap(step), left(net)


@case
def vector_put_back_detached(t: Any, wrap: Any) -> Made:
    net = net_of(t)
    U = t.nn.utils

    def step(x: Any, y: Any) -> Any:
        loss = t.nn.functional.mse_loss(net(x), y)
        gs = t.autograd.grad(loss, list(net.parameters()))
        with t.no_grad():
            flat = U.parameters_to_vector(net.parameters())
            flat = flat - 0.1 * t.cat([g.reshape(-1) for g in gs])
            U.vector_to_parameters(flat, net.parameters())
        return loss

    return wrap(step), left(net)


@case
def evolution(t: Any, wrap: Any) -> Made:
    net = net_of(t)
    U = t.nn.utils

    def step(x: Any, y: Any) -> Any:
        with t.no_grad():
            start = U.parameters_to_vector(net.parameters()).clone()
            total = t.zeros_like(start)
            for _ in range(3):
                noise = t.randn_like(start)
                U.vector_to_parameters(start + 0.1 * noise, net.parameters())
                total += noise * t.nn.functional.mse_loss(net(x), y)
            U.vector_to_parameters(start - 0.02 * total, net.parameters())
            return total

    return wrap(step), left(net)


# --- gradients


@case
def grad_given(t: Any, wrap: Any) -> Made:
    net, opt = world(t)

    def step(x: Any, y: Any) -> Any:
        loss = t.nn.functional.mse_loss(net(x), y)
        for p, g in zip(net.parameters(), t.autograd.grad(loss, list(net.parameters()))):
            p.grad = g
        opt.step()
        return loss

    return wrap(step), left(net, opt)


@case
def grad_none(t: Any, wrap: Any) -> Made:
    net, opt = world(t)

    def step(x: Any, y: Any) -> Any:
        for p in net.parameters():
            p.grad = None
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        opt.step()
        return loss

    return wrap(step), left(net, opt)


@case
def grad_data_clamped(t: Any, wrap: Any) -> Made:
    net, opt = world(t)

    def step(x: Any, y: Any) -> Any:
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        for param in net.parameters():
            param.grad.data.clamp_(-0.01, 0.01)
        opt.step()
        return loss

    return wrap(step), left(net, opt)


@case
def grad_data_assigned(t: Any, wrap: Any) -> Made:
    net, opt = world(t)

    def step(x: Any, y: Any) -> Any:
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        for param in net.parameters():
            param.grad.data = param.grad.data.sign()
            param.grad = param.grad * 0.5
        opt.step()
        return loss

    return wrap(step), left(net, opt)


@case
def grad_kept_from_before(t: Any, wrap: Any) -> Made:
    """The gradient of before, read and replaced."""
    net, opt = world(t)
    nets = list(net.parameters())
    for p in nets:
        p.grad = t.zeros_like(p)

    def step(x: Any, y: Any) -> Any:
        before = [p.grad.clone() for p in nets]
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        for p, g in zip(nets, before):
            p.grad.mul_(0.5).add_(g, alpha=0.5)
        opt.step()
        return loss

    return wrap(step), left(net, opt)


@case
def grad_swapped(t: Any, wrap: Any) -> Made:
    """The gradient of before is put aside and put back: PCGrad, gradient surgery."""
    net = net_of(t)
    for p in net.parameters():
        p.grad = t.ones_like(p)

    def step(x: Any, y: Any) -> Any:
        kept = [p.grad for p in net.parameters()]
        for p in net.parameters():
            p.grad = None
        t.nn.functional.mse_loss(net(x), y).backward()
        fresh = [p.grad for p in net.parameters()]
        dot = sum((a * b).sum() for a, b in zip(kept, fresh))
        for p, g in zip(net.parameters(), kept):
            p.grad = g
            p.grad.mul_(0.9)
        return dot

    return wrap(step), left(net)


@case
def surgery(t: Any, wrap: Any) -> Made:
    """Two losses whose gradients are projected (PCGrad)."""
    net, opt = world(t)
    F = t.nn.functional

    def step(x: Any, y: Any) -> Any:
        gs = []
        for loss in (F.mse_loss(net(x), y), F.l1_loss(net(x), y)):
            opt.zero_grad()
            loss.backward()
            gs.append(t.cat([p.grad.flatten() for p in net.parameters()]))
        a, b = gs
        dot = a @ b
        a = t.where(dot < 0, a - dot / (b @ b) * b, a)
        at = 0
        for p in net.parameters():
            p.grad = a[at : at + p.numel()].view_as(p)
            at += p.numel()
        opt.step()
        return dot

    return wrap(step), left(net, opt)


# --- tensors of before, and fresh ones, that get a history


@case
def wants_argument(t: Any, wrap: Any) -> Made:
    net, opt = world(t)

    def step(x: Any, y: Any) -> Any:
        x.requires_grad_()
        out = net(x)
        (g,) = t.autograd.grad(out.sum(), x, create_graph=True)
        loss = t.nn.functional.mse_loss(out, y) + 0.1 * (g.norm(2, dim=1) - 1).square().mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss, x.grad, x.requires_grad

    return wrap(step), left(net, opt)


@case
def wants_argument_by_name(t: Any, wrap: Any) -> Made:
    net = net_of(t)

    def step(x: Any, y: Any) -> Any:
        x.requires_grad = True
        loss = t.nn.functional.mse_loss(net(x), y)
        net.zero_grad()
        loss.backward()
        return (x + 0.1 * x.grad.sign()).detach()

    return wrap(step), left(net)


@case
def fgsm(t: Any, wrap: Any) -> Made:
    net, opt = world(t)
    F = t.nn.functional

    def step(x: Any, y: Any) -> Any:
        x = x.clone().requires_grad_(True)
        F.mse_loss(net(x), y).backward()
        near = (x + 0.05 * x.grad.sign()).detach()
        opt.zero_grad()
        loss = F.mse_loss(net(near), y)
        loss.backward()
        opt.step()
        return loss, near

    return wrap(step), left(net, opt)


@case
def fgsm_data(t: Any, wrap: Any) -> Made:
    net, opt = world(t)
    F = t.nn.functional

    def step(x: Any, y: Any) -> Any:
        x.requires_grad = True
        loss = F.mse_loss(net(x), y)
        net.zero_grad()
        loss.backward()
        grad = x.grad.data
        near = t.clamp(x + 0.05 * grad.sign(), 0, 1)
        return net(near).detach(), near

    return wrap(step), left(net, opt)


@case
def pgd(t: Any, wrap: Any) -> Made:
    net, opt = world(t)
    F = t.nn.functional

    def step(x: Any, y: Any) -> Any:
        near = x.detach() + t.empty_like(x).uniform_(-0.1, 0.1)
        for _ in range(3):
            near.requires_grad_()
            with t.enable_grad():
                loss = F.mse_loss(net(near), y)
            (g,) = t.autograd.grad(loss, [near])
            near = near.detach() + 0.03 * t.sign(g.detach())
            near = t.min(t.max(near, x - 0.1), x + 0.1)
        opt.zero_grad()
        loss = F.mse_loss(net(near), y)
        loss.backward()
        opt.step()
        return loss, near

    return wrap(step), left(net, opt)


@case
def pgd_delta(t: Any, wrap: Any) -> Made:
    """The attack of the tutorial: a delta whose data are clamped and whose gradient is zeroed."""
    net, opt = world(t)
    F = t.nn.functional

    def step(x: Any, y: Any) -> Any:
        delta = t.zeros_like(x, requires_grad=True)
        for _ in range(3):
            loss = F.mse_loss(net(x + delta), y)
            loss.backward()
            delta.data = (delta + 0.05 * delta.grad.detach().sign()).clamp(-0.1, 0.1)
            delta.grad.zero_()
        opt.zero_grad()
        loss = F.mse_loss(net(x + delta.detach()), y)
        loss.backward()
        opt.step()
        return loss, delta.detach()

    return wrap(step), left(net, opt)


@case
def free(t: Any, wrap: Any) -> Made:
    """Free adversarial training: one noise for all calls, used again and again."""
    net, opt = world(t)
    noise = t.zeros(3, 4)
    F = t.nn.functional

    def step(x: Any, y: Any) -> Any:
        for _ in range(2):
            d = noise.clone().requires_grad_(True)
            loss = F.mse_loss(net(x[:3] + d), y[:3])
            opt.zero_grad()
            loss.backward()
            noise.add_(0.1 * d.grad.sign()).clamp_(-0.2, 0.2)
            opt.step()
        return loss

    return wrap(step), left(net, opt, noise)


@case
def free_leaf(t: Any, wrap: Any) -> Made:
    net, opt = world(t)
    noise = t.zeros(3, 4, requires_grad=True)
    F = t.nn.functional

    def step(x: Any, y: Any) -> Any:
        loss = F.mse_loss(net(x[:3] + noise), y[:3])
        opt.zero_grad()
        loss.backward()
        noise.data.add_(0.1 * noise.grad.sign())
        noise.data.clamp_(-0.2, 0.2)
        noise.grad.zero_()
        opt.step()
        return loss

    return wrap(step), left(net, opt, noise)


@case
def penalty(t: Any, wrap: Any) -> Made:
    """WGAN-GP."""
    net = t.nn.Sequential(t.nn.Linear(4, 6), t.nn.LeakyReLU(0.2), t.nn.Linear(6, 1))
    opt = t.optim.Adam(net.parameters(), 0.01)

    def step(x: Any, y: Any) -> Any:
        fake = t.randn_like(x)
        alpha = t.rand(len(x), 1)
        mixed = (alpha * x + (1 - alpha) * fake).requires_grad_(True)
        d = net(mixed)
        g = t.autograd.grad(outputs=d, inputs=mixed, grad_outputs=t.ones_like(d),
                            create_graph=True, retain_graph=True, only_inputs=True)[0]  # fmt: skip
        gp = ((g.view(len(x), -1).norm(2, dim=1) - 1) ** 2).mean()
        loss = net(fake).mean() - net(x).mean() + 10 * gp
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss, gp

    return wrap(step), left(net, opt)


@case
def physics(t: Any, wrap: Any) -> Made:
    """PINN: derivatives of an output by a coordinate that stands outside."""
    net = t.nn.Sequential(t.nn.Linear(1, 6), t.nn.Tanh(), t.nn.Linear(6, 1))
    opt = t.optim.Adam(net.parameters(), 0.01)
    points = t.linspace(0, 1, 7).view(-1, 1).requires_grad_(True)
    grad = t.autograd.grad

    def step(x: Any, y: Any) -> Any:
        opt.zero_grad()
        u = net(points)
        du = grad(u, points, t.ones_like(u), create_graph=True)[0]
        ddu = grad(du, points, t.ones_like(u), create_graph=True)[0]
        loss = (ddu + u).square().mean() + x.mean().square()
        loss.backward()
        opt.step()
        return loss

    return wrap(step), left(net, opt, points)


@case
def wants_outside(t: Any, wrap: Any) -> Made:
    """A tensor outside of the step that it has want a gradient, and no more after."""
    net, opt = world(t)
    points = t.randn(3, 4)

    def step(x: Any, y: Any) -> Any:
        points.requires_grad_(True)
        opt.zero_grad()
        u = net(points)
        (g,) = t.autograd.grad(u.sum(), points, create_graph=True)
        loss = u.square().mean() + g.square().mean() + x.mean()
        loss.backward()
        opt.step()
        points.requires_grad_(False)
        points.grad = None
        return loss

    return wrap(step), left(net, opt, points)


@case
def wants_outside_for_good(t: Any, wrap: Any) -> Made:
    net, opt = world(t)
    points = t.randn(3, 4)

    def step(x: Any, y: Any) -> Any:
        points.requires_grad_(True)
        opt.zero_grad()
        u = net(points)
        (g,) = t.autograd.grad(u.sum(), points, create_graph=True)
        loss = u.square().mean() + g.square().mean() + x.mean()
        loss.backward()
        opt.step()
        return loss

    return wrap(step), left(net, opt, points)


@case
def frozen_in_turn(t: Any, wrap: Any) -> Made:
    """A GAN's discriminator is frozen while the generator learns."""
    gen, dis = net_of(t), t.nn.Sequential(t.nn.Linear(2, 5), t.nn.ReLU(), t.nn.Linear(5, 1))
    og, od = t.optim.Adam(gen.parameters(), 0.01), t.optim.Adam(dis.parameters(), 0.01)
    F = t.nn.functional

    def step(x: Any, y: Any) -> Any:
        for p in dis.parameters():
            p.requires_grad_(True)
        od.zero_grad()
        fake = gen(x).detach()
        ld = F.softplus(-dis(y)).mean() + F.softplus(dis(fake)).mean()
        ld.backward()
        od.step()
        for p in dis.parameters():
            p.requires_grad_(False)
        og.zero_grad()
        lg = F.softplus(-dis(gen(x))).mean()
        lg.backward()
        og.step()
        return ld, lg

    return wrap(step), left(gen, dis, og, od)


@case
def frozen_module(t: Any, wrap: Any) -> Made:
    gen, dis = net_of(t), t.nn.Sequential(t.nn.Linear(2, 5), t.nn.ReLU(), t.nn.Linear(5, 1))
    og, od = t.optim.Adam(gen.parameters(), 0.01), t.optim.Adam(dis.parameters(), 0.01)
    F = t.nn.functional

    def step(x: Any, y: Any) -> Any:
        dis.requires_grad_(False)
        og.zero_grad()
        lg = F.softplus(-dis(gen(x))).mean()
        lg.backward()
        og.step()
        dis.requires_grad_(True)
        od.zero_grad()
        ld = F.softplus(-dis(y)).mean() + F.softplus(dis(gen(x).detach())).mean()
        ld.backward()
        od.step()
        return ld, lg

    return wrap(step), left(gen, dis, og, od)


@case
def gan(t: Any, wrap: Any) -> Made:
    """The tutorial's: real and fake batches back one after the other, two optimisers."""
    gen = net_of(t)
    dis = t.nn.Sequential(t.nn.Linear(2, 5), t.nn.LayerNorm(5), t.nn.LeakyReLU(0.2),
                          t.nn.Linear(5, 1), t.nn.Sigmoid())  # fmt: skip
    og, od = t.optim.Adam(gen.parameters(), 0.01), t.optim.Adam(dis.parameters(), 0.01)
    criterion = t.nn.BCELoss()

    def step(x: Any, y: Any) -> Any:
        dis.zero_grad()
        label = t.full((len(x),), 1.0)
        errD_real = criterion(dis(y).view(-1), label)
        errD_real.backward()
        fake = gen(x)
        label.fill_(0.0)
        errD_fake = criterion(dis(fake.detach()).view(-1), label)
        errD_fake.backward()
        od.step()
        gen.zero_grad()
        label.fill_(1.0)
        errG = criterion(dis(fake).view(-1), label)
        errG.backward()
        og.step()
        return errD_real + errD_fake, errG

    return wrap(step), left(gen, dis, og, od)


@case
def twice_back(t: Any, wrap: Any) -> Made:
    net, opt = world(t)

    def step(x: Any, y: Any) -> Any:
        opt.zero_grad()
        out = net(x)
        loss = t.nn.functional.mse_loss(out, y)
        loss.backward(retain_graph=True)
        loss.backward(retain_graph=True)
        out.sum().backward()
        opt.step()
        return loss

    return wrap(step), left(net, opt)


@case
def retained(t: Any, wrap: Any) -> Made:
    net, opt = world(t)

    def step(x: Any, y: Any) -> Any:
        opt.zero_grad()
        h = net[1](net[0](x))
        h.retain_grad()
        loss = t.nn.functional.mse_loss(net[2](h), y)
        loss.backward()
        opt.step()
        return loss, h.grad

    return wrap(step), left(net, opt)


# --- memory that several look at


@case
def seen_beside(t: Any, wrap: Any) -> Made:
    """What the call returns lies in the memory that a parameter got, in part."""
    net = net_of(t)

    def update(x: Any, y: Any) -> Any:
        loss = t.nn.functional.mse_loss(net(x), y)
        flat = t.nn.utils.parameters_to_vector(t.autograd.grad(loss, list(net.parameters())))
        flat = t.nn.utils.parameters_to_vector(net.parameters()).detach() - 0.1 * flat
        t.nn.utils.vector_to_parameters(flat, net.parameters())
        turned = (net[0].weight.data.t() * 0.9).t()
        net[0].weight.data = turned
        return flat, turned[1:], net[2].weight

    call = wrap(update)

    def step(x: Any, y: Any) -> Any:
        flat, turned, _ = call(x, y)
        flat[-3:] = 0.25
        turned.mul_(0.5)
        return net[0].weight.stride(), net[2].bias.is_contiguous()

    return step, left(net)


@case
def constant_data(t: Any, wrap: Any) -> Made:
    """New memory with numbers of the call's own, which somebody writes to afterwards."""
    net = net_of(t)

    def reset(x: Any, y: Any) -> Any:
        found = net(x).detach()
        net[2].bias.data = t.zeros(2)
        net[2].weight.data = t.full((2, 6), 0.1)
        net[0].bias.data = y.sum(0).repeat(3)
        return found

    call = wrap(reset)

    def step(x: Any, y: Any) -> Any:
        found = call(x, y)
        net[2].bias.data.add_(1)
        net[2].weight.data.mul_(2)
        return found

    return step, left(net)


@case
def data_of_argument(t: Any, wrap: Any) -> Made:
    """A parameter gets an argument's memory."""
    w = t.nn.Parameter(t.randn(4, 4))

    def take(x: Any, y: Any) -> Any:
        found = x[:4] @ w
        w.data = x[:4].data
        return found.detach()

    call = wrap(take)

    def step(x: Any, y: Any) -> Any:
        found = call(x, y)
        w.data.mul_(0.5)
        return found, x.clone()

    return step, left(w)


@case
def argument_moved(t: Any, wrap: Any) -> Made:
    """An argument gets other memory, and wants a gradient then."""
    net = net_of(t)

    def step(x: Any, y: Any) -> Any:
        x.data = x.data.clamp(-1, 1) * 0.5
        x.requires_grad_()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        return x.grad, loss

    return wrap(step), left(net)


@case
def wants_and_stays_live(t: Any, wrap: Any) -> Made:
    """The result's history goes back to an argument that wants a gradient since the call."""
    net = net_of(t)

    def value(x: Any, y: Any) -> Any:
        x.requires_grad_(True)
        return t.nn.functional.mse_loss(net(x), y)

    call = wrap(value)

    def step(x: Any, y: Any) -> Any:
        loss = call(x, y)
        loss.backward()
        return loss, x.grad

    return step, left(net)


@case
def wants_no_more(t: Any, wrap: Any) -> Made:
    net = net_of(t)

    def back(x: Any, y: Any) -> Any:
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        x.requires_grad = False
        found = x.grad
        x.grad = None
        return found, net(x).detach()

    call = wrap(back)
    return lambda x, y: call(x.requires_grad_(), y), left(net)


@case
def half_data(t: Any, wrap: Any) -> Made:
    net = net_of(t).to(t.bfloat16)

    def step(x: Any, y: Any) -> Any:
        loss = t.nn.functional.mse_loss(net(x.bfloat16()).float(), y)
        net.zero_grad()
        loss.backward()
        for p in net.parameters():
            p.data = (p.data.float() - 0.125 * p.grad.float().sign()).bfloat16()
        return loss

    return wrap(step), left(net)


# --- leaves that make way for others


@case
def leaf_of_dict(t: Any, wrap: Any) -> Made:
    """New leaves take the places of old ones, whose gradients were read."""
    params = {"w": t.randn(4, 2, requires_grad=True), "b": t.zeros(2, requires_grad=True)}
    before: list[Any] = []

    def update(x: Any, y: Any) -> Any:
        loss = ((x @ params["w"] + params["b"] - y) ** 2).mean()
        loss.backward()
        with t.no_grad():
            for k in ("w", "b"):
                params[k] = params[k] - 0.1 * params[k].grad
                params[k].requires_grad_()
        return loss

    call = wrap(update)

    def step(x: Any, y: Any) -> Any:
        before.append(dict(params))
        return call(x, y)

    def seen() -> Any:
        return [(p, p.grad, p.requires_grad) for one in (*before, params) for p in one.values()]

    return step, left(seen)


@case
def leaf_of_object(t: Any, wrap: Any) -> Made:
    class Line:
        def __init__(self) -> None:
            self.w = t.randn(4, 2, requires_grad=True)
            self.seen = t.zeros(())

        def fit(self, x: Any, y: Any) -> Any:
            loss = (x @ self.w - y).square().mean()
            loss.backward()
            self.seen = self.w.grad.norm()
            self.w = (self.w - 0.1 * self.w.grad).detach().requires_grad_(True)
            return loss

    line = Line()
    return wrap(line.fit), left(lambda: [line.w, line.seen, line.w.grad, line.w.requires_grad])


@case
def leaf_with_hooks(t: Any, wrap: Any) -> Made:
    """Somebody hangs a hook on one of the new leaves."""
    params = {"w": t.randn(4, 2, requires_grad=True)}
    calls = iter(range(100))
    heard: list[Any] = []

    def update(x: Any, y: Any) -> Any:
        loss = ((x @ params["w"] - y) ** 2).mean()
        loss.backward()
        params["w"] = (params["w"] - 0.1 * params["w"].grad).detach().requires_grad_()
        return loss

    call = wrap(update)

    def step(x: Any, y: Any) -> Any:
        if next(calls) in (3, 5):
            params["w"].register_hook(lambda g: heard.append(g) or g * 2)
        return call(x, y)

    return step, left(lambda: [params["w"], heard])


@case
def leaf_seen_twice(t: Any, wrap: Any) -> Made:
    """Two places that make way hold one leaf."""
    params = {"w": t.randn(4, 2, requires_grad=True), "v": t.randn(4, 2, requires_grad=True)}
    calls = iter(range(100))

    def update(x: Any, y: Any) -> Any:
        loss = ((x @ params["w"] + x @ params["v"] - y) ** 2).mean()
        loss.backward()
        for k in ("w", "v"):
            params[k] = (params[k] - 0.1 * params[k].grad).detach().requires_grad_()
        return loss

    call = wrap(update)

    def step(x: Any, y: Any) -> Any:
        if next(calls) in (3, 6):
            params["v"] = params["w"]
        return call(x, y)

    return step, left(lambda: [params["w"], params["v"]])


@case
def leaf_that_stays_live(t: Any, wrap: Any) -> Made:
    """The loss goes out with its history, which leads to a leaf that has made way."""
    params = {"w": t.randn(4, 2, requires_grad=True)}

    def update(x: Any, y: Any) -> Any:
        loss = ((x @ params["w"] - y) ** 2).mean()
        params["w"] = (params["w"] * 0.9).detach().requires_grad_()
        return loss

    call = wrap(update)

    def step(x: Any, y: Any) -> Any:
        old = params["w"]
        call(x, y).backward()
        return old.grad

    return step, left(lambda: params["w"])


@case
def updated_dicts(t: Any, wrap: Any) -> Made:
    """Dictionaries of before are updated, and asked for what they may not have."""
    net, opt = world(t)
    state: dict[Any, Any] = {"n": 0.0}
    slow: dict[Any, Any] = {}

    def train(x: Any, y: Any) -> Any:
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        opt.step()
        state.update({"loss": loss.detach(), "size": loss.detach() * 2})
        for p in net.parameters():
            slow.setdefault(p, p.detach().clone()).lerp_(p.detach(), 0.5)
        return loss

    call = wrap(train)
    calls = iter(range(100))

    def step(x: Any, y: Any) -> Any:
        if next(calls) == 5:
            slow.clear()
        return call(x, y)

    return step, left(net, opt, lambda: [state, list(slow.values())])


@case
def memory_shared_later(t: Any, wrap: Any) -> Made:
    """Between calls a tensor that is read gets the memory of one that is written."""
    net, target = net_of(t), net_of(t)
    calls = iter(range(100))

    def update(x: Any, y: Any) -> Any:
        net.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        with t.no_grad():
            for p in net.parameters():
                p -= 0.1 * p.grad
            return target(x)

    call = wrap(update)

    def step(x: Any, y: Any) -> Any:
        k = next(calls)
        for a, b in zip(target.parameters(), net.parameters()):
            if k in (2, 4):
                a.data = b.data if k == 2 else a.data.clone()
        return call(x, y)

    return step, left(net, target)
