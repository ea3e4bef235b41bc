"""Training by several processes: equal to one process that sees all, and what is refused."""

from __future__ import annotations

import copy
import io
import pickle
import subprocess
import sys
import warnings
from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight.distributed.algorithms import Join
from rushlight.distributed.optim import ZeroRedundancyOptimizer
from rushlight.nn.parallel import DistributedDataParallel
from rushlight.utils.checkpoint import checkpoint
from rushlight.utils.data import DataLoader, DistributedSampler, TensorDataset

from .ranks import on_ranks

nn = rl.nn


def network() -> Any:
    rl.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3))


def data(epoch: int = 0) -> tuple[Any, Any]:
    draws = rl.Generator().manual_seed(epoch)
    return rl.randn(12, 5, generator=draws), rl.randint(0, 3, (12,), generator=draws)


def together(rank: int, size: int, how: dict[str, Any]) -> None:
    net = network()
    model, whole = DistributedDataParallel(copy.deepcopy(net), **how), net
    optimizers = [rl.optim.Adam(one.parameters(), lr=0.1) for one in (model, whole)]
    sampler = DistributedSampler(range(12), size, rank, shuffle=True)
    for epoch in range(3):
        sampler.set_epoch(epoch)
        x, y = data()
        mine = list(sampler)
        assert len(mine) == 12 // size
        nn.functional.cross_entropy(model(x[mine]), y[mine]).backward()
        nn.functional.cross_entropy(whole(x), y).backward()
        for p, q in zip(model.parameters(), whole.parameters()):
            assert rl.allclose(p.grad, q.grad, atol=1e-6)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()


@pytest.mark.parametrize("how", [{}, {"gradient_as_bucket_view": True, "bucket_cap_mb": 1e-5}])
def test_equal_to_one_process_on_the_joined_batch(how: dict[str, Any]) -> None:
    on_ranks(together, 3, 3, how)


def loaded(rank: int) -> list[list[int]]:
    set_ = TensorDataset(rl.arange(10))
    sampler = DistributedSampler(set_, shuffle=False)
    return [batch[0].tolist() for batch in DataLoader(set_, 2, sampler=sampler)]


def test_a_loader_shares_out_its_data_set() -> None:
    assert on_ranks(loaded, 3) == [
        [[0, 3], [6, 9]], [[1, 4], [7, 0]], [[2, 5], [8, 1]],
    ]  # fmt: skip


def test_shares_cover_everything_whatever_the_sizes() -> None:
    for count in (1, 2, 5, 7, 12):
        for size in (1, 2, 3, 5):
            shares = [list(DistributedSampler(range(count), size, r)) for r in range(size)]
            assert len({len(share) for share in shares}) == 1
            assert set().union(*map(set, shares)) == set(range(count))
            cut = [list(DistributedSampler(range(count), size, r, drop_last=True))
                   for r in range(size)]  # fmt: skip
            flat = [place for share in cut for place in share]
            assert len(flat) == len(set(flat)) == count // size * size


def started_early(rank: int, size: int) -> None:
    model = DistributedDataParallel(network(), bucket_cap_mb=1e-5)
    first, last = model.module[0].weight, model.module[2].weight
    found = []

    def note(state: Any, bucket: Any) -> Any:
        found.append((bucket.index(), last.grad is not None, first.grad is not None))
        return (
            rl.distributed.all_reduce(bucket.buffer().div_(size), async_op=True)
            .get_future()
            .then(lambda done: done.value()[0])
        )

    model.register_comm_hook(None, note)
    x, y = data()
    nn.functional.cross_entropy(model(x), y).backward()
    assert found[0] == (0, False, False), "only the last bias has its gradient"
    assert any(there and not yet for _, there, yet in found) and len(found) > 2


def test_sums_start_while_backward_goes_on() -> None:
    on_ranks(started_early, 2, 2)


def tables(sparse: bool) -> Any:
    rl.manual_seed(0)
    return nn.Sequential(
        nn.Embedding(9, 4, sparse=sparse), nn.Linear(4, 3), nn.Flatten(), nn.Linear(6, 2)
    )


