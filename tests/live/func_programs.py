"""Programs in the manner of torch.func's tutorials, each a function of the package they run on."""

from __future__ import annotations

from typing import Any

import numpy as np

PROGRAMS: dict[str, Any] = {}


def program(function: Any) -> Any:
    PROGRAMS[function.__name__] = function
    return function


def numbers(torch: Any, *shape: int, seed: int = 0, scale: float = 1.0) -> Any:
    """The same float32 numbers for either package."""
    values = np.random.default_rng([seed, *shape]).standard_normal(shape) * scale
    return torch.from_numpy(values.astype(np.float32))


def filled(torch: Any, module: Any, seed: int = 0) -> Any:
    """A module with the same parameters on either side."""
    with torch.no_grad():
        for place, p in enumerate(module.parameters()):
            p.copy_(numbers(torch, *p.shape, seed=seed + place, scale=0.3))
    return module


def small_net(torch: Any, seed: int = 0) -> Any:
    nn = torch.nn
    return filled(torch, nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3)), seed)


def convolutional(torch: Any) -> Any:
    nn = torch.nn
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.GroupNorm(2, 4), nn.Flatten(),
        nn.Linear(36, 5),
    )  # fmt: skip
    return filled(torch, net)


def state(net: Any) -> dict[str, Any]:
    return {name: p.detach() for name, p in net.named_parameters()}


@program
def per_sample_gradients(torch: Any) -> Any:
    """The gradient of every example's loss, in one batched pass."""
    net, f = convolutional(torch), torch.func
    images, labels = numbers(torch, 7, 1, 8, 8), torch.tensor([0, 1, 2, 3, 4, 0, 1])

    def loss(params: Any, image: Any, label: Any) -> Any:
        scores = f.functional_call(net, params, (image.unsqueeze(0),))
        return torch.nn.functional.cross_entropy(scores, label.unsqueeze(0))

    params = state(net)
    each = f.vmap(f.grad(loss), in_dims=(None, 0, 0))(params, images, labels)
    chunked = f.vmap(f.grad(loss), in_dims=(None, 0, 0), chunk_size=3)(params, images, labels)
    norms = f.vmap(lambda g: g.flatten().norm())(each["5.weight"])
    clipped = {k: (g.flatten(1) / norms.clamp(min=1.0)[:, None]).mean(0) for k, g in each.items()}
    return each, chunked, norms, clipped


@program
def tangent_kernel(torch: Any) -> Any:
    """The empirical neural tangent kernel, from Jacobians and from products with vectors."""
    net, f = small_net(torch), torch.func
    params, a, b = state(net), numbers(torch, 4, 6), numbers(torch, 3, 6, seed=1)

    def single(params: Any, x: Any) -> Any:
        return f.functional_call(net, params, (x.unsqueeze(0),)).squeeze(0)

    def by_contraction(x1: Any, x2: Any) -> Any:
        left = f.vmap(f.jacrev(single), (None, 0))(params, x1)
        right = f.vmap(f.jacrev(single), (None, 0))(params, x2)
        return sum(
            torch.einsum("Naf,Mbf->NMab", p.flatten(2), q.flatten(2))
            for p, q in zip(left.values(), right.values())
        )

    def by_products(x1: Any, x2: Any) -> Any:
        def entry(one: Any, two: Any) -> Any:
            _, pull = f.vjp(lambda p: single(p, one), params)

            def row(v: Any) -> Any:
                return f.jvp(lambda p: single(p, two), (params,), pull(v))[1]

            return f.vmap(row)(torch.eye(3))

        return f.vmap(f.vmap(entry, (None, 0)), (0, None))(x1, x2)

    return by_contraction(a, b), by_products(a, b)


@program
def ensemble(torch: Any) -> Any:
    """Several models at once: on one batch, and each on its own."""
    nets, f = [small_net(torch, seed) for seed in range(4)], torch.func
    params, buffers = f.stack_module_state(nets)
    x, each = numbers(torch, 5, 6), numbers(torch, 4, 5, 6)

    def model(params: Any, buffers: Any, x: Any) -> Any:
        return f.functional_call(nets[0], (params, buffers), (x,))

    same = f.vmap(model, in_dims=(0, 0, None))(params, buffers, x)
    own = f.vmap(model)(params, buffers, each)
    own.pow(2).sum().backward()
    return same, own, {name: p.grad for name, p in params.items()}


@program
def meta_learning(torch: Any) -> Any:
    """MAML: the gradient through one inner step of gradient descent, over a batch of tasks."""
    net, f = small_net(torch), torch.func
    mse = torch.nn.functional.mse_loss

    def predict(params: Any, x: Any) -> Any:
        return f.functional_call(net, params, (x,))

    def task(params: Any, x: Any, y: Any, x2: Any, y2: Any) -> Any:
        slopes = f.grad(lambda p: mse(predict(p, x), y))(params)
        moved = {name: params[name] - 0.1 * g for name, g in slopes.items()}
        return mse(predict(moved, x2), y2)

    def outer(params: Any) -> Any:
        sets = [numbers(torch, 6, 5, n, seed=n + i) for i in (0, 10) for n in (6, 3)]
        return f.vmap(task, (None, 0, 0, 0, 0))(params, *sets).mean()

    return f.grad_and_value(outer)(state(net))


