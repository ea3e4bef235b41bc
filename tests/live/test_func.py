"""The programs of `func_programs` give torch's numbers; and so do the errors of torch.func."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight.core.trees import flatten

torch = pytest.importorskip("torch")

sys.path.insert(0, str(Path(__file__).parent))
from func_programs import PROGRAMS


def arrays(result: Any) -> list[np.ndarray]:
    """The tensors of a result, left to right."""
    return [x.detach().numpy() if hasattr(x, "detach") else x for x in flatten(result)[0]]


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_agree_with_torch(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found, wanted = arrays(PROGRAMS[name](rl)), arrays(PROGRAMS[name](torch))
    assert len(found) == len(wanted) > 0
    for place, (one, two) in enumerate(zip(found, wanted)):
        assert np.shape(one) == np.shape(two), place
        assert one.dtype == two.dtype
        np.testing.assert_allclose(one, two, rtol=3e-4, atol=3e-5, err_msg=f"{name}, {place}")


MISTAKES: list[Callable[[Any], Any]] = [
    lambda t: t.func.vmap(lambda x: x.item())(t.ones(3)),
    lambda t: t.func.vmap(lambda x: x if x > 0 else -x)(t.ones(3)),
    lambda t: t.func.vmap(lambda x: x.nonzero())(t.ones(3, 2)),
    lambda t: t.func.vmap(lambda x: x[x > 0])(t.ones(3, 2)),
    lambda t: t.func.vmap(lambda x, y: x + y)(t.ones(3), t.ones(4)),
    lambda t: t.func.vmap(lambda x, y: x + y, in_dims=(0,))(t.ones(3), t.ones(4)),
    lambda t: t.func.vmap(lambda x, y: x + y, in_dims=(None, None))(t.ones(3), t.ones(4)),
    lambda t: t.func.vmap(lambda x: x, in_dims=5)(t.ones(3)),
    lambda t: t.func.vmap(lambda x: x, in_dims="a")(t.ones(3)),
    lambda t: t.func.vmap(lambda x: x, in_dims=[0])(t.ones(3)),
    lambda t: t.func.vmap(lambda x: x, in_dims=(0,))(3),
    lambda t: t.func.vmap(lambda: 1)(),
    lambda t: t.func.vmap(lambda x: 3.0)(t.ones(3)),
    lambda t: t.func.vmap(lambda x: (x, x), out_dims=(0, 0, 0))(t.ones(3)),
    lambda t: t.func.vmap(lambda x: x, out_dims=3)(t.ones(3)),
    lambda t: t.func.vmap(lambda x: x, out_dims="x")(t.ones(3)),
    lambda t: t.func.vmap(lambda x: t.rand(2))(t.ones(3)),
    lambda t: t.func.vmap(lambda x: t.rand(2), randomness="bad")(t.ones(3)),
    lambda t: t.func.vmap(lambda x: x, chunk_size=0)(t.ones(3)),
    lambda t: t.func.vmap(lambda x: x.requires_grad_())(t.ones(3)),
    lambda t: t.func.vmap(lambda x: t.allclose(x, x))(t.ones(3)),
    lambda t: t.func.grad(lambda x: x)(t.ones(3)),
    lambda t: t.func.grad(lambda x: (x.sum(), x.sum()))(t.ones(3)),
    lambda t: t.func.grad(lambda x: 3)(t.ones(3)),
    lambda t: t.func.grad(lambda x: x.sum(), has_aux=True)(t.ones(3)),
    lambda t: t.func.grad(lambda x: x.sum(), argnums=1)(t.ones(3)),
    lambda t: t.func.grad(lambda x: x.sum(), argnums=(0, 0))(t.ones(3)),
    lambda t: t.func.grad(lambda x, y: x.sum(), argnums=())(t.ones(3), 1),
    lambda t: t.func.grad(lambda x: x.sum())(t.ones(3).long()),
    lambda t: t.func.vjp(lambda x: x, t.ones(3))[1](t.ones(4)),
    lambda t: t.func.vjp(lambda x: 3, t.ones(3)),
    lambda t: t.func.jvp(lambda x: x, t.ones(3), t.ones(3)),
    lambda t: t.func.jvp(lambda x: x, (t.ones(3),), (t.ones(4),)),
    lambda t: t.func.jvp(lambda x: x, (t.ones(3),), (t.ones(3), t.ones(3))),
    lambda t: t.func.jvp(lambda x: 3, (t.ones(3),), (t.ones(3),)),
    lambda t: t.func.jvp(lambda x: x, (), ()),
    lambda t: t.func.jacrev(lambda x: x, chunk_size=-1)(t.ones(3)),
    lambda t: t.func.jacfwd(lambda x: x, randomness="d")(t.ones(3)),
    lambda t: t.func.stack_module_state([]),
    lambda t: t.func.stack_module_state([t.nn.Linear(1, 1), t.nn.ReLU()]),
    lambda t: t.func.stack_module_state([t.nn.Linear(1, 1), t.nn.Linear(1, 1).eval()]),
    lambda t: t.autograd.forward_ad.make_dual(t.ones(3), t.ones(3)),
    lambda t: t.autograd.forward_ad.exit_dual_level(),
    lambda t: t.autograd.functional.jacobian(t.sin, t.ones(2), vectorize=True, strict=True),
]  # fmt: skip


@pytest.mark.parametrize("place", range(len(MISTAKES)))
def test_mistakes_are_refused_as_in_torch(place: int) -> None:
    """Exception type and first line are torch's."""
    told = []
    for package in (rl, torch):
        with pytest.raises(Exception) as caught:
            MISTAKES[place](package)
        told.append((caught.type.__name__, str(caught.value).split("\n")[0]))
    assert told[0] == told[1]
