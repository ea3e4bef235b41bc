"""Calls that differ in the sizes of tensors: results are eager's, programs few."""

from __future__ import annotations

import random
import warnings
from collections import UserDict
from typing import Any

import pytest

import rushlight as torch
from rushlight import nn
from rushlight.compile.calls import shelf


def shelf_of(compiled: Any) -> Any:
    return getattr(compiled, "_call", compiled)._shelf


class Padded:
    """A step of training on batches of texts that are padded to their longest."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.embed, self.head = nn.Embedding(11, 6), nn.Linear(6, 11)
        self.parameters = [*self.embed.parameters(), *self.head.parameters()]
        self.optimizer = torch.optim.Adam(self.parameters, lr=0.01)
        self.calls = 0

    def step(self, batch: Any) -> Any:
        self.optimizer.zero_grad()
        words = batch["words"]
        found = self.head(torch.tanh(self.embed(words[:, :-1]).cumsum(1)))
        wanted = words[:, 1:].reshape(-1)
        loss = nn.functional.cross_entropy(found.reshape(-1, 11), wanted)
        loss.backward()
        self.optimizer.step()
        self.calls += 1
        return loss

    def state(self) -> list[Any]:
        kept = [x for one in self.optimizer.state.values() for x in one.values()]
        tensors = [*self.parameters, *(x.grad for x in self.parameters), *kept]
        return [x.tolist() for x in tensors] + [self.calls]


def close(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, list):
        return len(found) == len(wanted) and all(map(close, found, wanted))
    return found == pytest.approx(wanted, rel=2e-4, abs=2e-6)


@pytest.mark.parametrize("kind", [dict, UserDict])
def test_padded_batches_get_programs_when_their_lengths_come_again(kind: Any) -> None:
    eager, native = Padded(), Padded()
    step = torch.compile(native.step, backend="numpy")
    draw = random.Random(3)
    lengths = list(range(3, 15))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for epoch in range(4):
            draw.shuffle(lengths)
            for length in lengths:
                words = torch.randint(11, (2, length))
                wanted = eager.step(kind(words=words))
                found = step(kind(words=words))
                assert close(found.item(), wanted.item()), (epoch, length)
                assert close(native.state(), eager.state()), (epoch, length)
            for one in (eager, native):  # what users do between epochs
                one.optimizer.param_groups[0]["lr"] *= 0.5
                with torch.no_grad():
                    one.head.bias[epoch] += 1.0
    met = {one.card.sizes for one in step.programs}
    assert met == {((2, length),) for length in lengths}
    waited = shelf_of(step).waited
    for length in lengths:  # all of them have one now
        words = torch.ones(2, length, dtype=torch.int64)
        assert close(step(kind(words=words)).item(), eager.step(kind(words=words)).item())
    assert close(native.state(), eager.state())
    assert shelf_of(step).waited == waited and len(step.explain().sizes) == 2


class Decoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.project = nn.Linear(4, 4)

    def forward(self, x: Any, past: Any = None) -> Any:
        new = self.project(x)
        past = new if past is None else torch.cat([past, new], 1)
        return torch.softmax(new @ past.transpose(1, 2), -1) @ past, past


class Keeping(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = Decoder()
        self.kept: Any = None

    def forward(self, x: Any) -> Any:
        found, self.kept = self.inner(x, self.kept)
        return found


@pytest.mark.parametrize("backend", ["llvm", "numpy"])
def test_a_growing_past_is_native_when_lengths_come_again(backend: str) -> None:
    eager, native = Decoder(), Decoder()
    compiled = torch.compile(native, backend=backend)
    with torch.no_grad():
        for turn in range(3):
            ours = theirs = None
            for at in range(8):
                x = torch.randn(1, 1, 4)
                found, ours = compiled(x, ours)
                wanted, theirs = eager(x, theirs)
                assert torch.allclose(found, wanted, atol=1e-6), (turn, at)
                assert ours.shape == theirs.shape and torch.allclose(ours, theirs, atol=1e-6)
    assert len(compiled._call.programs) == 8 and shelf_of(compiled).waited == 3


@pytest.mark.parametrize("backend", ["llvm", "numpy"])
def test_a_past_that_the_module_keeps_is_known_by_its_size(backend: str) -> None:
    eager, native = Keeping(), Keeping()
    compiled = torch.compile(native, backend=backend)
    draw = random.Random(5)
    with torch.no_grad():
        for turn in range(5):
            eager.kept = native.kept = None
            for at in range(9):
                x = torch.randn(1, 1, 4)
                if draw.random() < 0.2:  # the user cuts what is kept
                    cut = draw.randrange(1, 4)
                    for one in (eager, native):
                        one.kept = None if one.kept is None else one.kept[:, :cut].clone()
                found, wanted = compiled(x), eager(x)
                assert torch.allclose(found, wanted, atol=1e-6), (turn, at)
                assert native.kept.shape == eager.kept.shape
                assert torch.allclose(native.kept, eager.kept, atol=1e-6), (turn, at)
    programs = compiled._call.programs
    assert shelf.FREE < len(programs) <= 9
    assert len({tuple(one.card.hidden) for one in programs}) == len(programs)
    waited = shelf_of(compiled).waited
    eager.kept = native.kept = None
    with torch.no_grad():
        for _ in range(4):
            x = torch.randn(1, 1, 4)
            assert torch.allclose(compiled(x), eager(x), atol=1e-6)
    assert shelf_of(compiled).waited == waited


def test_a_batch_in_a_variable_may_be_of_other_sizes() -> None:
    batch, weight = torch.ones(1, 3), torch.ones(3, requires_grad=True)

    def closure() -> Any:
        weight.grad = None
        loss = (batch * weight).square().sum()
        loss.backward()
        return loss

    call = torch.compile(closure, backend="numpy")
    for turn in range(4):
        for rows in range(1, 8):
            batch = torch.randn(rows, 3)
            assert close(call().item(), (batch * weight).square().sum().item()), (turn, rows)
            assert weight.grad is not None
            wanted = 2 * batch.square().sum(0) * weight.detach()
            assert torch.allclose(weight.grad, wanted, atol=1e-5)
    assert len(call.programs) <= 9 and shelf_of(call).waited <= 2 * 7


def test_sizes_that_never_come_again_cost_no_programs() -> None:
    double = torch.compile(lambda x: x * 2 + 1, backend="numpy")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = [double(torch.ones(n)).tolist() for n in range(1, 140)]
    assert found == [[3.0] * n for n in range(1, 140)]
    assert len(double.programs) == shelf.FREE
    assert len(caught) == 1 and "have not come before run eagerly" in str(caught[0].message)
    first, second = double.explain().sizes
    assert first.startswith("4 programs for 1 kind(s) of calls") and second.startswith(
        "135 call(s)"
    )
    assert "sizes:" in str(double.explain())


@pytest.mark.filterwarnings("ignore:compiled")
def test_few_are_kept_and_the_idle_make_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "KEPT", 6)
    double = torch.compile(lambda x: x * 2 + 1, backend="numpy")
    draw, made, seen = random.Random(0), 0, set[int]()
    for turn in range(600):
        low = 1 if turn < 300 else 40  # other sizes come from then on
        n = low + int(draw.random() ** 2 * 20)
        assert double(torch.full((n,), 1.5)).tolist() == [4.0] * n
        assert len(double.programs) <= 6
        new = {id(one) for one in double.programs} - seen
        made += len(new)
        seen |= new
        kept = [one.card.sizes[0][0] for one in double.programs]
        assert len(set(kept)) == len(kept)
        double._keep = [*getattr(double, "_keep", ()), *double.programs]  # ids stay apart
    assert 6 <= made <= 36  # six for each time that as many sights are asked for
    assert sum(n >= 40 for n in kept) >= 2, kept  # those in use now


@pytest.mark.filterwarnings("ignore:compiled")
def test_lengths_in_turn_do_not_push_each_other_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "KEPT", 6)
    double = torch.compile(lambda x: x * 2, backend="numpy")
    for _ in range(3):
        for n in range(1, 10):
            double(torch.ones(n))
    before = list(double.programs)
    for _ in range(20):
        for n in range(1, 10):
            assert double(torch.ones(n)).tolist() == [2.0] * n
    assert len(before) == 6 and set(double.programs) == set(before)


def test_large_temporaries_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "ROOM", -1)
    call = torch.compile(lambda x: x * 2, backend="numpy")
    for _ in range(5):
        for n in range(1, 8):
            call(torch.ones(n))
    assert len(call.programs) == shelf.FREE


def test_a_limit_that_is_given_counts_all_programs() -> None:
    double = torch.compile(lambda x: x * 2, backend="numpy", recompile_limit=6)
    with pytest.warns(UserWarning, match="6 programs were made"):
        for n in range(1, 9):
            double(torch.ones(n))
    assert len(double.programs) == 6


def test_modes_and_flags_are_kinds_and_sizes_are_not() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm1d(2)

        def forward(self, x: Any) -> Any:
            return self.norm(x) * 2

    eager, native = Net(), Net()
    compiled = torch.compile(native, backend="numpy")
    for turn in range(6):
        for one in (eager, native):
            one.train(turn % 2 == 0)
        for rows in range(2, 9):
            x = torch.randn(rows, 2)
            with torch.set_grad_enabled(turn % 2 == 0):
                assert torch.allclose(compiled(x), eager(x), atol=1e-6)
            assert torch.allclose(native.norm.running_var, eager.norm.running_var, atol=1e-6)
            assert native.norm.num_batches_tracked.item() == eager.norm.num_batches_tracked.item()
    assert shelf_of(compiled).kinds == 2 and len(compiled._call.programs) == 14


def test_numbers_that_go_with_sizes() -> None:
    def head(x: Any, count: int) -> Any:
        return x[:count].sum() / count

    compiled = torch.compile(head, backend="numpy")
    for turn in range(4):
        for n in range(2, 9):
            x = torch.arange(n + turn, dtype=torch.float32)
            assert compiled(x, n).item() == pytest.approx(head(x, n).item()), (turn, n)