@program
def jacobians(torch: Any) -> Any:
    """Whole Jacobians of one layer by both modes, of several arguments, in chunks, batched."""
    f, nn = torch.func, torch.nn.functional
    w, b, x = numbers(torch, 3, 4), numbers(torch, 3, seed=1), numbers(torch, 5, 4, seed=2)

    def layer(w: Any, b: Any, x: Any) -> Any:
        return nn.linear(x, w, b).tanh()

    return (
        f.jacrev(layer, argnums=(0, 2))(w, b, x[0]), f.jacfwd(layer, argnums=(0, 2))(w, b, x[0]),
        f.jacrev(layer, 2, chunk_size=2)(w, b, x[0]), f.jacrev(layer, 1, chunk_size=1)(w, b, x[0]),
        f.vmap(f.jacrev(layer, argnums=2), (None, None, 0))(w, b, x),
        f.vmap(f.jacfwd(layer, argnums=2), (None, None, 0))(w, b, x),
        f.jacrev(lambda d: {"y": d["w"] @ d["x"], "z": (d["x"].sin(), d["w"].sum())})(
            {"w": w, "x": x[0]}
        ),
    )  # fmt: skip


@program
def hessians(torch: Any) -> Any:
    """Second derivatives in all orders of the modes, batched, and products with vectors."""
    f = torch.func
    x, v = numbers(torch, 5), numbers(torch, 5, seed=3)
    rows = numbers(torch, 3, 5, seed=4)

    def energy(x: Any) -> Any:
        return (x.sin() * x.flip(0)).prod() + torch.logsumexp(x, 0) + (x @ x).sqrt()

    orders = [a(b(energy))(x) for a in (f.jacrev, f.jacfwd) for b in (f.jacrev, f.jacfwd)]
    forward = f.jvp(f.grad(energy), (x,), (v,))
    reverse = f.vjp(f.grad(energy), x)[1](v)
    return (
        orders, f.hessian(energy)(x), f.vmap(f.hessian(energy))(rows), forward, reverse,
        f.grad(lambda x: f.jvp(energy, (x,), (v,))[1])(x),
    )  # fmt: skip


@program
def logistic_regression(torch: Any) -> Any:
    """Newton's method on a logistic regression, its Hessian by transforms."""
    f = torch.func
    x, labels = numbers(torch, 40, 3), (numbers(torch, 40, seed=5) > 0).float()

    def loss(w: Any) -> Any:
        scores = x @ w
        return torch.nn.functional.binary_cross_entropy_with_logits(scores, labels) + w @ w / 10

    w = torch.zeros(3)
    path = []
    for _ in range(4):
        w = w - torch.linalg.solve(f.hessian(loss)(w), f.grad(loss)(w))
        path.append(w)
    return path, f.hessian(loss)(w)


@program
def nested_levels(torch: Any) -> Any:
    """Transforms inside transforms inside transforms."""
    f = torch.func
    x, y = numbers(torch, 3, 4), numbers(torch, 4, seed=6)
    wave = lambda x: (x.sin() * y).sum()
    return (
        f.grad(f.grad(f.grad(lambda x: x.pow(5).mul(y[0]))))(y[1]),
        f.vmap(f.vmap(lambda a, b: a * b.cos(), (None, 0)), (0, None))(x[0], y),
        f.jvp(lambda x: f.jvp(torch.sin, (x,), (y,))[1], (x[0],), (y,)),
        f.vmap(lambda v: f.jvp(f.grad(wave), (v,), (y,))[1])(x),
        f.grad(lambda x: f.vmap(f.grad(wave))(x).pow(2).sum())(x),
        f.jacfwd(f.vmap(wave))(x),
        f.vmap(f.grad(wave), in_dims=1, out_dims=1)(torch.stack([x[0], x[1]], 1)),
        f.linearize(wave, y)[1](x[0]),
    )  # fmt: skip


@program
def images_and_attention(torch: Any) -> Any:
    """Batches of convolutions, attention and recurrent cells, and derivatives through them."""
    f, nn = torch.func, torch.nn
    q = numbers(torch, 3, 2, 4, 5)
    attend = nn.functional.scaled_dot_product_attention
    cell = filled(torch, nn.GRUCell(3, 4))
    steps = numbers(torch, 3, 6, 3)

    def last(xs: Any) -> Any:
        state = xs[0, 0] * torch.zeros(4)  # torch wants it batched
        for x in xs:
            state = cell(x, state)
        return state.sum()

    kernel, image = numbers(torch, 2, 1, 3, 3), numbers(torch, 4, 1, 6, 6)
    blur = lambda x, w: nn.functional.conv2d(x[None], w).relu().sum()
    return (
        f.vmap(lambda q: attend(q, q, q))(q),
        # torch has no forward mode of its fused attention
        f.jvp(lambda q: (q @ q.transpose(-1, -2)).softmax(-1) @ q, (q,), (q.sin(),)),
        f.vmap(f.grad(last))(steps),
        f.vmap(f.grad(blur, argnums=1), (0, None))(image, kernel),
        f.vmap(f.grad(blur, argnums=1))(image, torch.stack([kernel * i for i in range(1, 5)])),
        f.vmap(lambda x: nn.functional.batch_norm(x, None, None, training=True))(
            numbers(torch, 2, 5, 3)
        ),
    )  # fmt: skip


