"""functorch: modules as functions of their parameters, and the transforms' older names."""

from __future__ import annotations

import subprocess
import sys

import pytest

import rushlight as torch

functorch = torch.functorch
nn = torch.nn


def test_a_module_is_a_function_of_copies_of_its_parameters() -> None:
    layer = nn.Linear(2, 1)
    with pytest.warns(FutureWarning, match=r"`functorch.make_functional` is deprecated"):
        function, params = functorch.make_functional(layer)
    x = torch.randn(3, 2)
    assert torch.equal(function(params, x), layer(x)) and params[0] is not layer.weight
    assert all(one.device.type == "meta" for one in function.parameters())
    slope = torch.func.grad(lambda params: function(params, x).sum())(params)
    assert torch.allclose(slope[0], x.sum(0, keepdim=True))
    with pytest.warns(FutureWarning):
        _, frozen = functorch.make_functional(layer, disable_autograd_tracking=True)
    assert params[0].requires_grad and not frozen[0].requires_grad
    with pytest.warns(FutureWarning), pytest.raises(ValueError, match="`model` has buffers"):
        functorch.make_functional(nn.BatchNorm1d(2))


def test_buffers_are_handed_in_too() -> None:
    with pytest.warns(FutureWarning):
        function, params, buffers = functorch.make_functional_with_buffers(nn.BatchNorm1d(2))
    function(params, buffers, torch.randn(8, 2))
    assert len(params) == 2 and buffers[2].item() == 1  # the count of batches


def test_an_ensemble_is_one_function_of_stacked_parameters() -> None:
    models = [nn.Linear(2, 1) for _ in range(3)]
    x = torch.randn(4, 2)
    with pytest.warns(FutureWarning):
        function, params, buffers = functorch.combine_state_for_ensemble(models)
        found = functorch.vmap(function, (0, 0, None))(params, buffers, x)
    assert torch.allclose(found, torch.stack([model(x) for model in models]))
    assert not params[0].requires_grad
    with (
        pytest.warns(FutureWarning),
        pytest.raises(
            RuntimeError, match=r"^combine_state_for_ensemble: Expected at least one model, got 0"
        ),
    ):
        functorch.combine_state_for_ensemble([])


PROGRAM = """
import rushlight
rushlight.compat.install()
import warnings
warnings.simplefilter("ignore")
import functorch, torch
import torch.nn.parallel.data_parallel, torch.nn.parallel.replicate
import torch.storage, torch._tensor, torch.utils.data._utils.worker
from torch._functorch.vmap import _add_batch_dim
from torch.nn.parallel.replicate import replicate
assert functorch.grad(torch.sin)(torch.zeros(())) == 1
assert callable(torch.nn.parallel.data_parallel) and torch.nn.parallel.replicate is replicate
assert torch.storage.UntypedStorage is torch.UntypedStorage
try:
    from functorch import dim
except ImportError:
    print("done")
"""


def test_the_alias_answers_for_modules_under_torchs_names() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.stdout == "done\n", done.stderr
