"""Programs with tensors and parameters in parts, the same for torch and rushlight.

Each returns nested lists of texts and numbers to compare.
"""

from __future__ import annotations

import importlib
from typing import Any

from .split_programs import losses, norms, prepared, sequences


class Tools:
    """The modules of one of the two, and what the programs share."""

    def __init__(self, torch: Any, rank: int) -> None:
        self.torch, self.rank = torch, rank
        self.size = torch.distributed.get_world_size()
        home = f"{torch.__name__}.distributed"
        self.device_mesh: Any = importlib.import_module(f"{home}.device_mesh")
        self.tensor: Any = importlib.import_module(f"{home}.tensor")
        self.fsdp: Any = importlib.import_module(f"{home}.fsdp")

    def laid(self, x: Any) -> list[Any]:
        """How a tensor lies, and its values."""
        return [str(x.placements), list(x.shape), list(x.to_local().shape), self.numbers(x)]

    def numbers(self, x: Any) -> list[float]:
        """All values of a tensor in parts."""
        return x.detach().full_tensor().double().flatten().tolist()

    def error(self, function: Any) -> list[str]:
        """The type and first line of what a call raises."""
        try:
            function()
        except Exception as error:
            return [type(error).__name__, str(error).split("\n")[0]]
        return ["no error"]


