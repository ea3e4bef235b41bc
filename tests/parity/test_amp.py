"""Mixed precision: torch's data types under autocast, regions, the cache, the scaler."""

from __future__ import annotations

import doctest
import json
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import rushlight as rl
from tests.parity.amp_cases import answers

RECORDED = json.loads((Path(__file__).parent / "data" / "amp.json").read_text())


def test_every_call_has_torchs_data_type() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = answers(rl)
    assert found == RECORDED


def product(kind: rl.dtype = rl.float32) -> rl.dtype:
    return (rl.eye(2, dtype=kind) @ rl.eye(2, dtype=kind)).dtype


def test_regions_nest_and_end() -> None:
    assert product() is rl.float32 and not rl.is_autocast_enabled("cpu")
    with rl.autocast("cpu"):
        assert product() is rl.bfloat16 and rl.is_autocast_cpu_enabled()
        with rl.autocast("cpu", enabled=False):
            assert product() is rl.float32 and product(rl.bfloat16) is rl.bfloat16
            with rl.amp.autocast("cpu", dtype=rl.float16):
                assert product() is rl.float16 and rl.get_autocast_dtype("cpu") is rl.float16
        assert product() is rl.bfloat16
        with pytest.raises(ZeroDivisionError), rl.autocast("cpu", enabled=False):
            raise ZeroDivisionError
        assert product() is rl.bfloat16
    assert product() is rl.float32 and rl.get_autocast_cpu_dtype() is rl.bfloat16


def test_a_region_is_a_decorator() -> None:
    decorated = rl.autocast("cpu")(product)
    assert decorated.__name__ == "product"
    assert decorated() is rl.bfloat16 and product() is rl.float32


def test_weights_are_cast_once_and_learn() -> None:
    weight = rl.ones(2, 2, requires_grad=True)
    with rl.autocast("cpu"):
        first, second = rl.mm(weight, weight), rl.mm(weight, weight)
        casts = {id(one) for entry in (first, second) for one in entry._entry[1]}
    assert len(casts) == 1
    (first + second).sum().backward()
    assert weight.grad is not None and weight.grad.dtype is rl.float32
    assert weight.grad.tolist() == [[8.0, 8.0], [8.0, 8.0]]
    with rl.autocast("cpu", cache_enabled=False):
        assert len({id(one) for one in rl.mm(weight, weight)._entry[1]}) == 2
    with rl.no_grad():
        weight.mul_(2)
    with rl.autocast("cpu"):
        assert rl.mm(weight, weight)[0, 0].item() == 8.0


KEPT = """
import inspect
import rushlight as torch
from rushlight import matmul
from rushlight.nn.functional import linear, mse_loss
before = {name: inspect.signature(getattr(torch, name)) for name in ("addmm", "svd", "prod")}
operator, method = torch.Tensor.__matmul__, torch.Tensor.mm
class Seen(torch.overrides.TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        print(func is matmul, func.__name__, end=" ")
        return func(*args, **(kwargs or {}))
x = torch.ones(2, 2)
with torch.autocast("cpu"):
    print(*(f(x, x).dtype for f in (matmul, linear, mse_loss, operator, method)))
    print(torch.nn.Linear(2, 2)(x).dtype, torch.nn.RNN(2, 2)(x)[0].dtype)
    with Seen():
        product = torch.matmul(x, x)
    print(product.dtype)
print(*(f(x, x).dtype for f in (matmul, linear, mse_loss, operator, method)))
print(matmul is torch.matmul, linear is torch.nn.functional.linear, method is torch.Tensor.mm)
print(all(inspect.signature(getattr(torch, name)) == one for name, one in before.items()))
"""


def test_functions_stay_the_objects_that_they_are() -> None:
    found = subprocess.run(
        [sys.executable, "-c", KEPT], capture_output=True, text=True, check=False
    )  # fmt: skip
    fast, full = "torch.bfloat16", "torch.float32"
    assert found.stdout.splitlines() == [
        f"{fast} {fast} {full} {fast} {fast}", f"{fast} {fast}", f"True matmul {fast}",
        " ".join([full] * 5), "True True True", "True",
    ], found.stderr  # fmt: skip


