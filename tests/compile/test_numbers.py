"""Numbers among the arguments that change are inputs; programs are for answers to what is asked."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rushlight as torch
from rushlight import nn

sys.path.insert(0, str(Path(__file__).parent))
from worlds import F, alike, backends

X = torch.linspace(-2, 2, 12).reshape(3, 4)
FOLLOWED: dict[str, Callable[[Any, float], Any]] = {
    "times": lambda x, k: x * k,
    "from either side": lambda x, k: (k * x, k - x, x - k, k / (x * x + 1), x / k, k + x),
    "mixture": lambda x, k: k * x + (1 - k) * x.flip(0),
    "of numbers alone": lambda x, k: x * ((2 * k - 1) / (k + 3) + -k),
    "divided by it": lambda x, k: x * (1 / k),
    "to a power": lambda x, k: (x.abs() + 1) ** k,
    "compared": lambda x, k: (x > k, k > x, (x == k).sum(), torch.where(x < k, x, -x)),
    "whole numbers": lambda x, k: ((x * 3).long() * k, (x * 3).long() > k),
    "half precision": lambda x, k: (x.bfloat16() * k, k + x.half(), x.bfloat16().mean() * k),
    "without dimensions": lambda x, k: (
        x[0].sum() * k,
        x[0].sum().double() * k,
        x.long().sum() * k,
    ),
    "functions": lambda x, k: (torch.mul(x, k), torch.add(x, k), torch.sub(x, k), torch.div(x, k)),
    "a sum": lambda x, k: sum([k * x[0], k * x[1], 2.5]),
    "in place": lambda x, k: (x * 1).mul_(k).add_(1).div_(k),
    "assigned": lambda x, k: _assigned(x, k),
    "a mixture by name": lambda x, k: (torch.lerp(x, -x, k), (x * 1).lerp_(x.flip(0), 1 - k)),
    "in transforms": lambda x, k: (
        torch.func.grad(lambda v: (v * k).square().sum())(x),
        torch.func.vmap(lambda v: k - v)(x),
    ),
    "its class": lambda x, k: x * k if isinstance(k, float) else x,
}


def _assigned(x: Any, k: float) -> Any:
    y = x * 1
    y *= k
    y += k
    y -= 2 * k
    return y


WHOLE: dict[str, Callable[[Any, int], Any]] = {
    "times": lambda x, n: (x * n, n * x.long(), x / n, n - x),
    "types": lambda x, n: (x.long() + n, x.int() * n, x.half() * n, x.double() / n, x.bool() * n),
    "of numbers alone": lambda x, n: x * (n * n - 3 * n + 2) / (n / 4 + 0.5),
    "corrected for bias": lambda x, n: x / (1 - 0.9**n) + x * n**0.5,
    "its size": lambda x, n: x * -abs(-n),
    "mixed": lambda x, n: x * (0.1 + n / 10) + (x > n),
}


@backends
@pytest.mark.parametrize("name", WHOLE)
def test_whole_numbers_are_inputs_too(name: str, backend: str) -> None:
    compiled = torch.compile(WHOLE[name], backend=backend, fullgraph=True)
    for n in [1, 2, 3, 7, 12, 5, 31, 4, 10, 1000]:
        alike(_lists(compiled(X, n)), _lists(WHOLE[name](X, n)))
    assert len(compiled.programs) == 1


BRANCHES: dict[str, tuple[int, Callable[[Any, Any, Any], Any]]] = {
    "every third": (2, lambda x, n, k: x * k if n % 3 == 0 else x + n),
    "a threshold": (2, lambda x, n, k: x * k if n < 6 else x * n),
    "warming up": (2, lambda x, n, k: x * min(n / 5, 1.0) * k),
    "two questions": (4, lambda x, n, k: (x if n % 2 else -x) * (k if k > 0.45 else 1)),
    "its truth": (2, lambda x, n, k: x * k if n % 4 else x),
    "a range": (3, lambda x, n, k: x * k if 2 <= n <= 8 else x),
    "its eighth": (5, lambda x, n, k: x[: n // 8 + 1].sum() * k if n // 8 < 6 else x),
    "a shape": (3, lambda x, n, k: x.reshape(-1)[: n % 3 + 1] * k),
    "an index": (3, lambda x, n, k: x[n % 3] * k + n),
    "rounded": (1, lambda x, n, k: x * round(n / 10) * k),
    "rounded for a shape": (5, lambda x, n, k: x.reshape(-1)[: 1 + round(n / 10)] * k),
}


@backends
@pytest.mark.parametrize("name", BRANCHES)
def test_what_is_asked_tells_programs_apart(name: str, backend: str) -> None:
    count, function = BRANCHES[name]
    compiled = torch.compile(function, backend=backend, fullgraph=True)
    for n in range(40):
        k = 0.1 * (n % 7 + 2)
        alike(_lists(compiled(X, n, k)), _lists(function(X, n, k)))
    assert len(compiled.programs) == count


def test_what_was_asked_is_told() -> None:
    compiled = torch.compile(lambda x, n, k: x * k if n % 3 == 0 else x + n)
    for n in range(4):
        compiled(X, n, n / 4)
    told = [program["guards"][0] for program in compiled.explain().programs]
    assert told == ["(args[1] % 3) == 0 gives False", "(args[1] % 3) == 0 gives True"]


@backends
def test_more_answers_than_programs_are_allowed(backend: str) -> None:
    compiled = torch.compile(lambda x, n: x.repeat(n, 1), backend=backend, recompile_limit=8)
    with pytest.warns(UserWarning, match="8 programs were made"):
        for n in range(1, 15):
            assert compiled(X, n).shape == (3 * n, 4)
    assert len(compiled.programs) == 8
    assert compiled(X, 3).shape == (9, 4)


@backends
def test_whole_numbers_that_a_call_goes_by_are_as_sizes(backend: str) -> None:
    """Of lengths and places a few programs are made at once, others when they come again."""

    def cut(x: Any, n: int, k: float) -> Any:
        return x.repeat(n, 1) * k if n % 2 else x[:, :n] * k

    compiled = torch.compile(cut, backend=backend)
    for turn, count in ((0, 4), (1, 13), (2, 14)):
        for n in range(1, 15):
            k = 0.5 + n + 100 * turn
            alike(compiled(X, n, k).tolist(), cut(X, n, k).tolist())
        assert len(compiled.programs) == count
    assert "10 call(s) ran eagerly" in str(compiled.explain()) and not compiled.reasons
    for n in range(15, 100):
        alike(compiled(X, n, 0.5).tolist(), cut(X, n, 0.5).tolist())
    for _ in range(2):
        for n in range(15, 100, 2):
            assert compiled(X, n, 0.25).shape == (3 * n, 4)
    assert len(compiled.programs) == 57


@backends
def test_no_more_than_so_many_are_kept(backend: str) -> None:
    compiled = torch.compile(lambda x, n: x.repeat(n, 1), backend=backend)
    for _ in range(3):
        for n in range(1, 80):
            assert compiled(X, n).shape == (3 * n, 4)
    assert len(compiled.programs) == 64


def test_a_call_that_never_gets_a_program_is_given_up() -> None:
    kept = type("Kept", (), {"last": 0})

    def keep(x: Any, k: float) -> Any:
        kept.last = k
        return x * k

    compiled = torch.compile(keep)
    with pytest.warns(UserWarning, match="compiled keep runs eagerly: the call changes Kept.last"):
        for k in range(1, 20):
            assert torch.equal(compiled(X, k / 4), X * (k / 4)) and kept.last == k / 4
    assert not compiled.programs and len(compiled.reasons) < 10


def test_a_number_in_a_text_is_itself() -> None:
    compiled = torch.compile(lambda x, n, k: (x * k, f"{n}: {k:.2f}", [n], {"k": k}))
    for n in range(4):
        found = compiled(X, n, n / 4)
        assert found[1:] == (f"{n}: {n / 4:.2f}", [n], {"k": n / 4})
        assert [type(one) for one in (*found[2], *found[3].values())] == [int, float]


def test_zeros_of_both_signs_nan_and_infinity() -> None:
    compiled = torch.compile(lambda x, k: x * math.copysign(1, k) + k)
    for k in (1.0, 2.0, 0.0, -0.0, math.inf, math.nan, 0.0, -0.0):
        wanted = X * math.copysign(1, k) + k
        assert torch.equal(compiled(X, k).nan_to_num(7.0), wanted.nan_to_num(7.0)), k


VALUES = [0.5, 0.25, -1.5, 0.1, 3.0, 1e-3, 0.7, 2.5, 0.3, 0.9, 1.1]


def _lists(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return [str(value.dtype), value.double().tolist()]
    return [_lists(one) for one in value]


@backends
@pytest.mark.parametrize("name", FOLLOWED)
def test_results_are_those_of_the_floats(name: str, backend: str) -> None:
    compiled = torch.compile(FOLLOWED[name], backend=backend, fullgraph=True)
    for k in VALUES:
        alike(_lists(compiled(X, k)), _lists(FOLLOWED[name](X, k)))
    assert len(compiled.programs) == 1


ASKED: dict[str, Callable[[Any, float], Any]] = {
    "a branch": lambda x, k: x * k if k > 0.4 else x - k,
    "its truth": lambda x, k: x * k if k else x,
    "a function of floats": lambda x, k: x * math.sqrt(abs(k)),
    "a shape": lambda x, k: x[: int(k * 2) + 1] * k,
    "a parameter": lambda x, k: F.leaky_relu(x, k) * k,
    "bounds": lambda x, k: x.clamp(-abs(k), abs(k)),
    "a tensor of it": lambda x, k: x * torch.tensor(k) + torch.full((4,), k),
    "text": lambda x, k: x * float(f"{k:.3f}"),
    "given back": lambda x, k: (x * k, k),
    "a key": lambda x, k: x * {k: 2.0}[k],
    "as an integer": lambda x, k: x * (k // 1) + k % 1,
    "rounded": lambda x, k: x * round(k, 1),
    "chosen": lambda x, k: (torch.where(x > 0, x, k), torch.where(x > 0, 2 * k, -x)),
    "its digits": lambda x, k: x * k.hex().count("1"),
    "its type": lambda x, k: x * k if type(k) is float else x,
    "in modules": lambda x, k: nn.LeakyReLU(k)(x) + nn.Threshold(k, 2 * k)(x),
    "in distributions": lambda x, k: torch.distributions.Laplace(k, abs(k)).log_prob(x),
    "a power of it": lambda x, k: x * k**2,
}


@backends
@pytest.mark.parametrize("name", ASKED)
def test_a_value_that_is_asked_for_is_a_constant(name: str, backend: str) -> None:
    compiled = torch.compile(ASKED[name], backend=backend, fullgraph=True)

    def told(found: Any) -> Any:
        return [_lists(found[0]), found[1]] if name == "given back" else _lists(found)

    for k in VALUES[:6]:
        found = compiled(X, k)
        alike(told(found), told(ASKED[name](X, k)))
        if name == "given back":
            assert type(found[1]) is float


def test_division_by_zero_raises_as_without_a_program() -> None:
    compiled = torch.compile(lambda x, k: x * (1 / k), fullgraph=True)
    for k in (0.5, 0.25, 2.0):
        compiled(X, k)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            compiled(X, 0.0)
    assert torch.equal(compiled(X, 4.0), X * 0.25)


@backends
def test_a_training_step_with_a_weight_that_changes(backend: str) -> None:
    torch.manual_seed(1)
    nets = [nn.Linear(4, 3), nn.Linear(4, 3)]
    nets[1].load_state_dict(nets[0].state_dict())
    optimizers = [torch.optim.Adam(net.parameters(), lr=0.01) for net in nets]

    def step(which: int, x: Any, y: Any, share: float, *, weight: float = 1.0) -> Any:
        net, optimizer = nets[which], optimizers[which]
        mixed = share * x + (1 - share) * x.flip(0)
        scores = net(mixed)
        loss = share * F.cross_entropy(scores, y) + weight * scores.square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    compiled = torch.compile(lambda *args, **kw: step(0, *args, **kw), backend=backend)
    y = torch.tensor([0, 2, 1])
    for k, share in enumerate(VALUES):
        found = compiled(X, y, share, weight=0.1 * k)
        alike(found.item(), step(1, X, y, share, weight=0.1 * k).item())
    alike(nets[0].weight.tolist(), nets[1].weight.tolist())
    assert len(compiled.programs) <= 2


def test_calls_with_something_else_in_its_place() -> None:
    compiled = torch.compile(lambda x, k: x * k, fullgraph=True)
    for k in (0.5, 0.25, 2, 0.75, torch.tensor(3.0), True, 0.1):
        assert torch.equal(compiled(X, k), X * k), k


@pytest.mark.filterwarnings("ignore:compiled keep runs eagerly")
def test_a_number_that_is_kept_is_a_float_afterwards() -> None:
    kept = type("Kept", (), {"last": 0})

    def keep(x: Any, k: float) -> Any:
        kept.own, kept.twice = k, 2 * k
        return x * k

    compiled = torch.compile(keep)
    for k in VALUES[:6]:
        alike(_lists(compiled(X, k)), _lists(X * k))
        found = [kept.own, kept.twice]
        assert found == [k, 2 * k] and [type(one) for one in found] == [float, float]