@program
def written_in_place(torch: Any) -> Any:
    """In-place writes, views and new tensors inside every transform."""
    f, x = torch.func, numbers(torch, 3, 4)

    def messy(x: Any) -> Any:
        y = x.new_zeros(4)
        y[0] = x[1] * 2
        y[1:].copy_(x[:3] ** 2)
        part = y.view(2, 2)[:, 1]
        part.mul_(x[0])
        y += x.cos()
        return y.clone().add_(1).div_(2)

    return (
        f.vmap(messy)(x), f.jacrev(messy)(x[0]), f.jacfwd(messy)(x[0]),
        f.vmap(f.jacrev(messy))(x), f.vmap(f.jacfwd(messy))(x), f.jacrev(f.vmap(messy))(x).sum(0),
        f.hessian(lambda x: messy(x).pow(2).sum())(x[0]),
    )  # fmt: skip


@program
def samples_of_distributions(torch: Any) -> Any:
    """Draws inside vmap: the same for all samples, or different ones."""
    f, x = torch.func, numbers(torch, 3, 4)
    drop = torch.nn.functional.dropout
    found = []
    for how in ("same", "different"):
        torch.manual_seed(3)
        found.append(f.vmap(lambda x: drop(x) + torch.rand(4), randomness=how)(x))
        found.append(f.vmap(lambda x: x + torch.randn_like(x).sum(), randomness=how)(x))
        found.append(f.vmap(lambda x: torch.randint(0, 9, (2,)) + 0 * x[:2], randomness=how)(x))
    return found


@program
def by_index(torch: Any) -> Any:
    """Batched indices: reading, writing, gathering, embedding, choosing."""
    f, x = torch.func, numbers(torch, 3, 5)
    i, table = torch.tensor([[0, 2], [4, 1], [3, 3]]), numbers(torch, 6, 2)
    return (
        f.vmap(lambda x, i: x[i])(x, i), f.vmap(lambda i: x[:, i])(i),
        f.vmap(lambda x, i: x.gather(0, i))(x, i),
        f.vmap(f.grad(lambda x, i: x[i].pow(2).sum()))(x, i),
        f.vmap(f.grad(lambda x, i: x.take_along_dim(i, 0).sin().sum()))(x, i),
        f.vmap(lambda x, i: x.scatter(0, i, 9.0))(x, i),
        f.vmap(lambda x, i: x.index_select(0, i))(x, i),
        f.vmap(lambda i: torch.nn.functional.embedding(i, table))(i),
        f.vmap(f.grad(lambda t, i: torch.nn.functional.embedding(i, t).pow(3).sum()), (None, 0))(
            table, i
        ),
        f.vmap(lambda x: torch.where(x > 0, x, -2 * x).sort(descending=True).values.cumsum(0))(x),
        f.vmap(lambda x, i: x[i[0]] * x[i[1]])(x, i),
    )  # fmt: skip


@program
def dual_numbers(torch: Any) -> Any:
    """`forward_ad` by hand: values, tangents, and reverse mode over them."""
    fw = torch.autograd.forward_ad
    x, v = numbers(torch, 4).requires_grad_(), numbers(torch, 4, seed=8)
    net = small_net(torch)
    with fw.dual_level():
        dual = fw.make_dual(x, v)
        y = (dual.exp() * dual).sum()
        (slope,) = torch.autograd.grad(y, x, create_graph=True)
        product = fw.unpack_dual(slope).tangent.detach()
        tangent = fw.unpack_dual(y).tangent
        (second,) = torch.autograd.grad(tangent, x)
        out = fw.unpack_dual(net(fw.make_dual(torch.ones(6), numbers(torch, 6))))
        written = torch.zeros(3)
        written[1] = fw.make_dual(torch.tensor(2.0), torch.tensor(5.0)) * 3
        kept = fw.unpack_dual(written)
    return product, tangent.detach(), second, out.primal.detach(), out.tangent.detach(), kept


@program
def functional_module(torch: Any) -> Any:
    """`autograd.functional` in its batched forms, and batched gradients."""
    a, x = torch.autograd.functional, numbers(torch, 4)
    quartic = lambda x: (x**4).sum() * x[0]
    wave = lambda x: x.sin() * x.sum()
    y = (leaf := x.clone().requires_grad_()).sin() * leaf.sum()
    return (
        a.jacobian(wave, x, vectorize=True),
        a.jacobian(wave, x, vectorize=True, strategy="forward-mode"),
        a.hessian(quartic, x, vectorize=True),
        a.hessian(quartic, x, vectorize=True, outer_jacobian_strategy="forward-mode").detach(),
        torch.autograd.grad(y, leaf, torch.eye(4), is_grads_batched=True),
    )  # fmt: skip