def meshes(t: Tools) -> list[Any]:
    make = t.device_mesh.init_device_mesh
    grid = make("cpu", (t.size // 2, 2), mesh_dim_names=("dp", "tp"))
    line = make("cpu", (t.size,))
    return [
        repr(grid), repr(line), repr(grid["dp"]), repr(grid["tp"]),
        t.error(lambda: grid["tp", "dp"]),
        list(grid.shape), grid.ndim, grid.size(), grid.size(1), list(grid.get_coordinate()),
        grid.get_local_rank("tp"), grid["tp"].get_local_rank(), grid["tp"].mesh.tolist(),
        t.torch.distributed.get_world_size(grid.get_group("tp")),
        t.error(lambda: grid["x"]), t.error(lambda: line["x"]),
        t.error(lambda: make("cpu", (t.size * 2,))),
        t.error(lambda: make("cpu", (t.size, 1), mesh_dim_names=("a", "a"))),
        t.error(lambda: make("cpu", (t.size, 1), mesh_dim_names=("a",))),
    ]  # fmt: skip


def ops(t: Tools) -> list[Any]:
    """What each op makes of a tensor that is cut along its rows, unevenly on two processes."""
    torch, d = t.torch, t.tensor
    mesh = t.device_mesh.init_device_mesh("cpu", (t.size,))
    rows = 2 * t.size - 1
    x = d.distribute_tensor(torch.arange(2.0 * rows).reshape(rows, 2), mesh, [d.Shard(0)])
    w = d.distribute_tensor(torch.ones(2, 2), mesh, [d.Replicate()])
    functional = torch.nn.functional
    found = [repr(x), repr(x.detach().requires_grad_()), repr(x + 1), str(d.Shard(1)),
             str(d.Partial("avg")), repr(d.Partial()), repr(d.Replicate())]  # fmt: skip
    results = [
        x @ w, x.mean(), x.amax(0), x.max(), x.sum(0), x.sum(1), x.prod(), x.var(), x.std(0),
        x.norm(), (x > 0).all(), (x > 4).any(), x.softmax(0), x.softmax(1), x.reshape(rows, 2, 1),
        x.t(), x.transpose(0, 1), x.relu(), x.cumsum(0), x.cumsum(1), x[1:], x[0], x[:, 0],
        torch.cat([x, x]), torch.cat([x, x], 1), torch.stack([x, x]), x.exp(), x.flip(0),
        x.chunk(2, 1)[0], x.unsqueeze(0).expand(2, rows, 2), torch.where(x > 0, x, -x),
        x.clamp(1, 2), x.double(), torch.ones_like(x), x.logsumexp(0), x.tril(),
        functional.layer_norm(x, (2,)), functional.layer_norm(x, (rows, 2)), functional.gelu(x),
        x.sum() + 1, x.sum() * 2, x.sum() + x.sum(), x.sum().exp(), x + x.sum(),
        torch.einsum("ij,jk->ik", x, w), x.mean(0) * x.mean(0),
    ]  # fmt: skip
    found += [t.laid(one) for one in results]
    return [*found, len(x), list(x.stride()), x.is_leaf]


def refusals(t: Tools) -> list[Any]:
    torch, d = t.torch, t.tensor
    mesh = t.device_mesh.init_device_mesh("cpu", (t.size,))
    x = d.distribute_tensor(torch.ones(4, 2), mesh, [d.Shard(0)])
    other = d.distribute_tensor
    return [
        t.error(lambda: x + torch.ones(4, 2)), t.error(lambda: x.numpy()),
        t.error(lambda: x.tolist()), t.error(lambda: x.redistribute()),
        t.error(lambda: x.redistribute(mesh, [d.Partial()])),
        t.error(lambda: other(x, mesh, [d.Shard(1)])),
        t.error(lambda: other(torch.ones(4), mesh, [d.Shard(0)] * 2)),
        t.error(lambda: other(torch.ones(4), mesh, [d.Shard(1)])),
        t.error(lambda: other(torch.ones(4).requires_grad_() * 2, mesh, [d.Shard(0)])),
        t.error(lambda: t.fsdp.fully_shard(torch.nn.ModuleList([torch.nn.Linear(2, 2)]))),
        t.error(lambda: t.fsdp.fully_shard(t.fsdp.fully_shard(torch.nn.Linear(2, 2)))),
        t.error(lambda: t.fsdp.fully_shard(
            torch.nn.Linear(2, 2), mesh=t.device_mesh.init_device_mesh("cpu", (t.size, 1, 1)))),
    ]  # fmt: skip


def gradients(t: Tools) -> list[Any]:
    """Values and gradients of a formula, however its operands lie."""
    torch, d = t.torch, t.tensor
    rows, columns, whole = d.Shard(0), d.Shard(1), d.Replicate()
    found = []
    for first, second in [(rows, whole), (whole, columns), (columns, rows), (whole, whole),
                          (columns, whole), (rows, columns)]:  # fmt: skip
        mesh = t.device_mesh.init_device_mesh("cpu", (t.size,))
        torch.manual_seed(0)
        x = d.distribute_tensor(torch.randn(4, 6), mesh, [first]).requires_grad_()
        w = d.distribute_tensor(torch.randn(6, 4), mesh, [second]).requires_grad_()
        bias = d.distribute_tensor(torch.randn(4), mesh, [whole]).requires_grad_()
        y = torch.nn.functional.linear(x, w.t(), bias).relu()
        h = torch.nn.functional.layer_norm(y, (4,), bias, bias)
        q = torch.softmax(h, -1) * torch.tanh(x @ w) + x.sum(1, keepdim=True)
        loss = (q * q).mean() + w.norm()
        loss.backward()
        found += [t.numbers(one) for one in (y, q, loss, x.grad, w.grad, bias.grad)]
        part = x.redistribute(mesh, [columns]).to_local()
        (again,) = torch.autograd.grad((part * part).sum(), x)
        found.append(t.numbers(again))
        local = torch.full((2, 2), float(t.rank + 1), requires_grad=True)
        made = d.DTensor.from_local(local, mesh, [first])
        (made * made).sum().backward()
        found += [t.laid(made), local.grad.tolist()]
    return found


def net(torch: Any) -> Any:
    nn = torch.nn

    class Layers(nn.Module):
        def __init__(self, size: int) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(size, 2 * size + 1), nn.Linear(2 * size + 1, size, False)
            self.norm = nn.LayerNorm(size)

        def forward(self, x: Any) -> Any:
            return self.norm(x + self.b(nn.functional.gelu(self.a(x))))

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(7, 6)
            self.blocks = nn.ModuleList([Layers(6) for _ in range(2)])
            self.last = nn.Linear(6, 3)

        def forward(self, x: Any) -> Any:
            x = self.words(x)
            for block in self.blocks:
                x = block(x)
            return self.last(x)

    torch.manual_seed(0)
    return Net()


def sharded(t: Tools, **how: Any) -> Any:
    made = net(t.torch)
    for block in made.blocks:
        t.fsdp.fully_shard(block, **how)
    return t.fsdp.fully_shard(made, **how)


def trained(t: Tools, optimizer: Any, clip: float = 0, gather: int = 1, **how: Any) -> list[Any]:
    """Losses, norms, gradients and weights of four steps."""
    torch, found = t.torch, []
    model = sharded(t, **how)
    opt = optimizer(model.parameters())
    draws = torch.Generator().manual_seed(5)
    for step in range(4):
        x = torch.randint(0, 7, (2 * t.size, 3), generator=draws)[t.rank :: t.size]
        y = torch.randint(0, 3, (2 * t.size, 3), generator=draws)[t.rank :: t.size]
        last = (step + 1) % gather == 0
        model.set_requires_gradient_sync(last)
        loss = torch.nn.functional.cross_entropy(model(x).flatten(0, 1).float(), y.flatten())
        loss.backward()
        found.append(loss.item())
        if not last:
            continue
        if clip:
            total = torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
            found.append(float(total.full_tensor()))
        found += [t.numbers(p.grad) for p in model.parameters()]
        opt.step()
        opt.zero_grad()
    return [*found, *(t.numbers(one) for one in model.state_dict().values())]


def training(t: Tools) -> list[Any]:
    optim = t.torch.optim
    grid = t.device_mesh.init_device_mesh(
        "cpu", (t.size // 2, 2), mesh_dim_names=("copies", "parts")
    )
    return [
        trained(t, lambda p: optim.AdamW(p, lr=0.1)),
        trained(t, lambda p: optim.SGD(p, lr=0.1, momentum=0.9), clip=0.5),
        trained(t, lambda p: optim.Adam(p, lr=0.1, foreach=True), clip=0.5, gather=2),
        trained(t, lambda p: optim.SGD(p, lr=0.1), reshard_after_forward=False),
        trained(t, lambda p: optim.RMSprop(p, lr=0.01), mesh=grid),
    ]


def modules(t: Tools) -> list[Any]:
    """What a module looks like in parts, whole, and in a state_dict."""
    torch, model = t.torch, sharded(t)

    def kinds() -> list[str]:
        return [type(p).__name__ for p in model.parameters()]

    found: list[Any] = [repr(model), type(model).__name__, isinstance(model, torch.nn.Module)]
    found += [[name, str(p.placements), list(p.shape), list(p.to_local().shape),
               isinstance(p, torch.nn.Parameter), p.requires_grad]
              for name, p in model.named_parameters()]  # fmt: skip
    model.unshard()
    found.append(kinds())
    model.reshard()
    found.append(kinds())
    model(torch.tensor([[1]]))
    found.append(kinds())
    state = model.state_dict()
    found += [list(state), [type(one).__name__ for one in state.values()], kinds()]
    other = sharded(t)
    with torch.no_grad():
        for p in other.parameters():
            p.zero_()
    found.append(str(other.load_state_dict(state)))
    found += [t.numbers(p) for p in other.parameters()]
    frozen = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 4))
    frozen[0].requires_grad_(False)
    t.fsdp.fully_shard(frozen[0])
    t.fsdp.fully_shard(frozen)
    frozen(torch.ones(2, 4)).sum().backward()
    found.append([p.grad is None for p in frozen.parameters()])
    return [*found, str(t.fsdp.MixedPrecisionPolicy(param_dtype=torch.bfloat16))]


CASES = {one.__name__: one for one in (
    meshes, ops, refusals, gradients, training, modules, sequences, prepared, norms, losses,
)}  # fmt: skip


def all_cases(torch: Any, rank: int) -> dict[str, list[Any]]:
    """What every program comes to on this rank."""
    tools = Tools(torch, rank)
    return {name: program(tools) for name, program in CASES.items()}
