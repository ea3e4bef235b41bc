"""What is set on tensors that are arguments, and functions of the package that are exchanged."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

import rushlight as torch
from rushlight import nn

sys.path.insert(0, str(Path(__file__).parent))
from worlds import backends

F = nn.functional


def _with(scale: Any, size: int = 3) -> Any:
    x: Any = torch.ones(size)
    if scale is not None:
        x.scale = scale
    return x


@backends
def test_an_attribute_of_an_argument_is_part_of_what_a_program_is_for(backend: str) -> None:
    call = torch.compile(lambda x: x * x.scale, backend=backend)
    for scale in (2.0, 3.0, 2.0, 2, 3.0, 5.0, 2.0, 3.0):
        assert call(_with(scale)).tolist() == [float(scale)] * 3
    with pytest.raises(AttributeError):
        call(_with(None))
    assert len(call.programs) == 4


@backends
def test_an_attribute_that_may_be_missing(backend: str) -> None:
    def step(x: Any) -> Any:
        return x * x.scale if hasattr(x, "scale") else x - getattr(x, "shift", 1.0)

    call = torch.compile(step, backend=backend)
    for scale in (None, 2.0, None, 3.0, 2.0, None):
        assert call(_with(scale)).tolist() == [0.0 if scale is None else scale] * 3
    x = _with(None)
    for shift in (4.0, 5.0, 4.0):
        x.shift = shift
        assert call(x).tolist() == [1.0 - shift] * 3
    assert len(call.programs) == 5


@backends
def test_a_tensor_that_is_set_on_an_argument(backend: str) -> None:
    call = torch.compile(lambda xs: xs["x"] * xs["x"].scale, backend=backend)
    scale = torch.tensor(2.0)
    for k in range(4):
        scale.fill_(k)
        assert call({"x": _with(scale)}).tolist() == [float(k)] * 3
    assert call({"x": _with(torch.tensor(7.0))}).tolist() == [7.0] * 3
    assert call({"x": _with(scale)}).tolist() == [3.0] * 3


@backends
def test_what_a_call_sets_on_an_argument_is_set_at_every_call(backend: str) -> None:
    def step(x: Any) -> Any:
        y = x * 2
        x.seen = True
        x.double = y
        return y

    call = torch.compile(step, backend=backend)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for k in range(6):
            x: Any = torch.ones(3) * k
            assert call(x).tolist() == [2.0 * k] * 3
            assert x.seen is True and x.double.tolist() == [2.0 * k] * 3


@backends
def test_a_function_of_the_package_that_is_exchanged(backend: str, monkeypatch: Any) -> None:
    layer = nn.Sequential(nn.GELU(), nn.Flatten(0))
    call, x = torch.compile(layer, backend=backend), torch.ones(3)
    shift = [5.0]
    wanted = layer(x).tolist()
    assert call(x).tolist() == call(x).tolist() == pytest.approx(wanted)
    with monkeypatch.context() as patch:
        patch.setattr(F, "gelu", lambda x, *args, **kwargs: x + shift[0])
        assert call(x).tolist() == call(x).tolist() == [6.0] * 3
        shift[0] = 6.0
        assert call(x).tolist() == [7.0] * 3
        patch.setattr(F, "gelu", lambda x, *args, **kwargs: x - 1)
        assert call(x).tolist() == [0.0] * 3
    assert call(x).tolist() == pytest.approx(wanted)
