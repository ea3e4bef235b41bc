"""A compiled module is its module: what is set, exchanged or deleted on one is so on the other."""

from __future__ import annotations

import copy
import pickle
import warnings
from typing import Any

import pytest

import rushlight as torch


def _net() -> tuple[Any, Any]:
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Dropout(0.5))
    return net, torch.compile(net, backend="numpy")


def test_an_exchanged_layer_is_the_modules() -> None:
    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head, self.scale = torch.nn.Linear(2, 2), 1.0

        def forward(self, x: Any) -> Any:
            return self.head(x) * self.scale

    net = Net()
    compiled: Any = torch.compile(net, backend="numpy")
    x = torch.ones(1, 2)
    before = compiled(x).tolist()
    compiled.scale = 2.0
    assert compiled(x).tolist() == [[2 * v for v in before[0]]] and net.scale == 2.0
    compiled.head = torch.nn.Linear(2, 5)
    assert compiled(x).shape == (1, 5) and net.head is compiled.head
    assert [k for k, _ in compiled.named_parameters()] == [
        "_orig_mod.head.weight", "_orig_mod.head.bias"
    ]  # fmt: skip
    del compiled.scale
    assert not hasattr(net, "scale")


def test_training_is_the_modules() -> None:
    net, compiled = _net()
    compiled.eval()
    assert not net.training and not net[1].training
    net.train()
    assert compiled.training
    compiled.training = False
    assert not net.training and net[1].training


def test_parameters_that_are_set_are_registered_in_the_module() -> None:
    net, compiled = _net()
    compiled.extra = torch.nn.Parameter(torch.ones(1))
    assert "extra" in dict(net.named_parameters()) and "extra" in dir(compiled)
    assert next(iter(compiled.state_dict())) == "_orig_mod.extra"


def test_copies_are_apart() -> None:
    net, compiled = _net()
    x = torch.ones(1, 2)
    compiled(x)
    other = copy.deepcopy(compiled).eval()
    with torch.no_grad():
        for p in other.parameters():
            p.zero_()
    assert other(x).tolist() == [[0.0, 0.0]]
    assert compiled.training and net[0].weight.any()


def test_missing_names_are_told_as_the_modules() -> None:
    _, compiled = _net()
    with pytest.raises(AttributeError, match="'Sequential' object has no attribute 'nope'"):
        _ = compiled.nope


def test_compiled_modules_in_compiled_calls() -> None:
    """The short way into a program is no code of the user's: no trace looks for effects in it."""
    net, seen = torch.compile(torch.nn.Linear(3, 3)), []
    x = torch.ones(2, 3)
    with torch.no_grad():
        wanted = [net(x * k).sum() for k in range(4)]  # by now the module has its short way
    step = torch.compile(lambda x: net(x).sum())
    with torch.no_grad():
        found = [step(x * k) for k in range(4)]
    assert all(map(torch.allclose, found, wanted)) and len(step.programs) == 1
    keeps = torch.compile(lambda x: seen.append(net(x).sum()) or len(seen))
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert [keeps(x) for _ in range(3)] == [1, 2, 3]
    assert all("<compiled" not in str(why) and "test_wrapped" in str(why) for why in keeps.reasons)


@pytest.mark.parametrize("way", ["file", "weights only", "pickle", "deepcopy"])
def test_a_compiled_module_is_kept_with_how_it_was_compiled(way, tmp_path):
    """Its programs are made again where it is loaded."""
    net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Dropout(0.5))
    compiled = torch.compile(net, fullgraph=True, backend="numpy").eval()
    x = torch.randn(4, 2)
    wanted = compiled(x)
    if way == "pickle":
        found = pickle.loads(pickle.dumps(compiled))
    elif way == "deepcopy":
        found = copy.deepcopy(compiled)
    else:
        torch.save(compiled, tmp_path / "net.pt")
        found = torch.load(tmp_path / "net.pt", weights_only=way == "weights only")
    assert type(found) is type(compiled) and found._orig_mod is not net and not found.training
    assert torch.equal(found(x), wanted)
    assert list(found.state_dict()) == list(compiled.state_dict())
    assert len(found.explain().programs) == 1
    calls = [vars(one)["_call"] for one in (found, compiled)]
    assert [(call.backend, call.fullgraph) for call in calls] == [("numpy", True)] * 2
    found.train()
    assert found._orig_mod[1].training and not net.training
