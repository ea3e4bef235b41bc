"""What is made of weights once (packed copies) is made again whenever they may have changed."""

from __future__ import annotations

import ctypes
import threading
from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight import nn
from rushlight.core import tape
from rushlight.testing import assert_close


class Net(nn.Module):
    """Both kinds of convolutions, a product, and a value made of a weight alone."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 40, 3, padding=1)
        self.norm = nn.BatchNorm2d(40)
        self.place = nn.Conv2d(40, 48, 1)
        self.last = nn.Conv2d(48, 96, 3, stride=2, padding=1, bias=False)
        self.head = nn.Linear(96, 33)
        self.table = nn.Parameter(rl.randn(48, 40, 1, 1))

    def forward(self, x: Any) -> Any:
        x = self.norm(self.first(x)).relu()
        x = nn.functional.conv2d(x, self.place.weight + self.table.tanh()).relu()
        return self.head(self.last(x).mean((2, 3)))


def made(seed: int = 0) -> tuple[Any, Any, Any]:
    """A net, its compiled inference, and an input."""
    rl.manual_seed(seed)
    net = Net().eval()

    def infer(x: Any) -> Any:
        with rl.no_grad():
            return net(x)

    return net, rl.compile(infer, fullgraph=True), rl.randn(8, 3, 8, 8)


def agree(net: Any, call: Any, x: Any) -> None:
    found = call(x)
    with rl.no_grad():
        wanted = net(x)
    # the sums are of numbers as large as the largest: so is what rounding leaves of small ones
    assert_close(found, wanted, rtol=1e-4, atol=max(1e-5, 1e-6 * float(wanted.abs().max())))


def once_of(call: Any) -> Any:
    return call.programs[0].program.native.once


def counted(call: Any) -> list[int]:
    """Counts from now on how often what is made once was made."""
    once, runs = once_of(call), [0]
    run = once._run

    def more(table: int) -> None:
        runs[0] += 1
        run(table)

    once._run = more
    return runs


def by_step(net: Any) -> None:
    optimizer = rl.optim.SGD(net.parameters(), 0.5)
    net(rl.ones(2, 3, 8, 8)).square().mean().backward()
    optimizer.step()


def by_compiled_step(net: Any) -> None:
    optimizer = rl.optim.SGD(net.parameters(), 0.5, momentum=0.9)

    def step(x: Any) -> None:
        optimizer.zero_grad()
        net(x).square().mean().backward()
        optimizer.step()

    step = rl.compile(step)
    for _ in range(4):
        step(rl.ones(2, 3, 8, 8))


def by_view(net: Any) -> None:
    with rl.no_grad():
        net.last.weight.view(-1)[:100] += 1


def by_dlpack(net: Any) -> None:
    array = np.from_dlpack(net.place.weight.detach())
    ctypes.memset(array.ctypes.data, 0, array.nbytes // 2)  # NumPy may think that it must not


def by_pointer(net: Any) -> None:
    weight = net.last.weight
    ctypes.memset(weight.data_ptr(), 0, weight.numel() * 2)


def by_replacing(net: Any) -> None:
    net.last.weight = nn.Parameter(rl.randn_like(net.last.weight))


def by_swapping_data(net: Any) -> None:
    net.head.weight.data = rl.randn_like(net.head.weight)


def by_statistics(net: Any) -> None:
    net.train()
    net(rl.randn(4, 3, 8, 8))
    net.eval()


CHANGES: dict[str, Any] = {
    "state dict": lambda net: net.load_state_dict(made(1)[0].state_dict()),
    "assigned": lambda net: net.load_state_dict(made(1)[0].state_dict(), assign=True),
    "step": by_step,
    "compiled step": by_compiled_step,
    "in place": lambda net: rl.nn.init.normal_(net.last.weight),
    "data": lambda net: net.last.weight.data.mul_(2),
    "data copied": lambda net: net.place.weight.data.copy_(rl.randn_like(net.place.weight)),
    "data by index": lambda net: net.head.weight.data.__setitem__(3, 2.0),
    "detached": lambda net: net.last.weight.detach().add_(1),
    "view": by_view,
    "flipped": lambda net: net.table.data.neg_(),
    "numpy": lambda net: net.last.weight.detach().numpy().fill(0.01),
    "asarray": lambda net: np.asarray(net.head.weight.detach()[2:5]).fill(2),
    "dlpack": by_dlpack,
    "storage": lambda net: net.last.weight.untyped_storage().fill_(0),
    "pointer": by_pointer,
    "replaced": by_replacing,
    "data swapped": by_swapping_data,
    "statistics": by_statistics,
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_weights_is_seen(change: str) -> None:
    net, call, x = made()
    for _ in range(3):
        agree(net, call, x)
    before = call(x)
    CHANGES[change](net)
    agree(net, call, x)
    assert not rl.allclose(call(x), before)
    agree(net, call, x)


@pytest.mark.parametrize("door", ["numpy", "asarray", "storage", "from_numpy", "shared"])
def test_views_that_numpy_holds_are_written_at_any_time(door: str) -> None:
    net, call, x = made()
    weight = net.last.weight
    if door == "from_numpy":
        array = np.random.default_rng(0).standard_normal(weight.shape).astype(np.float32)
        weight.data = rl.from_numpy(array)
    elif door == "shared":  # a part of memory that NumPy has all of
        array = np.zeros(weight.numel() + 50, np.float32)
        weight.data = rl.as_tensor(array)[50:].view(weight.shape)
    agree(net, call, x)
    if door == "numpy":
        array = weight.detach().numpy()
    elif door == "asarray":
        array = np.asarray(weight.detach().flatten())
    elif door == "storage":
        array = np.asarray(weight.untyped_storage()).view(np.float32)
    for number in range(4):
        before = call(x)
        array.reshape(-1)[number :: 3 + number] += 1
        agree(net, call, x)
        assert not rl.allclose(call(x), before)


def test_nothing_is_made_twice_while_weights_stay() -> None:
    net, call, x = made()
    agree(net, call, x)
    runs = counted(call)
    for k in range(5):
        agree(net, call, x + k)
        call(x).numpy()
        rl.zeros(2000).add_(1)  # writes, but nothing that matters
        np.array(net.last.weight.detach())  # a copy
        net.state_dict()
        net.last.weight.sum().item()
    assert runs == [0]
    net.last.weight.data.zero_()
    agree(net, call, x)
    agree(net, call, x)
    assert runs == [1]
    net.last.weight.detach().numpy()
    for _ in range(3):
        call(x)
    assert runs == [4]


def test_what_is_kept_is_for_large_weights_of_inference() -> None:
    net, call, x = made()
    call(x)
    places = once_of(call).places
    sizes = {call.programs[0].captured.sources[k].array.nbytes for k in places}
    assert sizes and min(sizes) >= tape.FOLLOWED
    live = rl.compile(lambda x: net(x))
    live(x).sum().backward()
    assert once_of(live) is None


def test_the_cache_on_disk_gives_the_same_program() -> None:
    for _ in range(2):
        net, call, x = made()
        agree(net, call, x)
        runs = counted(call)
        agree(net, call, x)
        assert runs == [0]


def test_a_form_that_changed_is_not_read() -> None:
    net, call, x = made()
    agree(net, call, x)
    net.last.weight = nn.Parameter(rl.randn(16, 48, 1, 1))
    net.last.padding = (0, 0)
    net.head = nn.Linear(16, 3)
    agree(net, call, x)


def test_threads_see_what_was_written_before_they_call() -> None:
    net, call, x = made()
    call(x)
    wrong: list[Any] = []

    def work() -> None:
        try:
            for _ in range(20):
                call(x)
        except Exception as error:
            wrong.append(error)

    for number in range(3):
        with rl.no_grad():
            net.last.weight.fill_(number / 100)
        threads = [threading.Thread(target=work) for _ in range(3)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        agree(net, call, x)
    assert not wrong


def test_versions_do_not_count_what_is_only_followed() -> None:
    x = rl.zeros(2000)
    before = x._version
    x.data.add_(1)
    x.data[3] = 2
    x.numpy()
    assert x._version == before


def test_transposed_convolutions_and_groups() -> None:
    rl.manual_seed(0)
    net = nn.Sequential(
        nn.ConvTranspose2d(20, 32, 4, 2, 1), nn.ReLU(), nn.Conv2d(32, 64, 3, groups=2),
        nn.ReLU(), nn.Conv2d(64, 64, 3, groups=64), nn.Conv2d(64, 40, 3, 2, dilation=2),
    ).eval()  # fmt: skip

    def infer(x: Any) -> Any:
        with rl.no_grad():
            return net(x)

    call = rl.compile(infer, fullgraph=True)
    for batch in (1, 3):
        x = rl.randn(batch, 20, 9, 7)
        for _ in range(2):
            agree(net, call, x)
            net[0].weight.data.mul_(-1)
            net[2].weight.data.add_(0.1)


class Framed(nn.Module):
    """Values with edges that are the same in every run."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 40, 3, padding=1)
        self.pool = nn.MaxPool2d(3, 1, 1)
        self.last = nn.Conv2d(120, 16, 1)

    def forward(self, x: Any) -> Any:
        x = self.first(x)
        high = nn.functional.pad(self.pool(x), (0, 1, 2, 0), value=0.5)
        low = nn.functional.pad(-self.pool(-x), (1, 0, 0, 2), value=-2.0)
        edge = nn.functional.pad(x, (1, 0, 1, 1))
        return self.last(rl.cat([high, low * edge, edge], 1)), high