def sparsely(rank: int, size: int, how: dict[str, Any]) -> None:
    model, whole = DistributedDataParallel(tables(True), **how), tables(False)
    words = rl.tensor([[[0, 3], [3, 3]], [[1, 3], [8, 0]], [[2, 0], [1, 1]]])[:size]
    for _ in range(3):
        (model(words[rank]) ** 2).mean().backward()
        ((whole(words.flatten(0, 1)) ** 2).mean()).backward()
        for p, q in zip(model.parameters(), whole.parameters()):
            assert rl.allclose(p.grad.to_dense() if p.grad.is_sparse else p.grad, q.grad)
        table = model.module[0].weight
        assert table.grad.is_sparse and table.grad._nnz() == len(words.unique()), "no zeros travel"
        with rl.no_grad():
            for p in (*model.parameters(), *whole.parameters()):
                p.add_(p.grad, alpha=-0.1)
                p.grad = None


@pytest.mark.parametrize("how", [{}, {"gradient_as_bucket_view": True}, {"static_graph": True}])
def test_sparse_gradients_are_summed_by_their_entries(how: dict[str, Any]) -> None:
    on_ranks(sparsely, 3, 3, how)


def unused_table(rank: int) -> None:
    net: Any = nn.ModuleDict({"a": nn.Embedding(4, 2, sparse=True), "b": nn.Linear(2, 2)})
    net.forward = lambda x, use: net["b"](net["a"](x) if use else rl.ones(1, 2))
    model = DistributedDataParallel(net, find_unused_parameters=True)
    model(rl.tensor([1]), rank == 0).sum().backward()
    grad = net["a"].weight.grad
    assert grad is not None and grad.is_sparse and grad._nnz() == 1
    net["a"].weight.grad = None
    model(rl.tensor([1]), False).sum().backward()
    assert net["a"].weight.grad is None


def test_a_table_that_one_process_leaves_out() -> None:
    on_ranks(unused_table, 2)


def differing(rank: int) -> None:
    cases = [
        (lambda: nn.Linear(3, 2 + rank), r"\[1\]: params\[0\] in this process with sizes \[3, 3\]",
         "rank 0 has weight (2, 3) torch.float32, rank 1 has weight (3, 3) torch.float32"),
        (lambda: nn.Sequential(*[nn.Linear(3, 3) for _ in range(1 + rank)]),
         "Rank 0 has 2 params, while rank 1 has inconsistent 4 params",
         "only on one of them: 1.bias, 1.weight"),
        (lambda: nn.Linear(2, 2, dtype=[rl.float32, rl.float64][rank]), "other parameters",
         "rank 1 has weight (2, 2) torch.float64"),
        (lambda: nn.ModuleDict({"ab"[rank]: nn.Linear(2, 2)}), "other parameters",
         "rank 0 has a.weight (2, 2) torch.float32, rank 1 has b.weight (2, 2) torch.float32"),
    ]  # fmt: skip
    for make, message, note in cases:
        with pytest.raises(RuntimeError, match=message) as caught:
            DistributedDataParallel(make())
        assert note in "\n".join(caught.value.__notes__)
    model = DistributedDataParallel(nn.Linear(2, 2), check_weights_every=2)
    model(rl.ones(1, 2)).sum().backward()
    if rank:
        model.module.bias.data.add_(1)
    with pytest.raises(RuntimeError, match="step 2: bias has other values on rank 1 than on rank"):
        model(rl.ones(1, 2))


def test_processes_that_differ_are_told_in_what() -> None:
    on_ranks(differing)


