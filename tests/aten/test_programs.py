"""Programs with modes and tensor classes print what torch printed."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rushlight as rl
from rushlight.core.dispatch import HIDDEN
from rushlight.core.tensor import EAGER_TYPES
from rushlight.testing import assert_close
from rushlight.utils._python_dispatch import TorchDispatchMode

sys.path.insert(0, str(Path(__file__).parent))
from record_modes import FOLDER, printed

F = rl.nn.functional
NAMES = sorted(path.stem for path in FOLDER.glob("*.txt"))


def _ours(path: Path) -> str:
    source = re.sub(r"^import torch$", "import rushlight as torch", path.read_text(), flags=re.M)
    return re.sub(r"^from torch\b", "from rushlight", source, flags=re.M)


@pytest.mark.parametrize("name", NAMES)
def test_a_program_prints_what_torch_printed(name: str) -> None:
    path = FOLDER / f"{name}.txt"
    found, wanted = printed(_ours(path), name), path.with_suffix(".out").read_text()
    assert found.splitlines() == wanted.splitlines()


class _Through(TorchDispatchMode):
    def __init__(self) -> None:
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(str(func))
        return func(*args, **(kwargs or {}))


def _x(*sizes: int) -> Any:
    return rl.randn(*sizes, generator=rl.Generator().manual_seed(len(sizes)), dtype=rl.float64)


CASES: dict[str, tuple[Callable[..., Any], Any]] = {
    "linear": (lambda x, w, b: F.linear(x, w, b), (_x(2, 3, 4), _x(5, 4), _x(5))),
    "product of stacks": (lambda a, b: a @ b, (_x(2, 3, 4), _x(4))),
    "matrix by stack": (lambda a, b: a @ b, (_x(5, 3), _x(2, 3, 4))),
    "vector by stack": (lambda a, b: a @ b, (_x(3), _x(2, 3, 4))),
    "addmm": (lambda a, b, c: rl.addmm(a, b, c, beta=2, alpha=3), (_x(4), _x(2, 3), _x(3, 4))),
    "convolution": (
        lambda x, w, b: F.conv2d(x, w, b, stride=2, padding=1, groups=2),
        (_x(2, 4, 6, 6), _x(6, 2, 3, 3), _x(6)),
    ),
    "transposed convolution": (
        lambda x, w: F.conv_transpose1d(x, w, stride=2, output_padding=1),
        (_x(2, 3, 5), _x(3, 2, 3)),
    ),
    "layer norm": (lambda x, w, b: F.layer_norm(x, (4,), w, b), (_x(3, 4), _x(4), _x(4))),
    "layer norm without weight": (lambda x: F.layer_norm(x, (3, 4)), (_x(2, 3, 4),)),
    "group norm": (lambda x, w, b: F.group_norm(x, 2, w, b), (_x(3, 4, 5), _x(4), _x(4))),
    "batch norm": (
        lambda x, w, b: F.batch_norm(x, None, None, w, b, True), (_x(4, 3, 2), _x(3), _x(3)),
    ),
    "attention": (
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
        (_x(1, 2, 3, 4), _x(1, 2, 3, 4) + 1, _x(1, 2, 3, 4) * 2),
    ),
    "attention without batch": (F.scaled_dot_product_attention, (_x(3, 4), _x(5, 4), _x(5, 2))),
    "softmax": (lambda x: F.softmax(x, 1) * F.log_softmax(x, 0), (_x(3, 4),)),
    "losses": (
        lambda x: F.cross_entropy(x, rl.tensor([0, 2]), ignore_index=2) + F.mse_loss(x, -x),
        (_x(2, 3),),
    ),
    "images of classes": (
        lambda x: F.cross_entropy(x, rl.zeros(2, 2, 2, dtype=rl.int64)), (_x(2, 3, 2, 2),),
    ),
    "pools": (
        lambda x: F.max_pool2d(x, 3, 2, 1).sum() + F.adaptive_avg_pool2d(x, 1).exp().sum(),
        (_x(2, 2, 5, 5),),
    ),
    "embedding": (
        lambda w: F.embedding(rl.tensor([[1, 2], [2, 0]]), w, padding_idx=0), (_x(4, 3),),
    ),
    "activations": (
        lambda x: sum((f(x) for f in (
            F.relu, F.gelu, F.silu, F.mish, F.elu, F.selu, F.softplus, F.hardtanh, F.hardswish,
            F.leaky_relu, F.logsigmoid, F.relu6, rl.tanh, rl.sigmoid, rl.sin, rl.cos, rl.abs,
        )), rl.zeros(())), (_x(3, 4),),
    ),
    "numbers": (
        lambda x, y: (x / y - y.exp().log().sqrt() + x**3 * 2).mean(0).sum(),
        (_x(3, 4), _x(3, 1).abs() + 1),
    ),
    "forms": (
        lambda x: rl.cat([x[:, 1:3].reshape(-1), x.T.flatten(), rl.stack([x[0], x[1]]).view(-1)]),
        (_x(3, 4),),
    ),
    "written": (lambda x: (x * 1).add_(x).mul_(x).clamp_(min=-1.0), (_x(3, 4),)),
    "chosen": (lambda x: x.gather(1, rl.tensor([[0], [1]])).exp() + x.max(1)[0], (_x(2, 3),)),
    "lstm": (lambda x: rl.nn.LSTM(3, 4, dtype=rl.float64)(x * 0)[0], (_x(2, 2, 3),)),
    "norms": (lambda x: x.norm() + x.std() + x.var(1).sum() + x.logsumexp(0).sum(), (_x(3, 4),)),
    "drawn": (
        lambda x: F.rrelu(x, 0.1, 0.9, True) + F.alpha_dropout(x) + F.dropout(x) + F.dropout1d(x),
        (_x(4, 5, 3),),
    ),
    "einsum": (lambda a, b: rl.einsum("ij,jk->ki", a, b), (_x(2, 3), _x(3, 4))),
}  # fmt: skip


def _gradients(function: Any, inputs: Any, mode: Any) -> list[Any]:
    rl.manual_seed(0)
    given = [x.detach().clone().requires_grad_() for x in inputs]
    with mode:
        y = function(*given)
        weights = rl.arange(1, y.numel() + 1, dtype=rl.float64).reshape(y.shape) / y.numel()
        first = rl.autograd.grad((y * weights).sum(), given, create_graph=True)
        total = sum(((g * g).sum() for g in first if g.requires_grad), rl.zeros(()))
        second: Any = ()
        if total.requires_grad:
            second = rl.autograd.grad(total, given, allow_unused=True)
    return [y, *first, *second]


@pytest.mark.parametrize("name", CASES)
def test_values_and_both_gradients_are_those_without_a_mode(name: str) -> None:
    function, inputs = CASES[name]
    wanted = _gradients(function, inputs, rl.enable_grad())
    mode = _Through()
    found = _gradients(function, inputs, mode)
    assert mode.names
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted):
        assert (one is None) == (other is None)
        if one is not None:
            assert_close(one, other, rtol=1e-6, atol=1e-8)


def test_a_graph_made_under_a_mode_is_swept_without_one_and_the_other_way_round() -> None:
    net = rl.nn.Sequential(rl.nn.Linear(3, 4), rl.nn.ReLU(), rl.nn.LayerNorm(4))
    x = rl.ones(2, 3)
    net(x).pow(2).sum().backward()
    wanted = [p.grad.clone() for p in net.parameters()]
    for first, second in ((_Through(), rl.enable_grad()), (rl.enable_grad(), _Through())):
        net.zero_grad()
        with first:
            y = net(x).pow(2).sum()
        with second:
            y.backward()
        for p, g in zip(net.parameters(), wanted):
            assert_close(p.grad, g)


def test_a_mode_is_its_threads_own_and_leaves_nothing_behind() -> None:
    before = set(EAGER_TYPES)
    mode = _Through()
    with mode:
        inside = len(HIDDEN)
        other = threading.Thread(target=lambda: rl.ones(2).exp() * 2)
        other.start()
        other.join()
        assert mode.names == []
    assert inside
    assert set(EAGER_TYPES) == before
    with pytest.raises(ZeroDivisionError), mode:
        raise ZeroDivisionError
    assert set(EAGER_TYPES) == before
    rl.ones(2).exp()
    assert mode.names == []


def test_a_mode_that_declines_is_an_error() -> None:
    class Declines(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, *rest: Any) -> Any:
            return NotImplemented

    with pytest.raises(TypeError, match="Multiple dispatch failed"), Declines():
        rl.ones(2)