def test_edges_that_stay_are_those_of_every_run() -> None:
    rl.manual_seed(0)
    net = Framed().eval()

    def infer(x: Any) -> Any:
        with rl.no_grad():
            return net(x)

    call = rl.compile(infer, fullgraph=True)
    for k in range(4):
        x = rl.randn(2, 3, 24, 24) * (k - 2)
        for found, wanted in zip(call(x), net(x)):
            assert_close(found, wanted.detach(), rtol=1e-4, atol=1e-5)
        if k == 2:
            net.first.weight.data.neg_()


def _sums(w: Any, x: Any, i: Any) -> Any:
    return w.tanh().index_add(0, i, x) + rl.ones(6, 4).index_add(0, i, x)


def _means(w: Any, x: Any, i: Any) -> Any:
    return w.exp().index_reduce(0, i, x, "mean")


def _parts(w: Any, x: Any, i: Any) -> Any:
    made = w.tanh()
    y = made.clone()
    y[1:3] = x[:2]
    return made * 2 + y


def _rows(w: Any, x: Any, i: Any) -> Any:
    y = w * 2
    y[i] = x
    return y.sum(0) + y


def _padded(w: Any, x: Any, i: Any) -> Any:
    return nn.functional.pad(w.tanh(), (1, 1, 0, 3)).index_add(1, i, rl.ones(9, 3)) + x.sum()


@pytest.mark.parametrize("function", [_sums, _means, _parts, _rows, _padded])
def test_what_is_written_into_is_made_in_every_call(function: Any) -> None:
    rl.manual_seed(0)
    w = nn.Parameter(rl.randn(6, 4))

    def infer(x: Any, i: Any) -> Any:
        with rl.no_grad():
            return function(w, x, i)

    call = rl.compile(infer, fullgraph=True)
    for places in ([0, 2, 2], [5, 1, 0], [3, 3, 3], [0, 2, 2]):
        x, i = rl.randn(3, 4), rl.tensor(places)
        assert_close(call(x, i), infer(x, i), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("turns", [{"num_layers": 2}, {"bidirectional": True}])
def test_what_a_product_of_once_packs_is_there_for_the_others(turns: dict[str, Any]) -> None:
    rl.manual_seed(0)
    layer, x = nn.GRU(16, 16, **turns), rl.randn(7, 32, 16)
    call = rl.compile(layer, fullgraph=True)
    with rl.no_grad():  # the first state is zeros: its product is one of the weights alone
        wanted = layer(x)[0]
        for _ in range(3):
            assert_close(call(x)[0], wanted, rtol=1e-5, atol=1e-6)