class Two(nn.Module):
    """A layer that is used and one that is not."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(2, 2), nn.Linear(2, 2)

    def forward(self, x: Any) -> Any:
        return self.a(x)


def refused(rank: int) -> None:
    model = DistributedDataParallel(Two())
    model(rl.ones(1, 2)).sum().backward()
    with pytest.raises(RuntimeError, match="Expected to have finished reduction") as caught:
        model(rl.ones(1, 2))
    assert "b.weight, b.bias" in "\n".join(caught.value.__notes__)
    for make, message in (
        (lambda: DistributedDataParallel(nn.Linear(2, 2).requires_grad_(False)), "not needed when"),
        (lambda: DistributedDataParallel(nn.LazyLinear(2)), "Run a dummy forward pass"),
        (lambda: DistributedDataParallel(nn.Linear(2, 2), [0, 1]), "device_ids can only be None"),
        (lambda: DistributedDataParallel(nn.Linear(2, 2), [0]), "only work with single-device"),
        (lambda: ZeroRedundancyOptimizer([], rl.optim.SGD, lr=1), "empty parameter list"),
        (lambda: ZeroRedundancyOptimizer(rl.ones(2), rl.optim.SGD, lr=1), "iterable of Tensors"),
        (lambda: ZeroRedundancyOptimizer([rl.ones(2)], rl.optim.SGD, lr=1).state_dict(),
         "has not been consolidated"),
    ):  # fmt: skip
        with pytest.raises((RuntimeError, ValueError, TypeError), match=message):
            make()
    model = DistributedDataParallel(nn.Linear(2, 2))
    model.register_comm_hook(None, lambda state, bucket: None)
    with pytest.raises(RuntimeError, match="can only be called once"):
        model.register_comm_hook(None, print)
    with pytest.raises(TypeError, match="must be callable"):
        model.register_comm_hook(None, 5)
    with pytest.warns(FutureWarning, match="`broadcast_buffers` is deprecated"):
        assert not DistributedDataParallel(
            nn.Linear(2, 2), broadcast_buffers=False
        ).broadcast_buffers


def test_what_is_refused() -> None:
    on_ranks(refused)


def copied(rank: int) -> None:
    model = DistributedDataParallel(nn.Linear(2, 2))
    assert repr(model).startswith("DistributedDataParallel(\n  (module): Linear(")
    assert list(model.state_dict()) == ["module.weight", "module.bias"]
    file = io.BytesIO()
    rl.save(model.state_dict(), file)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        other(rl.ones(1, 2) * (rank + 1)).sum().backward()
        assert other.module.weight.grad.tolist() == [[1.5, 1.5]] * 2
    assert model.module.weight.grad is None
    module = model.module
    del model, other
    module(rl.ones(1, 2) * (rank + 1)).sum().backward()
    assert module.weight.grad.tolist() == [[1.0 + rank] * 2] * 2, "hooks are gone with the wrapper"


def test_copies_pickles_and_what_is_left_behind() -> None:
    on_ranks(copied)


def several(rank: int) -> None:
    net = network()
    model = DistributedDataParallel(copy.deepcopy(net), static_graph=True)

    def again(run: Any) -> Any:  # the first layer twice, inside of a checkpoint
        inner = lambda x: run[0](run[0](x)[:, :5])
        h = checkpoint(inner, rl.ones(2, 5).requires_grad_() * (rank + 1), use_reentrant=True)
        return run[2](h).square().sum()

    model.module.forward = lambda x: again(model.module)
    for _ in range(2):
        model.zero_grad()
        model(rl.ones(1)).backward()
    mine = [p.grad.clone() for p in model.parameters()]
    again(net).backward()
    for p, q in zip(net.parameters(), mine):
        rl.distributed.all_reduce(p.grad)
        assert rl.allclose(p.grad / 2, q, atol=1e-5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        out = DistributedDataParallel(nn.Linear(2, 2))
        loss = out(rl.ones(1, 2) * (rank + 1)).sum()
        loss.backward(retain_graph=True)
        loss.backward()  # a second pass is this process's own, as torch's
    assert out.module.weight.grad[0, 0].item() == 1.5 + rank + 1


def test_layers_that_run_twice_and_passes_that_do() -> None:
    on_ranks(several)


def normalised(rank: int) -> None:
    net = nn.Sequential(nn.Conv2d(2, 3, 2, bias=False), nn.BatchNorm2d(3), nn.Flatten())
    whole = copy.deepcopy(net)
    model = DistributedDataParallel(nn.SyncBatchNorm.convert_sync_batchnorm(net))
    assert type(model.module[1]) is nn.SyncBatchNorm
    for step in range(2):
        x = rl.randn(6, 2, 4, 4, generator=rl.Generator().manual_seed(step))
        mine = model(x[:4] if rank == 0 else x[4:])  # the counts differ
        both = whole(x)
        assert rl.allclose(mine, both[:4] if rank == 0 else both[4:], atol=1e-5)
        (mine.pow(3).sum() * 2).backward()  # twice: the gradients are a mean
        both.pow(3).sum().backward()
    for p, q in zip(model.parameters(), whole.parameters()):
        assert rl.allclose(p.grad, q.grad, atol=1e-3, rtol=1e-4)
    for p, q in zip(model.buffers(), whole.buffers()):
        assert rl.allclose(p, q, atol=1e-5)
    model.eval()
    whole.eval()
    assert rl.allclose(model(x), whole(x), atol=1e-5)


def test_batch_norm_over_all_processes() -> None:
    on_ranks(normalised)


def compiled(rank: int) -> list[list[float]]:
    warnings.simplefilter("ignore")  # that a call stays eager
    found = []
    for inside, outside, whole in ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)):
        net = network()
        model = DistributedDataParallel(rl.compile(net) if inside else net)
        opt = rl.optim.SGD(model.parameters(), lr=0.1)
        forward = rl.compile(model) if outside else model

        def step(x: Any, opt: Any = opt, forward: Any = forward) -> Any:
            opt.zero_grad()
            loss = forward(x).square().mean()
            loss.backward()
            opt.step()
            return loss

        step = rl.compile(step) if whole else step
        losses = [step(rl.ones(4, 5) * (rank + 1 + k) / 5).item() for k in range(4)]
        found.append([*losses, *(float(p.sum()) for p in net.parameters())])
    return found


def test_compiled_or_not_weights_are_those_of_all() -> None:
    for eager, *others in on_ranks(compiled):
        for other in others:
            assert other == pytest.approx(eager, rel=1e-5)


def joined(rank: int) -> list[float]:
    """Both processes' batches, rank 1 with two more; the state of Adam on two processes."""
    net = network()
    batches = [[rl.full((4, 5), i + 1.0 + 10 * r) / 10 for i in range(3 + 2 * r)] for r in (0, 1)]
    whole = copy.deepcopy(net)
    model = DistributedDataParallel(net)
    opt = ZeroRedundancyOptimizer(model.parameters(), rl.optim.Adam, lr=0.1)
    with Join([model, opt]):
        for x in batches[rank]:
            opt.zero_grad()
            model(x).square().mean().backward()
            opt.step()
    single = rl.optim.Adam(whole.parameters(), lr=0.1)
    for i in range(5):
        single.zero_grad()
        sum(whole(b[i]).square().mean() / 2 for b in batches if i < len(b)).backward()
        single.step()
    for p, q in zip(net.parameters(), whole.parameters()):
        assert rl.allclose(p, q, atol=1e-5)
    return [float(p.sum()) for p in net.parameters()]


def test_uneven_inputs_and_spread_state_are_as_one_process() -> None:
    first, second = on_ranks(joined)
    assert first == second


def test_nothing_of_it_is_loaded_unasked() -> None:
    code = (
        "import sys, rushlight, rushlight.nn\n"
        "print([m for m in sys.modules if 'rushlight.distributed' in m])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout == "[]\n"


def test_buckets_go_from_the_last_parameter_to_the_first() -> None:
    layout = rl.distributed.algorithms.buckets.layout
    tensors = [rl.zeros(n) for n in (4, 1, 2, 3)] + [rl.zeros(2, dtype=rl.float64)]
    assert layout(tensors, [8, 16]) == [[4], [3], [2, 1, 0]]
    assert layout(tensors, [np.inf]) == [[4], [3, 2, 1, 0]]
