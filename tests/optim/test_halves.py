"""Steps of bfloat16 parameters by programs give the numbers of the rules on tensors."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight as torch
from rushlight.core import heavy
from rushlight.optim import halves

pytestmark = pytest.mark.skipif(not heavy.able(), reason="without native code rules run on tensors")
RULES = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.5, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "maximize": True}),
    ("Adam", {}),
    ("Adam", {"weight_decay": 0.1, "amsgrad": True}),
    ("AdamW", {"lr": 0.01, "betas": (0.8, 0.95)}),
    ("RMSprop", {"centered": True, "momentum": 0.5}),
    ("Adagrad", {"lr_decay": 0.1}),
    ("Adamax", {}),
    ("NAdam", {}),
]
SIZES = (32768 + 4096 + 7, 4096, 300, (64, 65), 1)


def steps(rule: str, options: dict, by_programs: bool, count: int = 4) -> tuple[list, int]:
    """Parameters and states after some steps, and how many updates programs carried out."""
    rng, done = np.random.default_rng(0), []
    draw = lambda size: torch.from_numpy(rng.standard_normal(size).astype(np.float32))
    params = [torch.nn.Parameter(draw(size).bfloat16()) for size in SIZES]
    optimizer = getattr(torch.optim, rule)(params, **options)
    update = halves.update
    with pytest.MonkeyPatch.context() as patch:
        told = lambda *args: by_programs and (done.append(update(*args)) or done[-1])
        patch.setattr(halves, "update", told)
        for _ in range(count):
            for param in params:
                scale = torch.exp(2 * draw(param.shape))
                param.grad = (draw(param.shape) * scale).bfloat16()
            optimizer.step()
    found = [param.detach() for param in params]
    found += [v for p in params for v in optimizer.state[p].values() if v.ndim]
    return [x.float().numpy() for x in found], sum(done)


@pytest.mark.parametrize(("rule", "options"), RULES)
def test_programs_round_as_the_rule_on_tensors(rule: str, options: dict) -> None:
    found, done = steps(rule, options, True)
    wanted, _ = steps(rule, options, False)
    assert done == 4 * len(SIZES)
    for x, y in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(x, y)


def test_a_rule_that_is_not_known_to_round_alike_runs_on_tensors() -> None:
    assert steps("Adadelta", {}, True, 1)[1] == 0


@pytest.mark.parametrize("turned", [True, False])
def test_strided_parameters_run_on_tensors(turned: bool) -> None:
    table = torch.randn(64, 128).bfloat16().t()
    param = torch.nn.Parameter(table)
    param.grad = torch.ones_like(table) if turned else torch.ones(128, 64).bfloat16()
    before = param.detach().clone()
    optimizer = torch.optim.SGD([param], lr=0.5)
    optimizer.step()
    assert torch.equal(param.detach(), before - 0.5)
    assert param._version == 1


def test_a_graph_that_read_the_parameter_sees_the_write() -> None:
    param = torch.nn.Parameter(torch.ones(5000).bfloat16())
    loss = (param * param).sum()
    param.grad = torch.ones(5000).bfloat16()
    torch.optim.Adam([param]).step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()
