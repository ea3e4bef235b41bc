"""Steps that users write with more than layers are one program, and right at every call."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import rushlight as torch

sys.path.insert(0, str(Path(__file__).parent))
from worlds import F, alike, backends

from rushlight.utils.checkpoint import checkpoint


def _variational(net: Any, x: Any) -> Any:
    mean, spread = net(x).chunk(2, 1)
    posterior = torch.distributions.Normal(mean, F.softplus(spread))
    prior = torch.distributions.Normal(0.0, 1.0)
    drawn = posterior.rsample()
    bound = torch.distributions.kl_divergence(posterior, prior).mean()
    return bound - prior.log_prob(drawn).mean()


def _policy(net: Any, x: Any) -> Any:
    choice = torch.distributions.Categorical(logits=net(x))
    action = choice.sample()
    return -(choice.log_prob(action) * x.sum(1)).mean() - 0.01 * choice.entropy().mean()


def _checkpointed(net: Any, x: Any) -> Any:
    block = lambda y: F.dropout(net(y), 0.5).tanh()
    return checkpoint(block, checkpoint(block, x, use_reentrant=False), use_reentrant=False).sum()


def _checkpointed_inside(net: Any, x: Any) -> Any:
    return checkpoint(lambda y: F.dropout(net(y), 0.5), net(x), use_reentrant=True).sum()


def _spectrum(net: Any, x: Any) -> Any:
    return torch.fft.irfft(torch.fft.rfft(net(x)) * net.bias[:3], n=4).square().mean()


STEPS: dict[str, Callable[[Any, Any], Any]] = {
    "variational": _variational, "policy": _policy, "checkpointed": _checkpointed,
    "checkpointed, reentrant": _checkpointed_inside, "spectrum": _spectrum,
}  # fmt: skip


@backends
@pytest.mark.parametrize("name", STEPS)
def test_it_is_one_program(name: str, backend: str) -> None:
    torch.manual_seed(5)
    net = torch.nn.Linear(4, 4)
    inputs = [torch.randn(3, 4) for _ in range(3)]

    def step(x: Any) -> Any:
        net.zero_grad()
        loss = STEPS[name](net, x)
        loss.backward()
        return loss

    def run(call: Any) -> Any:
        torch.manual_seed(6)
        return [
            (call(x).item(), net.weight.grad.numpy().copy(), net.bias.grad.numpy().copy())
            for x in inputs
        ], torch.rand(2).tolist()

    compiled = torch.compile(step, backend=backend, fullgraph=True)
    wanted = run(step)
    assert wanted[0][0][1].any()
    alike(run(compiled), wanted)
    assert len(compiled.programs) == 1


@backends
def test_bad_parameters_raise_at_any_call(backend: str) -> None:
    compiled = torch.compile(
        lambda scale, x: torch.distributions.Normal(0.0, scale).log_prob(x), backend=backend,
        fullgraph=True,
    )  # fmt: skip
    ones = torch.ones(3)
    for _ in range(3):
        alike(compiled(ones, ones).tolist(), [-1.4189385] * 3)
    with pytest.raises(ValueError, match=r"Expected parameter scale .* to satisfy the constraint"):
        compiled(torch.tensor([1.0, -1.0, 1.0]), ones)
    with pytest.raises(ValueError, match="to be within the support"):
        compiled(ones, torch.full((3,), float("nan")))
    assert len(compiled.programs) == 1


@backends
def test_a_reentrant_checkpoint_without_gradients_in_has_none_out(backend: str) -> None:
    net = torch.nn.Linear(4, 4)

    def call(x: Any) -> Any:
        return checkpoint(net, x, use_reentrant=True)

    with pytest.warns(UserWarning, match="None of the inputs have requires_grad=True"):
        assert not torch.compile(call, backend=backend, fullgraph=True)(
            torch.ones(2, 4)
        ).requires_grad


@dataclass
class Outputs:
    scores: Any
    hidden: Any
    kind: str = "layer"


@dataclass(frozen=True, slots=True)
class Parts:
    first: Any
    rest: Any = ()


@backends
def test_dataclasses_are_results(backend: str) -> None:
    torch.manual_seed(7)
    net = torch.nn.Linear(4, 4)
    compiled = torch.compile(
        lambda x: (Outputs(net(x), [x * 2]), Parts(x + 1)), backend=backend, fullgraph=True
    )
    for _ in range(3):
        x = torch.randn(2, 4)
        net.zero_grad()
        outputs, parts = compiled(x)
        assert type(outputs) is Outputs and type(parts) is Parts
        assert (outputs.kind, parts.rest) == ("layer", ())
        wanted = [net(x).tolist(), (x * 2).tolist(), (x + 1).tolist()]
        alike([outputs.scores.tolist(), outputs.hidden[0].tolist(), parts.first.tolist()], wanted)
        outputs.scores.sum().backward()
        alike(net.bias.grad.tolist(), [2.0] * 4)
    assert len(compiled.programs) == 1
