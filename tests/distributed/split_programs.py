"""Programs with layers split by torch's styles, the same for torch and rushlight.

`t` is the `Tools` of `sharded_programs`. Each split model also meets its whole self.
"""

from __future__ import annotations

import copy
import importlib
from typing import Any


def block(torch: Any) -> Any:
    """Words, a layer of attention without softmax, a hidden layer, scores; norms before each."""
    nn = torch.nn

    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.q, self.k, self.o = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8)

        def forward(self, x: Any, scale: Any = None) -> Any:
            y = self.q(x).tanh() * self.k(x)
            return self.o(y if scale is None else y * scale)

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(7, 8)
            self.norm1, self.mixed = nn.LayerNorm(8), Mixed()
            self.norm2 = nn.LayerNorm(8)
            self.hidden = nn.Sequential(nn.Linear(8, 12), nn.ReLU(), nn.Linear(12, 8))
            self.norm3, self.scores = nn.LayerNorm(8), nn.Linear(8, 7)

        def forward(self, x: Any) -> Any:
            h = self.words(x)
            h = h + self.mixed(self.norm1(h))
            h = h + self.hidden(self.norm2(h))
            return self.scores(self.norm3(h))

    torch.manual_seed(1)
    net = Block()
    for p in net.parameters():  # norms begin with ones and zeros, which would hide mistakes
        p.data.add_(torch.linspace(-0.3, 0.4, p.numel()).reshape(p.shape))
    return net


def _styles(t: Any) -> Any:
    return importlib.import_module(f"{t.torch.__name__}.distributed.tensor.parallel")


def _plan(t: Any) -> dict[str, Any]:
    d, s = t.tensor, _styles(t)
    cut, whole = d.Shard(1), d.Replicate()
    gather = s.PrepareModuleInput(input_layouts=(cut,), desired_input_layouts=(whole,))
    return {
        "words": s.RowwiseParallel(input_layouts=whole, output_layouts=cut),
        "norm?": s.SequenceParallel(),
        "mixed": gather,
        "mixed.q": s.ColwiseParallel(), "mixed.k": s.ColwiseParallel(),
        "mixed.o": s.RowwiseParallel(output_layouts=cut),
        "hidden": gather,
        "hidden.0": s.ColwiseParallel(),
        "hidden.2": s.RowwiseParallel(output_layouts=cut),
        "scores": s.ColwiseParallel(input_layouts=cut, output_layouts=d.Shard(-1),
                                    use_local_output=False),
    }  # fmt: skip


def sequences(t: Any) -> list[Any]:
    """A block whose norms see parts of the sequence, with a loss over scores in parts.

    Seven words: with six, torch fails on the last of four processes, which has none.
    """
    torch, s = t.torch, _styles(t)
    whole = block(torch)
    net = copy.deepcopy(whole)
    mesh = t.device_mesh.init_device_mesh("cpu", (t.size,))
    s.parallelize_module(net, mesh, _plan(t))
    optimizers = [torch.optim.Adam(one.parameters(), lr=0.01) for one in (net, whole)]
    x = torch.arange(3 * 4 * t.size).reshape(3, 4 * t.size) * 5 % 7
    y = (x + 1) % 7
    loss_of = torch.nn.functional.cross_entropy
    found: list[Any] = []
    for _ in range(2):
        scores = net(x)
        with s.loss_parallel():
            loss = loss_of(scores.flatten(0, 1), y.flatten())
            loss.backward()
        plain = loss_of(whole(x).flatten(0, 1), y.flatten())
        plain.backward()
        found += [t.laid(scores), float(loss), abs(float(loss) - float(plain)) < 1e-5]
        for (name, p), q in zip(net.named_parameters(), whole.parameters(), strict=True):
            near = torch.allclose(p.grad.full_tensor(), q.grad, atol=1e-5)
            found += [name, list(p.to_local().shape), str(p.placements), t.numbers(p.grad), near]
        for one in optimizers:
            one.step()
            one.zero_grad()
    return found