def test_what_cannot_be_warns_or_is_refused() -> None:
    with pytest.warns(UserWarning, match="the target dtype is not supported"):
        region = rl.autocast("cpu", dtype=rl.float64)
    with region:
        assert product() is rl.float32
    with pytest.warns(UserWarning, match="CUDA is not available"):
        rl.autocast("cuda")
    with pytest.raises(RuntimeError, match="unsupported autocast device_type 'tpu'"):
        rl.autocast("tpu")
    with pytest.raises(ValueError, match="Expected `device_type` of type `str`"):
        rl.autocast(3)


def test_compiled_code_is_made_anew_inside_a_region() -> None:
    net = rl.nn.Linear(3, 2)
    compiled = rl.compile(lambda x: net(x))
    x = rl.ones(2, 3)
    found = [compiled(x).dtype]
    for kind in (rl.bfloat16, rl.float16):
        with rl.autocast("cpu", dtype=kind):
            found.append(compiled(x).dtype)
    assert [*found, compiled(x).dtype] == [rl.float32, rl.bfloat16, rl.float16, rl.float32]


def test_the_scaler_skips_bad_steps_and_adapts() -> None:
    weight = rl.ones(1, requires_grad=True)
    optimizer = rl.optim.SGD([weight], lr=1.0)
    scaler = rl.amp.GradScaler("cpu", init_scale=4.0, growth_interval=2)
    values, scales = [], []
    for factor in (0.25, float("inf"), 0.25, 0.25):
        optimizer.zero_grad()
        scaler.scale(weight.sum() * factor).backward()
        scaler.step(optimizer)
        scaler.update()
        values.append(weight.item())
        scales.append(scaler.get_scale())
    assert values == [0.75, 0.75, 0.5, 0.25] and scales == [4.0, 2.0, 2.0, 4.0]
    other = rl.amp.GradScaler("cpu")
    other.load_state_dict(scaler.state_dict())
    assert other.state_dict() == scaler.state_dict() and other.get_scale() == 4.0
    scaler.scale(weight.sum()).backward()
    scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="has already been called on this optimizer"):
        scaler.unscale_(optimizer)
    scaler.step(optimizer)
    with pytest.raises(RuntimeError, match="already been called since the last update"):
        scaler.step(optimizer)
    with pytest.warns(UserWarning, match="CUDA is not available"):
        assert rl.amp.GradScaler().get_scale() == 1.0


def test_the_docstrings_run() -> None:
    _ = rl.cpu, rl.amp, rl.cuda
    for name in ("amp.casting", "amp.grad_scaler", "cpu.amp", "cuda.amp"):
        found = doctest.testmod(sys.modules[f"rushlight.{name}"])
        assert found.attempted and not found.failed, name


def test_older_names_warn_and_leave_the_types_alone() -> None:
    with pytest.warns(FutureWarning, match=r"use `torch.amp.autocast\('cuda', args...\)` instead"):
        region = rl.cuda.amp.autocast(enabled=False)
    with region:
        assert product() is rl.float32
    with pytest.warns(UserWarning, match="CUDA is not available.  Disabling"):
        scaler = rl.amp.GradScaler("cuda")
    assert not scaler.is_enabled() and scaler.scale(rl.ones(1)).item() == 1.0
    with pytest.warns(FutureWarning, match=r"torch.amp.GradScaler\('cpu', args...\)"):
        assert rl.cpu.amp.GradScaler().is_enabled()
    with pytest.warns(FutureWarning, match=r"custom_fwd\(args..., device_type='cuda'\)"):
        assert rl.cuda.amp.custom_fwd(lambda ctx: 3)(rl.nn.Module()) == 3
    with pytest.raises(RuntimeError, match="compiled without CUDA"), rl.cuda.device(0):
        pass
