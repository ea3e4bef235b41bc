"""Tensors that stood before a call, read or written in ways that are no operators."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rushlight as torch

VIEWS: dict[str, Callable[[Any], Any]] = {
    "detach": lambda w: w.detach(), "data": lambda w: w.data, "parameter": torch.nn.Parameter,
    "subclass": lambda w: w.as_subclass(torch.Tensor), "copy": copy.copy,
    "leaf": lambda w: w.detach().requires_grad_(), "variable": torch.autograd.Variable,
    "set": lambda w: torch.empty(0).set_(w),
    "bits": lambda w: w.view(torch.int32).view(torch.float32),
    "list": lambda w: torch.nn.ParameterList([w])[0], "dlpack": torch.from_dlpack,
    "twice": lambda w: w.data.detach().view(-1), "deepcopy": copy.deepcopy,
}  # fmt: skip
READS: dict[str, Callable[[Any], Any]] = {
    "item": lambda w: w.item(), "float": float, "int": int, "tolist": lambda w: w.tolist(),
    "format": lambda w: float(f"{w:.1f}"), "sqrt": math.sqrt, "numpy": lambda w: float(w.numpy()),
    "equal": lambda w: 2.0 if torch.equal(w, torch.tensor(1.0)) else 3.0,
    "allclose": lambda w: 2.0 if torch.allclose(w, torch.tensor(1.0)) else 3.0,
    "dlpack": lambda w: float(np.from_dlpack(w)), "storage": lambda w: w.storage()[0],
    "tensor": lambda w: torch.tensor(w.item()), "tensors": lambda w: torch.tensor([w, w]).sum(),
    "as_tensor": lambda w: torch.as_tensor([w]).sum(), "full": lambda w: torch.full((), w),
    "pickle": lambda w: pickle.loads(pickle.dumps(w)), "deepcopy": copy.deepcopy,
    "linspace": lambda w: torch.linspace(0, w, 3)[1], "arange": lambda w: torch.arange(0, w).sum(),
    "alpha": lambda w: torch.add(torch.ones(()), 1, alpha=w.item()),
    "data": lambda w: w.data.item(), "unique": lambda w: w.unique().sum(),
    "repeat": lambda w: torch.ones(1).repeat(int(w)).sum(),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", VIEWS)
def test_another_tensor_over_the_same_memory(name: str) -> None:
    found = []
    for wrap in (torch.compile, lambda f: f):
        w, values = torch.ones(3), []

        def reads(x: Any, w: Any = w) -> Any:
            return x * VIEWS[name](w)

        def writes(x: Any, w: Any = w) -> Any:
            with torch.no_grad():
                VIEWS[name](w).add_(x)
            return x * 2

        read, write = wrap(reads), wrap(writes)
        for _ in range(4):
            values += [read(torch.ones(3)).tolist(), write(torch.ones(3)).tolist(), w.tolist()]
            w.add_(1)
        found.append(values)
    assert found[0] == found[1]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", READS)
def test_a_value_read_without_an_operator(name: str) -> None:
    found = []
    for wrap in (torch.compile, lambda f: f):
        w, values = torch.tensor(1.0), []
        run = wrap(lambda x, w=w: x * READS[name](w))
        for _ in range(4):
            values.append(run(torch.ones(2)).tolist())
            w.add_(1)
        found.append(values)
    assert found[0] == found[1]


def test_detached_tensors_do_not_end_a_program() -> None:
    """An average of weights by way of `detach`: one program, and the same numbers."""
    found = []
    for wrap in (lambda f: torch.compile(f, fullgraph=True), lambda f: f):
        torch.manual_seed(0)
        net = torch.nn.Linear(4, 4)
        mean = copy.deepcopy(net)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

        def step(x: Any, net: Any = net, mean: Any = mean, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            loss = net(x).square().mean()
            loss.backward()
            optimizer.step()
            for old, new in zip(mean.parameters(), net.parameters()):
                old.detach().lerp_(new.detach(), 0.1)
            return loss.detach()

        run = wrap(step)
        losses = [run(torch.ones(3, 4) * k) for k in range(4)]
        found.append([*losses, *net.parameters(), *mean.parameters()])
        assert getattr(run, "programs", [0]) and len(getattr(run, "programs", [0])) == 1
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


def test_what_is_saved_is_saved_at_every_call(tmp_path: Path) -> None:
    w = torch.tensor(1.0)
    file = tmp_path / "step.pt"

    def step(x: Any) -> Any:
        torch.save({"step": 1}, file)
        return x * w

    run = torch.compile(step)
    with pytest.warns(UserWarning, match="torch.save"):
        for _ in range(3):
            run(torch.ones(2))
            assert file.exists()
            file.unlink()


def test_tensors_within_reach_that_are_not_used_are_no_inputs() -> None:
    net = torch.nn.ModuleList(torch.nn.Linear(4, 4) for _ in range(5))
    run = torch.compile(lambda x: net[2](x), fullgraph=True)
    run(torch.ones(2, 4))
    assert len(run.programs[0].captured.sources) == 3


SPARSE_USES: dict[str, Any] = {
    "product": lambda a, x: torch.sparse.mm(a, x * 2).sum(),
    "product in a tuple": lambda a, x: torch.mm((a, x)[0], x),
    "vector": lambda a, x: torch.mv(a, x[:, 0]),
    "added product": lambda a, x: torch.addmm(x[:2], a, x),
    "scaled": lambda a, x: (a * x.sum()).to_dense(),
    "values": lambda a, x: a.values() * x.sum(),
    "dense": lambda a, x: a.to_dense() @ x,
    "only there": lambda a, x: x * 2,
}


@pytest.mark.parametrize("use", SPARSE_USES)
def test_a_sparse_argument_is_computed_with_eagerly(use: str) -> None:
    """It was taken for an array, and the call raised."""
    places = torch.tensor([[0, 1, 1], [2, 0, 2]])
    x = torch.arange(6.0).reshape(3, 2).requires_grad_()
    function = SPARSE_USES[use]
    compiled = torch.compile(function)
    with pytest.warns(UserWarning, match="sparse tensors are computed eagerly"):
        for k in range(3):
            a = torch.sparse_coo_tensor(places, torch.tensor([3.0, 4.0, 5.0 + k]), (2, 3))
            assert torch.equal(compiled(a.coalesce(), x), function(a.coalesce(), x))