def prepared(t: Any) -> list[Any]:
    """What modules get and give through PrepareModuleInput, Output and both, with refusals."""
    torch, d, s = t.torch, t.tensor, _styles(t)
    mesh = t.device_mesh.init_device_mesh("cpu", (t.size,))
    cut, whole = d.Shard(0), d.Replicate()
    part = torch.arange(6.0).reshape(2, 3) + 10 * t.rank

    class Told(torch.nn.Module):
        def forward(self, x: Any, other: Any = None, *, mask: Any = None) -> Any:
            self.got = [
                t.laid(one)
                if isinstance(one, d.DTensor)
                else None
                if one is None
                else list(one.shape)
                for one in (x, other, mask)
            ]
            return (x * 2, other) if other is not None else x * 2

    def run(style: Any, *args: Any, **named: Any) -> list[Any]:
        module = s.parallelize_module(Told(), mesh, style)
        out = module(*args, **named)
        several = out if isinstance(out, tuple) else (out,)
        return [module.got, [t.laid(one) if isinstance(one, d.DTensor) else one.tolist()
                             for one in several]]  # fmt: skip

    take, give = s.PrepareModuleInput, s.PrepareModuleOutput
    gather = {"input_layouts": cut, "desired_input_layouts": whole}
    spread = {"output_layouts": whole, "desired_output_layouts": cut}
    named = {"input_kwarg_layouts": {"mask": cut}, "desired_input_kwarg_layouts": {"mask": whole}}
    return [
        run(take(**gather), part), run(take(**gather, use_local_output=True), part),
        run(take(input_layouts=(cut, None), desired_input_layouts=(whole, None)), part, part),
        run(take(**gather, **named), part, mask=part),
        run(give(**spread), torch.ones(4, 2)), run(give(**spread, use_local_output=False), part),
        run(give(output_layouts=(whole, cut), desired_output_layouts=(cut, whole)), part, part),
        run(s.PrepareModuleInputOutput(**gather, output_layouts=whole, desired_output_layouts=cut),
            part),
        t.error(lambda: take(input_layouts=cut)), t.error(lambda: run(take(**gather), part, part)),
        t.error(lambda: take(input_layouts=cut, desired_input_layouts=(cut, cut))),
        t.error(lambda: run(give(**spread), part, part)),
        repr(take(**gather)), repr(give(**spread)), repr(s.SequenceParallel(sequence_dim=2)),
    ]  # fmt: skip


def norms(t: Any) -> list[Any]:
    """SequenceParallel alone: cut along either dimension, given in parts and plain."""
    torch, d, s = t.torch, t.tensor, _styles(t)
    mesh = t.device_mesh.init_device_mesh("cpu", (t.size,))
    found = []
    for dim in (0, 1):
        for local in (False, True):
            norm = torch.nn.LayerNorm(4)
            norm.weight.data.copy_(torch.arange(4.0) + 1)
            style = s.SequenceParallel(sequence_dim=dim, use_local_output=local)
            net = s.parallelize_module(norm, mesh, style)
            x = (torch.arange(16.0).reshape(2, 2, 4) ** 2 + t.rank).requires_grad_()
            y = net(x)
            y.sin().sum().backward()
            out = y.tolist() if local else t.laid(y)
            found += [out, x.grad.tolist(), t.numbers(net.weight.grad), t.numbers(net.bias.grad)]
    dropped = s.parallelize_module(torch.nn.Dropout(0.0), mesh, s.SequenceParallel())
    x = d.distribute_tensor(torch.arange(8.0).reshape(1, 4, 2), mesh, [d.Replicate()])
    return [*found, t.laid(dropped(x))]


def losses(t: Any) -> list[Any]:
    """cross_entropy over scores in parts: reductions, labels passed over, and the gradient."""
    torch, d, s = t.torch, t.tensor, _styles(t)
    mesh = t.device_mesh.init_device_mesh("cpu", (t.size,))
    values = torch.sin(torch.arange(28.0)).reshape(4, 7)
    labels = torch.tensor([1, 5, 0, 3])
    found = []
    for how in ({}, {"reduction": "sum"}, {"ignore_index": 5}, {"reduction": "none"}):
        x = d.distribute_tensor(values, mesh, [d.Shard(1)], src_data_rank=0).requires_grad_()
        plain = values.clone().requires_grad_()
        with s.loss_parallel():
            loss = torch.nn.functional.cross_entropy(x, labels, **how)
            loss.sum().backward()
        expected = torch.nn.functional.cross_entropy(plain, labels, **how)
        expected.sum().backward()
        whole = loss.full_tensor() if isinstance(loss, d.DTensor) else loss
        near = torch.allclose(x.grad.full_tensor(), plain.grad, atol=1e-6)
        found += [whole.tolist(), torch.allclose(whole, expected), t.laid(x.grad), near]
    return found
